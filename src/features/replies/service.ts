/**
 * Rules that answer by themselves. What a message is owed is written in the transaction that stores the message, and sent
 * afterwards like any other answer, under an idempotency key that is the message's own: so it is never lost and never twice.
 */
import type { Registry } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import { fromWire, newId, toWire } from '../../lib/ids.ts';
import { type List, listPage, readCursor } from '../../lib/list.ts';
import type { Log } from '../../lib/log.ts';
import { invalid } from '../../lib/schema.ts';
import type { Connections } from '../connections/index.ts';
import type { Conversations, Heard } from '../conversations/index.ts';
import { LAST_WORD } from '../notifications/index.ts';
import type { Word } from '../suppressions/index.ts';
import { ruleFor } from './match.ts';
import type { AutoReplyItem, CreateAutoReply, PatchAutoReply } from './schema.ts';
import * as store from './store.ts';

export interface Replies {
  /** Throws `validation_failed`, `conflict` when there are a hundred already. */
  create(principal: Principal, command: CreateAutoReply): Promise<AutoReplyItem>;
  /** In their order. */
  list(principal: Principal, page: { readonly limit: number; readonly cursor?: string }): Promise<List<AutoReplyItem>>;
  /** All that take an id throw `not_found`. */
  get(principal: Principal, id: string): Promise<AutoReplyItem>;
  patch(principal: Principal, id: string, command: PatchAutoReply): Promise<AutoReplyItem>;
  /** What it still owes is forgotten with it. */
  remove(principal: Principal, id: string): Promise<AutoReplyItem>;
  /** What has just been written, with the word that each message is, if it is one. In the transaction that stores it. */
  hear(trx: Sql, messages: readonly Heard[], words: readonly (Word | undefined)[]): Promise<void>;
  /** Gives answers that are owed; returns how many. */
  work(): Promise<number>;
}

export interface RepliesDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: Registry;
  readonly connections: Pick<Connections, 'open'>;
  readonly conversations: Pick<Conversations, 'reply'>;
}

const RULES_MAX = 100;
const BATCH = 50;
const LEASE_SECONDS = 30;
const TRIES_MAX = 20;
const PAUSE_MINUTES = 10;

