/**
 * A bulk of NDJSON from its first byte to its 202, against raw COPY of the same rows into the same tables. Each round begins
 * with empty tables, so that neither side pays for the other's index.
 */
import { startPart } from '../lib/part.ts';
import { inTurns } from '../lib/rounds.ts';
import type { CopySample } from '../peers/copy.ts';
import { type Database, openAccount, startProduct } from '../stage.ts';
import { outcome, peer, type Scene, uploaded, withAll } from './scene.ts';

const empty = (database: Database) => database.query('truncate messages, events, due');

/** From a message of a bulk; what differs from row to row the peer makes itself, what has its default need not be said. */
async function sampleOf(database: Database): Promise<CopySample> {
  const [row] = await database.query<{ message: Record<string, string | number | null>; input: unknown }>(
    `select jsonb_strip_nulls(to_jsonb(m)) - '{id,bulk_row,address,recipient,input,status,attempts,outcome_unknown}'::text[]
       as message, input from messages m limit 1`,
  );
  if (!row) throw new Error('the product stored no message');
  return { message: row.message, input: row.input };
}

export const bulkAccept: Scene = {
  figures: ['bulk-accept/copy'],
  run: ({ stage, load, scale, stub }) =>
    withAll(async (keep) => {
      const database = await keep(stage.database());
      const api = await keep(startProduct(stage, database.url, { role: 'api', stubPort: stub.info.port }));
      const { liveKey } = await openAccount(database.url, api, stub.info.port);
      const uploader = await keep(startPart('parts/uploader'));
      const upload = (rows: number) => uploaded(uploader, { port: api.port, key: liveKey, rows });
      await upload(1);
      const copy = await keep(peer<unknown>('copy', { databaseUrl: database.url, sample: await sampleOf(database) }));
      const turns = await inTurns(
        [
          {
            name: 'product',
            run: async () => {
              await empty(database);
              return (await upload(scale.rows)).perSecond;
            },
          },
          {
            name: 'copy',
            run: async () => {
              await empty(database);
              return copy.ask<number>('copy', scale.rows);
            },
          },
        ],
        { ...scale, load },
      );
      return [outcome('bulk-accept/copy', turns, 'product', 'copy')];
    }),
};
