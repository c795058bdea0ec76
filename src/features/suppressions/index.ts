/** The door of suppressions: who may not be written to. */
export { suppressionRoutes } from './routes.ts';
export type { AddSuppression, Reason, SuppressionItem } from './schema.ts';
export { SEALED_SUPPRESSIONS } from './seal.ts';
export {
  type Cause,
  createSuppressions,
  type Heard,
  type Preference,
  type Suppressions,
  type SuppressionsDeps,
} from './service.ts';
export { type Word, wordIn } from './words.ts';
