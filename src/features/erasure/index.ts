/** The door of erasure: taking a person out of the store. */
export { erasureRoutes } from './routes.ts';
export { createErasures, type Erasures, SEALED_ERASURES } from './service.ts';
