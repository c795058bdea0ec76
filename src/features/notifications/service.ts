/** The verbs of notifications: send, validate, cancel, retry, and what the channels can do. */
import { type AnyChannel, DeliveryError, type Registry, receiptsOf } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal, Reply } from '../../lib/http.ts';
import { notificationIdOf } from '../../lib/ids.ts';
import type { Connections } from '../connections/index.ts';
import type { Events } from '../events/index.ts';
import { hashOf, type Idempotency } from '../idempotency/index.ts';
import type { Templates } from '../templates/index.ts';
import type { Accept } from './accept.ts';
import type { FallbackBody } from './fallback-schema.ts';
import type { Planner } from './plan.ts';
import { judge } from './policy.ts';
import { type Detail, messagesOf, type Queries } from './queries.ts';
import { attemptsIn } from './receipts-store.ts';
import { followUp, releaseFailed } from './record.ts';
import type { Render } from './render.ts';
import { type SendBody, TTL_SECONDS } from './schema.ts';
import { holdInRanges, withdrawDue } from './store.ts';
import type { AttemptRow, FallbackStep, Message, NewMessage, Origin, SendCommand } from './types.ts';
import { applyWords } from './words.ts';

export const SEND_ROUTE = 'POST /api/v1/notifications/send';

export interface Finding {
  readonly code: string;
  readonly message: string;
  readonly param?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** A message as it would be sent. */
export interface Finished {
  readonly channel: string;
  readonly address: string;
  readonly content: unknown;
}

export interface Verbs {
  /** One answer per body, in order; a refusal is an ApiError in its place. */
  send(origin: Origin, commands: readonly SendCommand[]): Promise<readonly (Reply | ApiError)[]>;
  /** Everything that send would object to, and what rendering would find. Nothing is stored. */
  validate(
    origin: Origin,
    body: SendBody,
  ): Promise<{
    valid: boolean;
    findings: Finding[];
    channels: Finished[];
    fallback?: Finished[];
  }>;
  /** Cancels what is still queued. Throws `not_found`, `not_cancellable`. */
  cancel(principal: Principal, notificationId: string): Promise<Detail>;
  /** Sends a notification anew whose every message has definitely failed. Throws `not_found`, `not_retryable`. */
  retry(origin: Origin, notificationId: string, idempotencyKey?: string): Promise<Reply>;
  capabilities(principal: Principal): Promise<object[]>;
}

export interface VerbDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly connections: Connections;
  readonly templates: Templates;
  readonly events: Events;
  readonly idempotency: Idempotency;
  readonly accept: Accept;
  readonly plan: Planner;
  readonly render: Render;
  readonly queries: Queries;
}

