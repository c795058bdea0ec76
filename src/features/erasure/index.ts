/** The door of erasure: taking a person out of the store. */
export { erasureRoutes } from './routes.ts';
export { SEALED_ERASURES } from './seal.ts';
export { createErasures, type Erasures } from './service.ts';
