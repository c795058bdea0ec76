/**
 * What the worker says of its attempts: a line in the log and a span for each, and how the connection fares for those who look at it.
 * Writes nothing itself and never fails a message.
 */
import { notificationIdOf, toWire } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import type { Connections } from '../connections/index.ts';
import type { Pace, Turn } from './pace.ts';
import type { Recorded, Result } from './record.ts';
import { type Track, traceIdOf } from './track.ts';

export interface Report {
  /** The provider has answered; `turn` is what that did to the breaker. */
  answered(result: Result, turn: Turn): void;
  /** The result was written down, or was no longer ours to write. */
  attempted(result: Result, recorded: Recorded, ms: number): void;
}

export interface ReportDeps {
  readonly connections: Pick<Connections, 'health'>;
  readonly log: Log;
  readonly pace: Pick<Pace, 'unwell'>;
  readonly track?: Track | undefined;
}

const WELL = { status: 'ok' } as const;

export function createReport({ connections, log, pace, track }: ReportDeps): Report {
  return {
    answered({ claimed: { connectionId }, answer }, turn) {
      if (!answer) return;
      const unwell = pace.unwell(connectionId);
      connections.health(connectionId, unwell ?? WELL);
      if (turn === undefined) return;
      const about = {
        connection_id: toWire('connection', connectionId),
        fault: unwell?.fault,
        wait_ms: unwell?.waitMs,
      };
      if (turn === 'opened') log.warn(about, 'a connection is left alone for a while; its messages wait');
      else log.info(about, 'a connection is well again');
    },
    attempted(result, recorded, ms) {
      track?.attempted(result, recorded, ms);
      const { claimed, adapter, attempt: closed, before, words, runAt } = result;
      const level = closed?.fault && recorded === 'recorded' ? 'info' : recorded === 'lease_lost' ? 'warn' : 'debug';
      if (!log.isLevelEnabled(level)) return;
      log[level](
        {
          message_id: toWire('message', claimed.id),
          notification_id: toWire('notification', notificationIdOf(claimed.id)),
          tenant_id: toWire('tenant', claimed.tenantId),
          connection_id: toWire('connection', claimed.connectionId),
          request_id: before?.requestId,
          trace_id: traceIdOf(claimed.id),
          channel: before?.channel,
          adapter,
          attempt: closed?.number,
          result: closed?.result,
          fault: closed?.fault ?? undefined,
          provider_code: closed?.providerCode ?? undefined,
          word: words.at(-1)?.word,
          next_at: runAt?.toISOString(),
          ms: Math.round(ms),
          recorded,
        },
        'attempt',
      );
    },
  };
}
