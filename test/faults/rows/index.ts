/** The matrix, in the order of its ids; the soak comes last. */
import type { Row } from '../lib/row.ts';
import { crashes } from './crashes.ts';
import { doors } from './doors.ts';
import { postgres } from './postgres.ts';
import { providers } from './providers.ts';
import { redis } from './redis.ts';
import { soak } from './soak.ts';
import { webhooks } from './webhooks.ts';

const order = (id: string): number => Number(/\d+/.exec(id)?.[0]);

export const ROWS: readonly Row[] = [
  ...[...crashes, ...redis, ...postgres, ...providers, ...doors, ...webhooks].sort(
    (a, b) => order(a.id) - order(b.id) || (a.id < b.id ? -1 : 1),
  ),
  ...soak,
];
