/** What an alert rule watches, as a number: from counts of minutes, against a limit. Pure. */
import type { MinuteCount } from '../notifications/index.ts';
import type { Metric } from './schema.ts';

/** Kinds of tallies: all, failures, and from here on how long messages took to arrive. */
export const ALL = 0;
export const FAILED = 1;
const WAITS = 2;

/** Each step of the histogram is a tenth longer than the one before; the first is a second, the last half a day. */
const GROWTH = 1.1;
const STEPS = 112;
const stepOf = (seconds: number): number =>
  Math.min(STEPS, Math.max(0, Math.ceil(Math.log(Math.max(seconds, 1)) / Math.log(GROWTH))));
const secondsOf = (step: number): number => Math.round(GROWTH ** step);

export const kindOf = ({ word, seconds }: Pick<MinuteCount, 'word' | 'seconds'>): number =>
  word === 'taken' ? ALL : word === 'failed' ? FAILED : WAITS + stepOf(seconds);

/** Counts of a window, by kind. */
export type Sums = ReadonlyMap<number, number>;

/** `undefined`: there is nothing to say it of. `of`: so many messages there are. */
export function measured(
  metric: Exclude<Metric, 'endpoint_failures'>,
  sums: Sums,
): { readonly value: number | undefined; readonly of: number } {
  const [all, failed] = [sums.get(ALL) ?? 0, sums.get(FAILED) ?? 0];
  if (metric === 'failures') return { value: failed, of: all };
  // What was taken before the window may fail within it.
  if (metric === 'failure_rate')
    return {
      value: all + failed === 0 ? undefined : Math.min(100, (100 * failed) / Math.max(all, failed)),
      of: Math.max(all, failed),
    };
  const waits = [...sums].filter(([kind]) => kind >= WAITS).sort(([a], [b]) => a - b);
  const of = waits.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  const at = waits.find(([, count]) => {
    seen += count;
    return seen >= of * 0.95;
  });
  return { value: at && secondsOf(at[0] - WAITS), of };
}

/** A breach ends well below where it began, so that a value that stays near the limit is one alert and not many. */
const ENDS_AT = 0.8;
export const isBreach = (value: number | undefined, threshold: number): boolean =>
  value !== undefined && value >= threshold;
export const isOver = (value: number | undefined, threshold: number): boolean =>
  value === undefined || value < threshold * ENDS_AT;

const UNITS: Readonly<Record<Metric, (value: number) => string>> = {
  failure_rate: (value) => `${rounded(value)} % of messages failed`,
  failures: (value) => `${rounded(value)} messages failed`,
  latency_p95: (value) => `one message in twenty took ${rounded(value)} s or longer to arrive`,
  endpoint_failures: (value) => `a webhook has failed ${rounded(value)} times in a row`,
};
const LIMITS: Readonly<Record<Metric, (value: number) => string>> = {
  failure_rate: (value) => `${rounded(value)} %`,
  failures: (value) => String(rounded(value)),
  latency_p95: (value) => `${rounded(value)} s`,
  endpoint_failures: (value) => String(rounded(value)),
};
export const rounded = (value: number): number => Math.round(value * 100) / 100;

/** For people. */
export function inWords(
  word: 'fired' | 'recovered',
  {
    name,
    metric,
    value,
    threshold,
    livemode,
  }: {
    readonly name: string;
    readonly metric: Metric;
    readonly value: number;
    readonly threshold: number;
    readonly livemode: boolean;
  },
): { readonly subject: string; readonly text: string } {
  const mode = livemode ? '' : ' (test mode)';
  const limit = LIMITS[metric](threshold);
  return word === 'fired'
    ? { subject: `Alert: ${name}${mode}`, text: `${UNITS[metric](value)}; the limit is ${limit}.` }
    : { subject: `Over: ${name}${mode}`, text: `It is well below the limit of ${limit} again.` };
}
