/**
 * Bulks: one request for many people.
 *
 *     routes → accept (JSON, one commit) ─┐
 *            → upload (cut → read) ───────┴→ rows (plan → policy) → keep (chunk by chunk, then one release)
 *            → judge (the same rows, nothing stored)
 *     view, results ← rows of the store · control: pause, resume, cancel
 */
export { createCutter } from './cut.ts';
export type { Source } from './head.ts';
export type { Judged, Sample, Table } from './judge.ts';
export type { Column } from './read.ts';
export { bulkRoutes } from './routes.ts';
export { type Bulks, type BulksDeps, createBulks } from './service.ts';
export type { BulkView } from './view.ts';
