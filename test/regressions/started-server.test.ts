/**
 * The disk of a server can be put back while processes run; the server is started again, and its store looks like the one they
 * know. They used to go on for up to five seconds, until the next look.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAudit } from '../../src/features/audit/index.ts';
import { createCustody } from '../../src/features/custody/index.ts';
import { createEvents } from '../../src/features/events/index.ts';
import { claimDue } from '../../src/features/notifications/claim.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { newId } from '../../src/lib/ids.ts';
import { createLog } from '../../src/lib/log.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

test('after its server was started nothing is taken from a store until somebody has looked at it', async () => {
  const { db, query } = database;
  const custody = createCustody({
    db,
    log: createLog('silent'),
    events: createEvents(),
    audit: createAudit({ db, clock: systemClock }),
    doorbell: { ring: () => undefined, close: async () => undefined },
    files: undefined,
  });
  await custody.check();
  await query(
    `insert into due (id, tenant_id, connection_id, lane, run_at) values ($1, $1, $1, 1, now() - interval '1 second')`,
    [newId()],
  );
  const take = () => claimDue(db, newId(), { rooms: [], defaultRoom: 5, limit: 5, leaseSeconds: 0 });
  expect(await take()).toHaveLength(1);
  // What a look before the start has left; written as `check` writes it, so that nothing else is new.
  await db.transaction((trx) =>
    trx.query(
      `update custody set server_started = pg_postmaster_start_time() - interval '1 hour',
         written_by = (pg_current_xact_id()::text::numeric % 4294967296)::bigint`,
    ),
  );
  expect(await take()).toHaveLength(0);
  await custody.check();
  expect(custody.isQuarantined()).toBe(false);
  expect(await take()).toHaveLength(1);
});
