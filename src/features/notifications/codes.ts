/**
 * Before accept stores: one-time codes for real people are held to so many an hour for each address, against those who make
 * money from the messages they cause. A notification counts for every address it may write to, those it falls back on too.
 */
import { ApiError } from '../../lib/errors.ts';
import type { Limits } from '../limits/index.ts';
import type { Tenants } from '../tenants/index.ts';
import type { Plan } from './plan.ts';
import { type Refusal, refusalOf } from './policy.ts';

export interface Barred extends Refusal {
  readonly retryAfterSeconds: number;
}

export interface Codes {
  /** For each plan why it may not go; `undefined` when none of them is a code. Whatever may go is counted. */
  bar(tenantId: string, plans: readonly Plan[]): Promise<readonly (Barred | undefined)[] | undefined>;
  /** What was counted has not been stored, or will never be sent. Other plans are let be. */
  giveBack(plans: readonly Plan[]): Promise<void>;
}

export const isCode = ({ messages: [first] }: Plan): boolean => first?.category === 'otp' && first.mode === 'live';

export function createCodes({ tenants, limits }: { readonly tenants: Tenants; readonly limits: Limits }): Codes {
  return {
    async bar(tenantId, plans) {
      // Of a batch all have one category.
      const some = plans.find(({ messages }) => messages.length > 0);
      if (!some || !isCode(some)) return undefined;
      const { otpPerHour } = await tenants.tenant(tenantId);
      if (otpPerHour === 0) return undefined;
      const good = plans.filter(({ request }) => !refusalOf(request));
      const waits = await limits.recipients.take(tenantId, otpPerHour, good.map(addressesOf));
      const refused = new Map(good.map((plan, index) => [plan, waits[index]]));
      return plans.map((plan) => {
        const wait = refused.get(plan);
        return wait === undefined ? undefined : barred(otpPerHour, wait);
      });
    },
    async giveBack(plans) {
      const counted = plans.filter(isCode);
      const tenantId = counted[0]?.messages[0]?.tenantId;
      if (tenantId !== undefined) await limits.recipients.giveBack(tenantId, counted.map(addressesOf));
    },
  };
}

const addressesOf = ({ messages }: Plan): string[] => [
  ...messages.map(({ address }) => address),
  ...(messages[0]?.fallback?.steps ?? []).map(({ address }) => address),
];

const barred = (perHour: number, seconds: number): Barred => ({
  code: 'recipient_rate_limited',
  message: `This address has had its ${perHour} one-time codes of an hour. Nothing was sent. The next may go in ${seconds} seconds.`,
  param: 'recipient',
  details: { per_hour: perHour, retry_after_seconds: seconds },
  retryAfterSeconds: seconds,
});

export const refuseBarred = ({ code, message, param, details, retryAfterSeconds }: Barred): ApiError =>
  new ApiError(code, message, { ...(param ? { param } : {}), ...(details ? { details } : {}), retryAfterSeconds });
