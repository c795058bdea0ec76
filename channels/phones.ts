/**
 * The sandbox numbers that mean the same on every channel that dials one. They follow the magic numbers that
 * developers know from telephone providers, so that nobody has to learn new ones.
 */
import type { SandboxCase } from '../src/channel-kit/index.ts';

/** `+15005550006` from 6. */
export const magic = (n: number) => ({ phone: `+1500555${String(n).padStart(4, '0')}` });

export const phoneCases: readonly SandboxCase[] = [
  { to: magic(1), steps: [{ refuse: 'recipient_invalid' }], note: 'not a number anyone has' },
  { to: magic(4), steps: [{ refuse: 'recipient_opted_out' }], note: 'has opted out' },
  { to: magic(6), steps: [{ receipt: 'delivered' }], note: 'delivered' },
  {
    to: magic(8),
    steps: [{ refuse: 'rate_limited', retryAfterSeconds: 1 }, { receipt: 'delivered' }],
    note: 'queue full at first, then delivered',
  },
  { to: magic(10), steps: [{ receipt: 'delivered', afterMs: 5_000 }], note: 'slow: delivered after five seconds' },
  {
    to: magic(11),
    steps: [{ refuse: 'provider_unavailable' }, { refuse: 'provider_unavailable' }, { receipt: 'delivered' }],
    note: 'flaky: out of order twice, then delivered',
  },
  { to: magic(12), steps: [{ refuse: 'outcome_unknown' }], note: 'the answer is lost and no receipt ever comes' },
  {
    to: magic(13),
    steps: [{ refuse: 'outcome_unknown' }, { receipt: 'delivered', afterMs: 2_000 }],
    note: 'the answer is lost, a receipt settles it',
  },
  { to: magic(14), steps: [{ refuse: 'credentials_invalid' }], note: 'the connection is refused' },
];
