/** The table to reach: every figure, what it is held against, and its goal. A scene measures one or more of them. */
import type { Goal } from './lib/stats.ts';

export interface Figure {
  readonly name: string;
  readonly what: string;
  readonly against: string;
  readonly goal: Goal;
  /** Of `goal` and result; a ratio when absent. */
  readonly unit?: 'ms';
}

const least = (value: number): Goal => ({ at: 'least', value });
const most = (value: number): Goal => ({ at: 'most', value });
const figure = (name: string, what: string, against: string, goal: Goal, unit?: 'ms'): Figure => ({
  name,
  what,
  against,
  goal,
  ...(unit ? { unit } : {}),
});

const ACCEPT = 'a single send accepted, 64 connections';
const DELIVER = 'queued singles delivered over HTTP';
const BULK = 'a bulk delivered over HTTP';
const LIVE = 'accept and deliver together';
const LOOP = 'a bare undici loop that renders';
const USUAL = 'usual: a BullMQ job a message, compile, fetch, knex';
const TUNED = 'tuned: a BullMQ job a message, prepared pg, cached template, undici';
const LIMIT = 'a limit';

export const FIGURES: readonly Figure[] = [
  figure('accept/koa', ACCEPT, 'Koa + JSON + ajv without a store', least(0.55)),
  figure('accept/own-route', ACCEPT, 'the own route with the store stubbed out', least(0.75)),
  figure('accept/usual', ACCEPT, 'one INSERT and one queue add a request', least(3)),
  figure('deliver/loop', DELIVER, LOOP, least(0.45)),
  figure('bulk-deliver/loop', BULK, LOOP, least(0.6)),
  figure('bulk-deliver/usual', BULK, USUAL, least(12)),
  figure('bulk-deliver/tuned', BULK, TUNED, least(3)),
  figure('live/usual', `${LIVE}, 64 connections`, USUAL, least(10)),
  figure('live/p99', `${LIVE}, end to end at 70 % load, p99`, LIMIT, most(200), 'ms'),
  figure('live/p50', `${LIVE}, end to end with one client, p50`, LIMIT, most(10), 'ms'),
  figure('slow-provider/loop', 'a provider that takes 100 ms, 1,024 in flight', LOOP, least(0.9)),
  figure('bulk-accept/copy', 'bulk NDJSON accepted', 'raw COPY into the same tables and indexes', least(0.6)),
  figure('mail/nodemailer', 'e-mail to an SMTP sink', "nodemailer's own pool in a loop", least(0.9)),
  figure('callbacks-1/verify', 'provider callbacks, one status a body', 'verify and parse without a store', least(0.6)),
  figure(
    'callbacks-10/verify',
    'provider callbacks, ten statuses a body',
    'verify and parse without a store',
    least(0.4),
  ),
  figure('callbacks/p99', 'provider callbacks answered, 2,000 a second for 10 s, p99', LIMIT, most(100), 'ms'),
  figure('lookups/koa', 'status look-ups', 'Koa GET without a store', least(0.6)),
  figure('hot', 'status updates that stay heap-only', 'all of them', least(0.95)),
  figure('memory', 'resident memory of a worker draining 1,000,000', 'draining 60,000', most(1.5)),
  figure('history', 'cost a message at 10,000,000 stored', 'the same at 10,000', most(1.15)),
];
