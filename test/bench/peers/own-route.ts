/**
 * The product's own route with the store stubbed out: the whole house as it is wired, but once it is warm, everything that
 * accepting writes is answered at once. What caches read every few seconds still comes from the real database.
 */
import { createApp, listen } from '../../../src/app.ts';
import { createDeps } from '../../../src/deps.ts';
import { readConfig } from '../../../src/lib/config.ts';
import type { Db } from '../../../src/lib/db.ts';
import { createLog } from '../../../src/lib/log.ts';
import { partOptions, servePart } from '../lib/part.ts';
import { channel } from '../plugin.ts';

const { databaseUrl, env } = partOptions<{ databaseUrl: string; env: Record<string, string> }>();
const config = readConfig({ ...env, DATABASE_URL: databaseUrl, PORT: '0', ROLE: 'api' });
const log = createLog('warn');
const deps = await createDeps({ config, databaseUrl, log, publicUrl: () => 'http://127.0.0.1', plugins: [channel] });

/** Every key is new, every row is written, and none of it happens. */
let stubbed = 0;

const { port } = await listen(createApp(deps), 0, '127.0.0.1');
servePart(
  { port },
  {
    /** After a first real send has filled the caches. */
    stub() {
      const db = deps.db as { -readonly [K in keyof Db]: Db[K] };
      db.batch = async (legs) => {
        stubbed += legs.length;
        return legs.map(() => []) as never;
      };
    },
    /** Statements that were answered here; none means that the product has found another way to its store. */
    stubbed: () => stubbed,
  },
);
