/** The rollout on a template's page: its figures, and what was typed about it. Pure. */
import type { Faults, Fields } from './forms.ts';
import type { Rollout, RolloutWish } from './ports.ts';

interface Version {
  readonly number: number;
  readonly status: string;
}

const WORDS = { running: 'running', completed: 'completed', rolled_back: 'rolled back' } as const;
const MARKS = { running: 'sent', completed: 'delivered', rolled_back: 'failed' } as const;

/** Digits, and two decimals where they make sense. */
const within = (text: string | undefined, most: number): number | undefined => {
  const value = /^\d{1,7}(\.\d{1,2})?$/.test(text?.trim() ?? '') ? Number(text) : Number.NaN;
  return value <= most ? value : undefined;
};

export function readRollout({ version, percent, limit, min_sent }: Fields): {
  readonly wish: RolloutWish;
  readonly faults: Faults | undefined;
} {
  const read = {
    version: within(version, 999_999),
    percent: within(percent, 100),
    limit: within(limit, 100),
    min_sent: within(min_sent, 1_000_000),
  };
  const whole = (number: number | undefined) => Number.isInteger(number) && number !== 0;
  const fields = {
    ...(whole(read.version) ? {} : { version: 'Choose a version.' }),
    ...(read.percent === undefined ? { percent: 'Type a share from 0 to 100.' } : {}),
    ...(read.limit === undefined ? { limit: 'Type a share from 0 to 100.' } : {}),
    ...(whole(read.min_sent) ? {} : { min_sent: 'Type a whole number from 1 to 1,000,000.' }),
  };
  return {
    wish: {
      version: read.version ?? 0,
      percent: read.percent ?? 0,
      failure_limit: { percent: read.limit ?? 0, min_sent: read.min_sent ?? 0 },
    },
    faults: Object.keys(fields).length > 0 ? { fields } : undefined,
  };
}

/** What the page shows. Without an active version, or without another one, there is nothing to roll out. */
export function rolloutContext(
  active: number | null,
  versions: readonly Version[],
  last: Rollout | undefined,
  typed: Fields | undefined,
) {
  const running = last?.status === 'running' ? last : undefined;
  const others = versions.filter(({ number }) => number !== active);
  const limit = running?.failure_limit ?? { percent: 5, min_sent: 50 };
  return {
    rollout: last && {
      ...last,
      running: running !== undefined,
      word: WORDS[last.status],
      mark: MARKS[last.status],
      rows: [last.counts.from, last.counts.to].map(({ failure_rate: rate, ...count }) => ({
        ...count,
        rate: rate === null ? '–' : `${rate} %`,
      })),
      back: running !== undefined || (last.status === 'completed' && last.version === active),
    },
    rollout_form:
      active === null || (others.length === 0 && !running)
        ? undefined
        : {
            fixed: running?.version,
            versions: others.map(({ number, status }) => ({
              number,
              status,
              chosen: String(number) === typed?.version,
            })),
            percent: typed?.percent ?? running?.percent ?? 10,
            limit: typed?.limit ?? limit.percent,
            min_sent: typed?.min_sent ?? limit.min_sent,
          },
  };
}
