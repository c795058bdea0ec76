/**
 * What each claimed message asks for, in the order of the questions: is it over, can it be carried here, did its process die
 * in the call, has it expired, does its person want it, shall it go?
 */
import { setMaxListeners } from 'node:events';
import type { AnyAdapter, Registry } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import { toWire } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import type { Connections, OpenConnection } from '../connections/index.ts';
import type { Suppressions } from '../suppressions/index.ts';
import type { Templates } from '../templates/index.ts';
import type { Claimed } from './claim.ts';
import { attempt, type Job, settle, type Timing } from './deliver.ts';
import type { Limits } from './pace.ts';
import { nextAllowed } from './quiet.ts';
import type { Result } from './record.ts';
import type { Render } from './render.ts';
import type { Word } from './status.ts';
import type { Track } from './track.ts';
import { ERASED, LAST_WORD, type Message } from './types.ts';

export interface Prepared {
  readonly claimed: Claimed;
  readonly work: () => Promise<Result>;
}

export interface PrepareDeps {
  readonly registry: Registry;
  readonly connections: Connections;
  readonly templates: Templates;
  readonly suppressions: Suppressions;
  readonly render: Render;
  /** The connection's own adapter, or the sandbox in its place. */
  readonly adapterOf: (connection: OpenConnection) => AnyAdapter;
  readonly log: Log;
  readonly timing: Timing;
  readonly clock: Clock;
  /** Tells what a connection can take. */
  readonly learn: (connectionId: string, limits: Limits) => void;
  /** Absent while nobody collects traces. */
  readonly track?: Track | undefined;
}

/** A claim with its message; without one when the message is gone. */
export interface Taken {
  readonly claimed: Claimed;
  readonly message: Message | undefined;
}

/** A connection that cannot be opened here may be opened by another process, or after the settings were mended. */
const ELSEWHERE_MS = 60_000;

export async function prepare(
  { registry, connections, templates, suppressions, render, adapterOf, log, timing, clock, learn, track }: PrepareDeps,
  taken: readonly Taken[],
  deadline: number,
): Promise<readonly Prepared[]> {
  const connectionIds = new Set<string>();
  const versionIds = new Set<string>();
  for (const { claimed, message } of taken) {
    connectionIds.add(claimed.connectionId);
    if (message?.templateVersionId) versionIds.add(message.templateVersionId);
  }
  const [open, versions, barred] = await Promise.all([
    connections.open([...connectionIds], { archived: true }),
    templates.versions([...versionIds]),
    suppressions.barred(taken.flatMap(({ claimed, message }) => (message && mayGo(claimed, message) ? message : []))),
  ]);
  for (const connection of open.values()) {
    const adapter = adapterOf(connection);
    const { perSecond, concurrency } = adapter;
    // Another adapter in its place, the sandbox's, answers as it was told to.
    learn(
      connection.id,
      adapter === connection.adapter ? { ...connection.pace, adapter: adapter.id } : { perSecond, concurrency },
    );
  }

  const signal = AbortSignal.timeout(Math.max(1, Math.ceil(deadline - performance.now())));
  setMaxListeners(0, signal);
  return taken.map(({ claimed, message }) => ({ claimed, work: workOf(claimed, message) }));

  function workOf(claimed: Claimed, message: Message | undefined): () => Promise<Result> {
    const say =
      (words: readonly Word[], extra: Partial<Result> = {}) =>
      async (): Promise<Result> => ({ claimed, ...(message ? { before: message } : {}), words, ...extra });
    if (!message) return say([]);
    const { now } = claimed;
    if (!wantsAttempt(message))
      return say(
        message.outcomeUnknown ? [{ word: 'failed', at: now, code: 'outcome_unknown', outcome: 'unknown' }] : [],
        closing(claimed),
      );
    if (message.address === ERASED) return erased(claimed, say);
    const connection = open.get(claimed.connectionId);
    const channel = registry.channel(message.channel);
    if (!connection || !channel) {
      log.error(
        { message_id: toWire('message', claimed.id), connection_id: toWire('connection', claimed.connectionId) },
        'this process cannot open the connection of a message; it waits (run carillon doctor)',
      );
      return say([], { runAt: new Date(now.getTime() + ELSEWHERE_MS) });
    }
    const version = message.templateVersionId ? versions.get(message.templateVersionId) : undefined;
    const job: Job = {
      claimed,
      message,
      reference: toWire('message', claimed.id),
      channel,
      adapter: adapterOf(connection),
      connection,
      render: () => render(channel, message, version),
      deadline,
      signal,
      unsubscribeUrl:
        channel.optOut?.link && message.category === 'marketing' ? suppressions.linkOf(message) : undefined,
      ...(track ? { traceparent: track.header(claimed.id, claimed.number) } : {}),
    };
    if (claimed.openSince !== null) return () => settle(job, clock, timing);
    if (connection.archived) return say([{ word: 'failed', at: now, code: 'credentials_invalid' }]);
    if (message.expiresAt <= now) return say([{ word: 'failed', at: now, code: 'expired', outcome: 'expired' }]);
    if (barred.has(message.id)) return say([{ word: 'failed', at: now, code: 'recipient_opted_out' }]);
    const allowed = message.quietHours ? nextAllowed(now, message.quietHours) : now;
    if (allowed > now) return say([], { runAt: allowed });
    return () => attempt(job, clock, timing);
  }
}

/** Queued, or taken and later refused with another attempt planned. */
const wantsAttempt = ({ status, nextAttemptAt, outcomeUnknown }: Message): boolean =>
  !outcomeUnknown && (status === 'queued' || (status === 'sent' && nextAttemptAt !== null));

/** Nothing of it is in the air, its person is still known, and it may depend on the person's wish. */
const mayGo = ({ openSince }: Claimed, message: Message): boolean =>
  openSince === null && wantsAttempt(message) && message.address !== ERASED && message.actorId !== LAST_WORD;

/** Its person was erased while it was on its way to a worker: it is not sent, and what may have left already is not known. */
const erased = (
  claimed: Claimed,
  say: (words: readonly Word[], extra?: Partial<Result>) => () => Promise<Result>,
): (() => Promise<Result>) => {
  const at = claimed.now;
  const [closed] = [closing(claimed).attempt];
  return closed
    ? say([{ word: 'failed', at, code: 'outcome_unknown', outcome: 'unknown' }], {
        attempt: { ...closed, result: 'unknown', fault: 'outcome_unknown', providerMessage: null },
      })
    : say([{ word: 'failed', at, code: 'erased', outcome: 'cancelled' }]);
};

/** A receipt has settled what a crashed attempt left open: the provider had taken it. */
const closing = ({ id, tenantId, connectionId, number, fence, openSince, deadline }: Claimed): Partial<Result> =>
  openSince === null || deadline
    ? {}
    : {
        attempt: {
          messageId: id,
          tenantId,
          connectionId,
          number,
          fence,
          startedAt: openSince,
          result: 'accepted',
          fault: null,
          providerCode: null,
          providerMessage: 'settled by a receipt',
          providerId: null,
          retryAt: null,
        },
      };
