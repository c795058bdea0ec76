/** The questions people ask about their messages. Read through the role that can see one tenant only. */
import type { Content, Preview, Registry } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import { fromWire, notificationIdOf, toWire } from '../../lib/ids.ts';
import { type List, readCursor } from '../../lib/list.ts';
import type { Connections } from '../connections/index.ts';
import type { Templates } from '../templates/index.ts';
import { beganBy, mergeTimelines } from './fallback-view.ts';
import { createLookUp, type Found } from './lookups.ts';
import { quarantinedOf } from './quarantine.ts';
import {
  countMessages,
  type Filter,
  findMessages,
  lastDay,
  messagesOfMany,
  quarantinedCount,
  queueAge,
} from './queries-store.ts';
import type { Render } from './render.ts';
import type { Status } from './status.ts';
import { loadMessages } from './store.ts';
import type { AttemptRow, Message, ReceiptRow } from './types.ts';
import { attemptView, messageView, reasonOf, summaryView, timelineOf, wordsOf } from './view.ts';

export interface ListQuery {
  readonly channel?: string;
  readonly recipient?: string;
  readonly status?: Status;
  readonly template_id?: string;
  /** One that is no id matches nothing. */
  readonly bulk_id?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
  readonly cursor?: string;
}
export type Filters = Omit<ListQuery, 'limit' | 'cursor'>;
export type Summary = ReturnType<typeof summaryView>;
export type Detail = ReturnType<typeof detailView>;

export interface Overview {
  readonly by_channel: readonly ({ channel: string } & Record<Status, number>)[];
  /** 24 hours, oldest first. */
  readonly by_hour: readonly { hour: string; delivered: number; failed: number; other: number }[];
  readonly failures: readonly { code: string; message: string; count: number }[];
  readonly queue: {
    readonly waiting: number;
    readonly oldest_seconds: number;
    /** Wait for the operator since a restore. */
    readonly quarantined: number;
  };
  /** Messages looked at; at the limit the figures are of the newest ones. */
  readonly counted: number;
}

export interface Queries {
  /** Newest first. A notification is listed when one of its messages matches. */
  list(principal: Principal, query: ListQuery): Promise<List<Summary>>;
  /** Messages by status among the newest 10,000 that match. */
  counts(principal: Principal, filters: Filters): Promise<Record<Status, number>>;
  /** Throws `not_found`. */
  get(principal: Principal, notificationId: string): Promise<Detail>;
  /** The message as the person sees it. Throws `not_found`. */
  preview(
    principal: Principal,
    messageId: string,
  ): Promise<{ channel: string; content: Content | undefined; preview: Preview | undefined; fault?: string }>;
  overview(principal: Principal): Promise<Overview>;
}

export interface QueryDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly connections: Connections;
  readonly templates: Templates;
  readonly render: Render;
  /** Whether anything waits for the operator. */
  readonly isQuarantined: () => boolean;
}

const NONE = '00000000-0000-0000-0000-000000000000';
const COUNT_MAX = 10_000;
const DAY_MAX = 100_000;
const NOTHING: Found = { messages: [], attempts: [], receipts: [] };
const absent = (): ApiError => new ApiError('not_found', 'There is no notification of this id.');

