/** SQL of raw requests from providers. */
import type { RawRequest } from '../../channel-kit/index.ts';
import type { Sql } from '../../lib/db.ts';
import { queryOf } from './query.ts';

export interface StoredRequest extends RawRequest {
  readonly id: string;
  readonly connectionId: string;
  /** The adapter named in the path it came by. */
  readonly adapter: string;
}

/** One that was read back: when it came is known by the store's clock. */
export interface ReadRequest extends StoredRequest {
  readonly at: Date;
}

/** The bodies travel as one piece of bytes, which is the only form in which they are not written as text first. */
export const insertRequests = (sql: Sql, requests: readonly StoredRequest[]): Promise<unknown> => {
  let start = 1;
  const rows = requests.map(({ id, connectionId, adapter, method, url, headers, body }) => {
    const from = start;
    start += body.length;
    return { id, connectionId, method, url, headers: { ...headers, ':adapter': adapter }, from, length: body.length };
  });
  return sql.query(
    `insert into inbound_requests (id, connection_id, method, url, headers, body)
     select id, "connectionId", method, url, headers, substring($2::bytea from "from" for length)
     from jsonb_to_recordset($1) as r(id uuid, "connectionId" uuid, method text, url text, headers jsonb, "from" int, length int)`,
    [JSON.stringify(rows), Buffer.concat(requests.map(({ body }) => body))],
  );
};

/** A request of this partition waits to be read. */
export const hasWaiting = async (sql: Sql, partition: string): Promise<boolean> =>
  (await sql.query(`select from "${partition}" where applied_at is null limit 1`)).length > 0;

interface Row {
  readonly id: string;
  readonly connectionId: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  readonly at: Date;
}
const ROW = 'id, connection_id as "connectionId", method, url, headers, body, received_at as at';
const requestOf = ({ headers: { ':adapter': adapter = '', ...headers }, ...row }: Row): ReadRequest => ({
  ...row,
  headers,
  adapter,
  query: queryOf(row.url),
});

/** The next that were not applied, held until the end of the transaction. */
export const claimRequests = async (sql: Sql, limit: number): Promise<ReadRequest[]> =>
  (
    await sql.query<Row>(
      `select ${ROW} from inbound_requests where applied_at is null and due_at <= clock_now() order by id limit $1 for update skip locked`,
      [limit],
    )
  ).map(requestOf);

/** Of these, those that are kept. */
export const readRequests = async (sql: Sql, ids: readonly string[]): Promise<ReadRequest[]> =>
  (await sql.query<Row>(`select ${ROW} from inbound_requests where id = any($1)`, [ids])).map(requestOf);

export const markApplied = (sql: Sql, ids: readonly string[]): Promise<unknown> =>
  sql.query(`update inbound_requests set applied_at = clock_now() where id = any($1)`, [ids]);

/** Later: the connection cannot be opened by this process, or not yet. */
export const putOff = (sql: Sql, ids: readonly string[], seconds: number): Promise<unknown> =>
  sql.query(`update inbound_requests set due_at = clock_now() + make_interval(secs => $2) where id = any($1)`, [
    ids,
    seconds,
  ]);

/** Set aside: reading it fails every time. The bytes stay. */
export const markUnreadable = (sql: Sql, id: string, error: string): Promise<unknown> =>
  sql.query(`update inbound_requests set applied_at = clock_now(), error = $2 where id = $1`, [id, error]);
