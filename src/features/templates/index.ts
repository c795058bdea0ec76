/** Templates: what is said, per channel and language, in versions that never change. */
export type * from './door.ts';
export { RenderError } from './render-error.ts';
export { templateRoutes } from './routes.ts';
export type * from './schema.ts';
export { createTemplates, type TemplatesDeps } from './service.ts';
