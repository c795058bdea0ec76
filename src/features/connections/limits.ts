/**
 * How much a connection may take: what its adapter allows, unless the owner has said otherwise. Judged here and not only at
 * the API, because the portal and the command line set limits too. Pure.
 */
import type { AnyAdapter } from '../../channel-kit/index.ts';
import { invalid, validator } from '../../lib/schema.ts';
import type { Pace } from './door.ts';
import { type Limits, limits } from './schema.ts';

/** As they are stored; `null` is the adapter's own. */
export interface StoredLimits {
  readonly per_second: number | null;
  readonly concurrency: number | null;
}

const AT = 'limits';
const judge = validator(limits);
const FORMS: Readonly<Record<string, string>> = {
  per_second: 'must be a number from 0.1 to 100,000',
  concurrency: 'must be a whole number from 1 to 4,096',
};

/** Given over known; `null` goes back to the adapter's own. Throws `validation_failed` with paths such as `limits.per_second`. */
export function setLimits(known: StoredLimits, given: Limits = {}): StoredLimits {
  const faults = judge.faults(given);
  if (faults.length > 0)
    throw invalid(faults.map(({ path, message }) => ({ path: `${AT}.${path}`, message: FORMS[path] ?? message })));
  const { per_second = known.per_second, concurrency = known.concurrency } = given;
  return { per_second, concurrency };
}

export const noLimits: StoredLimits = { per_second: null, concurrency: null };

export const paceOf = (adapter: AnyAdapter, { per_second, concurrency }: StoredLimits): Pace => ({
  perSecond: per_second ?? adapter.perSecond,
  concurrency: concurrency ?? adapter.concurrency,
});
