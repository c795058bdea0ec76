/**
 * Watches rollouts: reads on in the events from where it stopped, so that the cost is that of the news and not of the
 * history, and tells the templates what became of the messages of both versions. They judge.
 */
import { FAULTS, type FaultKind } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db } from '../../lib/db.ts';
import type { Counted, RunningRollout, Templates } from '../templates/index.ts';
import { type Outcomes, PAGE, readOutcomes } from './rollouts-store.ts';

export interface WatchDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly templates: Templates;
}

const EVERY_MS = 2_000;

/** Answers how many rollouts have more to be read at once. A call soon after the last does nothing. */
export function createWatch({ db, clock, templates }: WatchDeps): () => Promise<number> {
  let next = 0;
  return async () => {
    const now = clock.now().getTime();
    if (now < next && next - now <= EVERY_MS) return 0;
    let full = 0;
    for (const rollout of await templates.runningRollouts()) {
      const page = await readOutcomes(db, {
        tenantId: rollout.tenantId,
        since: rollout.id,
        versionIds: Object.values(rollout.versions),
        after: rollout.place,
      });
      await templates.tallyRollout(rollout, {
        place: page.place ?? rollout.place,
        counts: page.outcomes.map((outcomes) => countsOf(outcomes, rollout)),
      });
      if (page.size === PAGE) full++;
    }
    next = full > 0 ? 0 : now + EVERY_MS;
    return full;
  };
}

/** Each message is counted once as sent, when it was taken or else when it was refused, and once as failed if it is. */
export function countsOf(
  { mode, versionId, type, failureCode, wasSent, count }: Outcomes,
  { versions }: Pick<RunningRollout, 'versions'>,
): Counted['counts'][number] {
  const failed = type === 'message.failed' && isTelling(failureCode) ? count : 0;
  const sent = type === 'message.sent' ? count : wasSent ? 0 : failed;
  return { mode, side: versionId === versions.to ? 'to' : 'from', sent, failed };
}

/**
 * Whether a failure may be the version's. Not when it is the recipient's, nor our own (bounced, cancelled and expired are no
 * faults of a call), nor when the connection was refused whatever it carried.
 */
function isTelling(code: string | null): boolean {
  const fault = FAULTS[code as FaultKind];
  return fault !== undefined && fault.owner !== 'recipient' && code !== 'credentials_invalid';
}
