/** The door of suppressions: who may not be written to. */
export type { Cause, Heard, Outgoing, Preference } from './heed.ts';
export { suppressionRoutes } from './routes.ts';
export { type AddSuppression, REASONS, type Reason, type SuppressionItem } from './schema.ts';
export { SEALED_SUPPRESSIONS } from './seal.ts';
export { createSuppressions, type Suppressions, type SuppressionsDeps } from './service.ts';
export type { Unsubscribing } from './unsubscribe.ts';
export { type Word, wordIn } from './words.ts';
