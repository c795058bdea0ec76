/**
 * What each claimed row asks for, in the order of the questions: is it over, can it be carried here, did its process die in
 * the call, has it expired, shall it go? Whoever shall go has an attempt row before this returns.
 */
import type { AnyAdapter, Registry } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db } from '../../lib/db.ts';
import { toWire } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import type { Connections, OpenConnection } from '../connections/index.ts';
import type { Templates } from '../templates/index.ts';
import { type Claimed, openAttempts } from './claim.ts';
import { attempt, type Job, settle, type Timing } from './deliver.ts';
import type { Result } from './record.ts';
import type { Render } from './render.ts';
import type { Word } from './status.ts';
import { loadMessages } from './store.ts';
import type { Message } from './types.ts';

export interface Prepared {
  readonly claimed: Claimed;
  readonly work: () => Promise<Result>;
}

export interface PrepareDeps {
  readonly db: Db;
  readonly registry: Registry;
  readonly connections: Connections;
  readonly templates: Templates;
  readonly render: Render;
  /** The connection's own adapter, or the sandbox in its place. */
  readonly adapterOf: (connection: OpenConnection) => AnyAdapter;
  readonly log: Log;
  readonly timing: Timing;
  readonly clock: Clock;
  readonly owner: string;
  /** Tells what a connection can take. */
  readonly learn: (connectionId: string, adapter: AnyAdapter) => void;
}

/** A connection that cannot be opened here may be opened by another process, or after the settings were mended. */
const ELSEWHERE_MS = 60_000;

/** Rows that are no longer ours when their attempt is opened are left out. */
export async function prepare(
  deps: PrepareDeps,
  claimed: readonly Claimed[],
  deadline: number,
): Promise<readonly Prepared[]> {
  const { db, registry, connections, templates, render, adapterOf, log, timing, clock, owner, learn } = deps;
  const messages = new Map(
    (
      await loadMessages(
        db,
        claimed.map(({ id }) => id),
      )
    ).map((message) => [message.id, message]),
  );
  const open = await connections.open([...new Set(claimed.map(({ connectionId }) => connectionId))], {
    archived: true,
  });
  const versions = await templates.versions([
    ...new Set([...messages.values()].flatMap(({ templateVersionId }) => templateVersionId ?? [])),
  ]);
  const sending: Job[] = [];

  function workOf(one: Claimed): () => Promise<Result> {
    const message = messages.get(one.id);
    const say =
      (words: readonly Word[], extra: Partial<Result> = {}) =>
      async (): Promise<Result> => ({ id: one.id, fence: one.fence, connectionId: one.connectionId, words, ...extra });
    if (!message) return say([]);
    if (!wantsAttempt(message))
      return say(
        message.outcomeUnknown ? [{ word: 'failed', at: one.now, code: 'outcome_unknown', outcome: 'unknown' }] : [],
        closing(one),
      );
    const connection = open.get(one.connectionId);
    const channel = registry.channel(message.channel);
    if (!connection || !channel) {
      log.error(
        { message_id: toWire('message', one.id), connection_id: toWire('connection', one.connectionId) },
        'this process cannot open the connection of a message; it waits (run carillon doctor)',
      );
      return say([], { runAt: new Date(one.now.getTime() + ELSEWHERE_MS) });
    }
    const adapter = adapterOf(connection);
    learn(one.connectionId, adapter);
    const version = message.templateVersionId ? versions.get(message.templateVersionId) : undefined;
    const job: Job = {
      claimed: one,
      message,
      channel,
      adapter,
      connection,
      render: () => render(channel, message, version),
      attempt: one.lastNumber + 1,
      deadline,
    };
    if (one.openNumber !== null) return () => settle(job, clock, timing);
    if (connection.archived) return say([{ word: 'failed', at: one.now, code: 'credentials_invalid' }]);
    if (message.expiresAt <= one.now)
      return say([{ word: 'failed', at: one.now, code: 'expired', outcome: 'expired' }]);
    sending.push(job);
    return () => attempt(job, clock, timing);
  }

  const work = claimed.map((one) => ({ claimed: one, work: workOf(one) }));
  const asked = new Set(sending.map(({ message }) => message.id));
  const opened = await openAttempts(
    db,
    owner,
    sending.map(({ message, claimed: { fence, connectionId }, attempt: number }) => ({
      messageId: message.id,
      number,
      tenantId: message.tenantId,
      connectionId,
      fence,
    })),
  );
  return work.filter(({ claimed: { id } }) => !asked.has(id) || opened.has(id));
}

/** Queued, or taken and later refused with another attempt planned. */
const wantsAttempt = ({ status, nextAttemptAt, outcomeUnknown }: Message): boolean =>
  !outcomeUnknown && (status === 'queued' || (status === 'sent' && nextAttemptAt !== null));

/** A receipt has settled what a crashed attempt left open: the provider had taken it. */
const closing = ({ id, openNumber }: Claimed): Partial<Result> =>
  openNumber === null
    ? {}
    : {
        attempt: {
          messageId: id,
          number: openNumber,
          result: 'accepted',
          fault: null,
          providerCode: null,
          providerMessage: 'settled by a receipt',
          providerId: null,
          retryAt: null,
        },
      };