export function createVerbs(deps: VerbDeps): Verbs {
  const { db, clock, registry, connections, templates, events, idempotency, accept, plan, render, queries } = deps;
  return {
    send: accept,
    async validate(origin, body) {
      const [planned] = await plan(origin, [{ body, idempotencyKey: undefined, requestHash: '', bytes: 0 }]);
      if (!planned) throw new Error('one command, one plan');
      const findings: Finding[] = [...judge(planned.request)];
      const parts = planned.messages.flatMap((message) => [message, ...(message.fallback?.steps ?? [])]);
      const versions = await templates.versions(parts.flatMap(({ templateVersionId }) => templateVersionId ?? []));
      const finished = (part: NewMessage | FallbackStep): Finished[] => {
        const channel = registry.channel(part.channel);
        if (!channel) return [];
        try {
          const content = render(channel, part, versions.get(part.templateVersionId ?? ''));
          return [{ channel: part.channel, address: part.address, content }];
        } catch (error) {
          if (!(error instanceof DeliveryError)) throw error;
          findings.push({
            code: error.fault.kind,
            message: `${part.channel}: ${error.message}`,
            param: 'notification',
          });
          return [];
        }
      };
      const messages = findings.length === 0 ? planned.messages : [];
      const channels = messages.flatMap(finished);
      const fallback = messages.flatMap((message) => message.fallback?.steps ?? []).flatMap(finished);
      return { valid: findings.length === 0, findings, channels, ...(fallback.length > 0 ? { fallback } : {}) };
    },
    async cancel(principal, notificationId) {
      await db.transaction(async (trx) => {
        const messages = await messagesOf(trx, principal, notificationId);
        // Only what no worker holds; the row lock makes a claim that comes now pass it by.
        const queued = messages.filter(({ status }) => status === 'queued');
        const own = await withdrawDue(
          trx,
          queued.map(({ id }) => id),
        );
        const ofBulks = queued.filter(({ id, bulkId, attempts }) => bulkId && attempts === 0 && !own.includes(id));
        const withdrawn = [...own, ...(ofBulks.length > 0 ? await holdInRanges(trx, ofBulks) : [])];
        if (withdrawn.length === 0) throw new ApiError('not_cancellable');
        const folded = await applyWords(
          trx,
          { events },
          new Map(
            withdrawn.map((id) => [id, [{ word: 'failed', at: clock.now(), code: 'cancelled', outcome: 'cancelled' }]]),
          ),
        );
        await followUp(trx, { events }, folded.after);
        await releaseFailed(trx, idempotency, folded);
      });
      return queries.get(principal, notificationId);
    },
    async retry(origin, notificationId, idempotencyKey) {
      const { messages, unheard } = await db.read(origin.principal.tenantId, async (sql) => {
        const found = await messagesOf(sql, origin.principal, notificationId);
        const { text, values } = attemptsIn(found.slice(0, 1).map(({ id }) => notificationIdOf(id)));
        const attempts = await sql.query<AttemptRow>(text, values);
        return { messages: found, unheard: attempts.some(({ result }) => result === null || result === 'unknown') };
      });
      if (unheard || !messages.every(({ status, outcome }) => status === 'failed' && outcome !== 'unknown'))
        throw new ApiError('not_retryable');
      const [first] = messages as readonly Message[] as readonly [Message];
      const command: SendCommand = {
        body: bodyOf(messages, clock.now()),
        // It takes over the key of the first, so that the two are never both sent again; pressed twice it is one retry. When
        // that one has failed as well, its key is free and there can be another.
        idempotencyKey: idempotencyKey ?? first.idempotencyKey ?? `retry of ${notificationId}`,
        requestHash: hashOf(`POST /api/v1/notifications/${notificationId}/retry`, {}),
        bytes: 0,
        retryOf: notificationIdOf(first.id),
      };
      const [answer] = await accept(origin, [command]);
      if (!answer || answer instanceof ApiError) throw answer ?? new Error('one command, one answer');
      return answer;
    },
    async capabilities({ tenantId, mode }) {
      const routes = await connections.routes(tenantId, mode);
      const open = await connections.open([...routes.values()].map(({ connectionId }) => connectionId));
      const receipts = ({ capabilities, id }: AnyChannel) => {
        const { adapter, credentials } = open.get(routes.get(id)?.connectionId ?? '') ?? {};
        return adapter && credentials ? receiptsOf(adapter, credentials) : capabilities.receipts;
      };
      return registry.channels.map((channel) => ({
        channel: channel.id,
        label: channel.label,
        enabled: routes.has(channel.id),
        template_required: channel.templatePolicy.send === 'required',
        raw_allowed: channel.templatePolicy.send === 'optional',
        required_recipient_fields: channel.recipient.filter(({ required }) => required).map(({ name }) => name),
        recipient_fields: channel.recipient,
        content_fields: Object.keys(channel.content.properties),
        content_schema: channel.content,
        limits: {
          max_chars: channel.capabilities.maxChars,
          media: channel.capabilities.media,
          retries_after_seconds: channel.retry.delaysSeconds,
        },
        delivery_receipts: receipts(channel),
        inbound: channel.capabilities.inbound,
        template_policy: channel.templatePolicy,
        opt_out: { words: channel.optOut?.words ?? null, link: channel.optOut?.link ?? false },
        sandbox: channel.sandbox,
        notes: notesOf(channel.templatePolicy.send === 'required', routes.has(channel.id)),
      }));
    },
  };
}

const notesOf = (required: boolean, connected: boolean): string =>
  [
    required
      ? 'Send template_id with its variables in data; raw text is refused.'
      : 'Send template_id with data, or raw fields.',
    ...(connected ? [] : ['Not connected: add a connection under Channels in the portal.']),
  ].join(' ');

/** The request again, from what was kept of it. */
function bodyOf(messages: readonly Message[], now: Date): SendBody {
  const [first] = messages as readonly [Message];
  const { channels = messages.length, steps = [] } = first.fallback ?? {};
  // Steps are what they were prepared as, whether they were started or not.
  const parts = [...messages.slice(0, channels), ...steps];
  const raw = parts
    .filter(({ templateVersionId, input }) => !templateVersionId && !input.content)
    .map(({ input: { data: _, content: __, ...fields } }) => fields);
  const own = parts.filter(({ input }) => input.content).map(({ channel, input }) => [channel, input.content]);
  const slug = parts.find(({ templateSlug }) => templateSlug)?.templateSlug;
  const data = parts.find(({ input }) => input.data)?.input.data;
  const language = parts.find((part) => part.language)?.language;
  return {
    recipient: { ...first.recipient },
    notification: {
      channels: messages.slice(0, channels).map(({ channel }) => channel),
      ...(steps.length > 0 ? { fallback: steps.map(stepBody) } : {}),
      ...(slug ? { template_id: slug } : {}),
      ...(data ? { data } : {}),
      ...Object.assign({}, ...raw),
      ...(own.length > 0 ? { content: Object.fromEntries(own) } : {}),
      ...(language ? { language } : {}),
      ...(first.sendAt && first.sendAt > now ? { send_at: first.sendAt.toISOString() } : {}),
      ttl_seconds: Math.min(
        Math.max(
          Math.round((first.expiresAt.getTime() - (first.sendAt ?? first.createdAt).getTime()) / 1_000),
          TTL_SECONDS.min,
        ),
        TTL_SECONDS.max,
      ),
      category: first.category as 'transactional',
      priority: (['high', 'normal', 'low'] as const)[first.lane] ?? 'normal',
      on_unknown: first.onUnknown,
    },
  };
}

const stepBody = ({ channel, on, afterSeconds }: FallbackStep): FallbackBody => ({
  channel,
  on,
  ...(afterSeconds === null ? {} : { after_seconds: afterSeconds }),
});