export function createReplies({ db, clock, log, registry, connections, conversations }: RepliesDeps): Replies {
  type Rule = Omit<store.RuleRow, 'position' | 'failureCode' | 'failedAt' | 'createdAt' | 'updatedAt'> & {
    readonly position: number | null;
  };

  /** Throws `validation_failed` for a rule that could never answer. */
  async function checked(rule: Rule): Promise<Rule> {
    const { trigger, keywords, reply, channel, connectionId } = rule;
    const fault = (path: string, message: string): never => {
      throw invalid([{ path, message }]);
    };
    if ([reply.text, reply.template_id, reply.content].filter((one) => one !== undefined).length !== 1)
      fault('reply', 'needs one of text, template_id and content');
    if (reply.content && !channel) fault('channel', 'must be named: content is of one channel');
    if ((trigger === 'keyword') !== keywords.length > 0)
      fault('keywords', trigger === 'keyword' ? 'needs at least one' : 'belong to the trigger keyword');
    if (channel && !registry.channel(channel)) fault('channel', 'is no channel here');
    if (connectionId) {
      const found = (await connections.open([connectionId], { archived: true })).get(connectionId);
      const isOwn = found && found.tenantId === rule.tenantId && found.mode === rule.mode;
      if (!isOwn || (channel && found.channel.id !== channel)) fault('connection_id', 'is no connection of yours');
    }
    return rule;
  }

  const uuidOf = (connectionId: string): string =>
    fromWire('connection', connectionId) ?? '00000000-0000-0000-0000-000000000000';

  const find = async (sql: Sql, { tenantId, mode }: Principal, id: string, lock: 'for update' | '' = '') =>
    there(await store.findRule(sql, tenantId, mode, there(fromWire('autoReply', id)), lock));

  async function give({
    messageId,
    tenantId,
    mode,
    ruleId,
    conversationId,
    tries,
    trigger,
    reply,
  }: Due): Promise<void> {
    const rule = toWire('autoReply', ruleId);
    const actor = { kind: 'operator', id: trigger === 'stop' ? LAST_WORD : rule } as const;
    const origin = {
      principal: { tenantId, mode, scopes: ['send'], actor } satisfies Principal,
      ip: '',
      requestId: toWire('request', newId()),
      at: clock.now(),
    };
    try {
      const key = `auto-reply ${toWire('message', messageId)}`;
      await conversations.reply(origin, toWire('conversation', conversationId), reply, key);
    } catch (error) {
      const isFinal = error instanceof ApiError && error.status < 500 && error.status !== 409 && error.status !== 429;
      // Its lease lapses, and it is found again.
      if (!isFinal && tries < TRIES_MAX) throw error;
      log.warn({ err: error, auto_reply: rule }, 'an auto-reply could not be given');
      await store.noteFailure(db, ruleId, error instanceof ApiError ? error.code : 'internal_error');
    }
    await store.settleOwed(db, messageId);
  }

  return {
    async create({ tenantId, mode }, command) {
      const rule = await checked({
        id: newId(),
        tenantId,
        mode,
        name: command.name?.trim() ?? '',
        position: command.position ?? null,
        isActive: command.is_active ?? true,
        trigger: command.trigger,
        keywords: command.keywords ?? [],
        match: command.match ?? 'exact',
        channel: command.channel ?? null,
        connectionId: command.connection_id ? uuidOf(command.connection_id) : null,
        reply: command.reply,
        pauseMinutes: command.pause_minutes ?? PAUSE_MINUTES,
      });
      const row = await db.transaction((trx) => store.insertRule(trx, rule, RULES_MAX));
      if (!row) throw new ApiError('conflict', `There are ${RULES_MAX} auto-replies already. Remove one first.`);
      return show(row);
    },
    async list({ tenantId, mode }, { limit, cursor }) {
      const after = readCursor('autoReply', cursor);
      return listPage(
        await db.read(tenantId, (sql) => store.listRules(sql, tenantId, mode, limit + 1, after)),
        limit,
        show,
      );
    },
    get: (principal, id) => db.read(principal.tenantId, async (sql) => show(await find(sql, principal, id))),
    patch: (principal, id, command) =>
      db.transaction(async (trx) => {
        const row = await find(trx, principal, id, 'for update');
        const { connection_id } = command;
        const rule = await checked({
          ...row,
          name: command.name?.trim() ?? row.name,
          position: command.position ?? row.position,
          isActive: command.is_active ?? row.isActive,
          trigger: command.trigger ?? row.trigger,
          keywords: command.keywords ?? row.keywords,
          match: command.match ?? row.match,
          channel: command.channel === undefined ? row.channel : command.channel,
          connectionId: connection_id === undefined ? row.connectionId : connection_id && uuidOf(connection_id),
          reply: command.reply ?? row.reply,
          pauseMinutes: command.pause_minutes ?? row.pauseMinutes,
        });
        return show(await store.updateRule(trx, rule));
      }),
    remove: (principal, id) =>
      db.transaction(async (trx) => {
        const row = await find(trx, principal, id, 'for update');
        await store.deleteRule(trx, row.id);
        return show(row);
      }),
    async hear(trx, messages, words) {
      if (messages.length === 0) return;
      const tenants = new Map(messages.map(({ tenantId, mode }) => [`${tenantId} ${mode}`, { tenantId, mode }]));
      const rules = await store.activeRules(trx, [...tenants.values()]);
      if (rules.length === 0) return;
      const owed = new Map<string, Parameters<typeof store.oweReplies>[1][number]>();
      for (const [index, message] of messages.entries()) {
        const { messageId, tenantId, mode, conversationId } = message;
        const own = rules.filter((rule) => rule.tenantId === tenantId && rule.mode === mode);
        const rule = ruleFor(own, message, words[index]);
        // Who writes three times in a breath is answered once.
        if (rule && !owed.has(`${rule.id} ${conversationId}`))
          owed.set(`${rule.id} ${conversationId}`, {
            ...{ messageId, tenantId, mode, conversationId },
            ruleId: rule.id,
            pauseMinutes: rule.pauseMinutes,
          });
      }
      if (owed.size > 0) await store.oweReplies(trx, [...owed.values()]);
    },
    async work() {
      const due = await store.claimOwed(db, BATCH, LEASE_SECONDS);
      const done = await Promise.allSettled(due.map(give));
      for (const one of done)
        if (one.status === 'rejected') log.warn({ err: one.reason }, 'an auto-reply waits and is tried again');
      return due.length;
    },
  };
}

type Due = Awaited<ReturnType<typeof store.claimOwed>>[number];

function there<T>(row: T | undefined): T {
  if (row === undefined) throw new ApiError('not_found');
  return row;
}

const show = (row: store.RuleRow): AutoReplyItem => ({
  id: toWire('autoReply', row.id),
  object: 'auto_reply',
  livemode: row.mode === 'live',
  name: row.name,
  trigger: row.trigger,
  keywords: [...row.keywords],
  match: row.match,
  channel: row.channel,
  connection_id: row.connectionId && toWire('connection', row.connectionId),
  reply: row.reply,
  position: row.position,
  pause_minutes: row.pauseMinutes,
  is_active: row.isActive,
  failure_code: row.failureCode,
  failed_at: row.failedAt?.toISOString() ?? null,
  created_at: row.createdAt.toISOString(),
  updated_at: row.updatedAt.toISOString(),
});