export function createQueries({
  db,
  clock,
  registry,
  connections,
  templates,
  render,
  isQuarantined,
}: QueryDeps): Queries {
  const lookUp = createLookUp(db);
  return {
    async list(principal, { limit, cursor, ...filters }) {
      const before = readCursor('notification', cursor);
      return db.read(principal.tenantId, async (sql) => {
        const ids = await notificationsOf(sql, filterOf(principal, filters), before, limit + 1);
        const messages = await messagesOfMany(sql, principal.tenantId, principal.mode, ids.slice(0, limit));
        const data = ids
          .slice(0, limit)
          .map((id) => summaryView(messages.filter((message) => notificationIdOf(message.id) === id)));
        const more = ids.length > limit;
        return {
          object: 'list',
          data,
          has_more: more,
          next_cursor: more ? (data.at(-1)?.notification_id ?? null) : null,
        };
      });
    },
    async counts(principal, filters) {
      const rows = await db.read(principal.tenantId, (sql) =>
        countMessages(sql, filterOf(principal, filters), COUNT_MAX),
      );
      return {
        queued: 0,
        sent: 0,
        delivered: 0,
        failed: 0,
        ...Object.fromEntries(rows.map(({ status, count }) => [status, count])),
      };
    },
    async get(principal, notificationId) {
      const id = fromWire('notification', notificationId);
      const { messages, attempts, receipts } = id ? await lookUp(principal.tenantId, principal.mode, id) : NOTHING;
      if (messages.length === 0) throw absent();
      const open = await connections.open([...new Set(messages.map(({ connectionId }) => connectionId))], {
        archived: true,
      });
      const waiting = isQuarantined() ? await db.read(principal.tenantId, (sql) => quarantinedOf(sql, messages)) : [];
      return detailView(
        messages,
        attempts,
        receipts,
        new Set(waiting.map((message) => message.id)),
        (message) => open.get(message.connectionId)?.owner !== 'platform',
      );
    },
    async preview(principal, messageId) {
      const id = fromWire('message', messageId);
      const [message] = id ? await db.read(principal.tenantId, (sql) => loadMessages(sql, [id])) : [];
      const channel = message && registry.channel(message.channel);
      if (!message || message.mode !== principal.mode || !channel) throw new ApiError('not_found');
      const versionId = message.templateVersionId;
      const version = versionId ? (await templates.versions([versionId])).get(versionId) : undefined;
      try {
        const content = render(channel, message, version);
        return { channel: channel.id, content, preview: channel.preview(content) };
      } catch (error) {
        return { channel: channel.id, content: undefined, preview: undefined, fault: (error as Error).message };
      }
    },
    async overview(principal) {
      const now = clock.now();
      const since = new Date(now.getTime() - 86_400_000);
      const [rows, queue, quarantined] = await Promise.all([
        db.read(principal.tenantId, (sql) => lastDay(sql, principal.tenantId, principal.mode, since, DAY_MAX)),
        queueAge(db, principal.tenantId),
        isQuarantined() ? quarantinedCount(db, principal.tenantId) : 0,
      ]);
      const sum = (test: (row: (typeof rows)[number]) => boolean) =>
        rows.filter(test).reduce((total, { count }) => total + count, 0);
      const channels = [...new Set(rows.map(({ channel }) => channel))];
      const hours = Array.from(
        { length: 24 },
        (_, index) => new Date(Math.floor(now.getTime() / 3_600_000) * 3_600_000 - (23 - index) * 3_600_000),
      );
      const codes = [...new Set(rows.flatMap(({ failureCode }) => failureCode ?? []))];
      return {
        by_channel: channels.map((channel) => {
          const of = (status: Status) => sum((row) => row.channel === channel && row.status === status);
          return { channel, queued: of('queued'), sent: of('sent'), delivered: of('delivered'), failed: of('failed') };
        }),
        by_hour: hours.map((hour) => {
          const at = (test: (status: Status) => boolean) =>
            sum((row) => row.hour.getTime() === hour.getTime() && test(row.status));
          return {
            hour: hour.toISOString(),
            delivered: at((status) => status === 'delivered'),
            failed: at((status) => status === 'failed'),
            other: at((status) => status === 'queued' || status === 'sent'),
          };
        }),
        failures: codes
          .map((code) => ({ code, message: reasonOf(code).message, count: sum((row) => row.failureCode === code) }))
          .sort((a, b) => b.count - a.count),
        queue: { waiting: queue.waiting, oldest_seconds: queue.oldestSeconds, quarantined },
        counted: sum(() => true),
      };
    },
  };
}

/** The messages of one notification. Throws `not_found`. */
export async function messagesOf(sql: Sql, { tenantId, mode }: Principal, notificationId: string): Promise<Message[]> {
  const id = fromWire('notification', notificationId);
  const messages = id ? await messagesOfMany(sql, tenantId, mode, [id]) : [];
  if (messages.length === 0) throw absent();
  return messages;
}

/** Distinct notifications of the matching messages, newest first. */
async function notificationsOf(
  sql: Sql,
  filter: Filter,
  before: string | undefined,
  wanted: number,
): Promise<string[]> {
  const found = new Set<string>();
  let from = before;
  for (;;) {
    const ids = await findMessages(sql, filter, from, wanted * 2);
    for (const id of ids) if (found.size < wanted) found.add(notificationIdOf(id));
    const last = ids.at(-1);
    if (found.size >= wanted || ids.length < wanted * 2 || last === undefined) return [...found];
    from = notificationIdOf(last);
  }
}

function filterOf(
  { tenantId, mode }: Principal,
  { channel, recipient, status, template_id, bulk_id, from, to }: Filters,
): Filter {
  const range = { ...(from ? { from: new Date(from) } : {}), ...(to ? { to: new Date(to) } : {}) };
  if (range.from && range.to && range.from > range.to)
    throw new ApiError('validation_failed', 'from: lies after to', { param: 'from' });
  return {
    tenantId,
    mode,
    ...range,
    ...(channel ? { channel } : {}),
    ...(recipient ? { address: recipient } : {}),
    ...(status ? { status } : {}),
    ...(template_id ? { templateSlug: template_id } : {}),
    ...(bulk_id ? { bulkId: fromWire('bulk', bulk_id) ?? NONE } : {}),
  };
}

function detailView(
  messages: readonly Message[],
  attempts: readonly AttemptRow[],
  receipts: readonly ReceiptRow[],
  quarantined: ReadonlySet<string>,
  ownsProvider: (message: Message) => boolean,
) {
  const [first] = messages as readonly [Message];
  const data = messages.find(({ input }) => input.data)?.input.data;
  const channels = messages.map((message, index) => {
    const mine = attempts.filter(({ messageId }) => messageId === message.id);
    const heard = receipts.filter(({ messageId }) => messageId === message.id);
    const show = ownsProvider(message);
    const said = [...mine, ...heard].filter(({ fault }) => fault !== null && fault === message.failureCode).at(-1);
    return {
      ...messageView(message, show && said ? wordsOf(said) : {}, quarantined.has(message.id)),
      attempts: mine.map((attempt) => attemptView(attempt, show)),
      timeline: timelineOf(message, mine, heard, beganBy(messages, index)),
    };
  });
  return {
    ...summaryView(messages),
    channels,
    ...(first.fallback ? { timeline: mergeTimelines(channels) } : {}),
    recipient: first.recipient,
    ...(data ? { data } : {}),
    ...(first.retryOf ? { retry_of: toWire('notification', first.retryOf) } : {}),
    ...(first.requestId ? { request_id: first.requestId } : {}),
  };
}
