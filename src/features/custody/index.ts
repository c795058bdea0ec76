/** The door of custody: which store this is, and what waits because it came out of a backup. */
export { custodyRoutes } from './routes.ts';
export { type Custody, createCustody } from './service.ts';
