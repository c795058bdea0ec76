/** The door of limits: how much a caller may ask for. */
export { type Limit, rateOf } from './bucket.ts';
export type { Limits, LimitsDeps, Part } from './service.ts';
export { createLimits } from './service.ts';
