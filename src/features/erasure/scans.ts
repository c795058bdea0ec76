/**
 * Where else a person may stand, and how each place is emptied: table by table, in ranges of its key, so that no statement reads
 * more than a few thousand rows. The one file whose SQL knows tables of other features: a person's traces are looked for
 * wherever they are, and a table that is not listed here is found by the test that reads every column of the store.
 */
import type { Sql } from '../../lib/db.ts';
import { createCutter } from '../bulks/index.ts';
import { type Needles, scrub } from './needles.ts';

export interface Scope extends Needles {
  readonly tenantId: string;
  readonly mode: string;
}

interface Scan {
  readonly table: string;
  readonly key: string;
  /** Of the key, for the statement. */
  readonly type: 'uuid' | 'text';
  /** Over $1, the tenant, and $2, the mode. */
  readonly scope: string;
  /** A key that says the address is replaced as a whole, by that of its notification: no two may become one. */
  readonly columns: Readonly<Record<string, 'json' | 'text' | 'key'>>;
  /** The id that a key is replaced by. */
  readonly named?: string;
  /** How many rows are read at a time. */
  readonly rows: number;
}

const OWN = 'tenant_id = $1 and mode = $2';
const MESSAGE_OF = (id: string) =>
  `tenant_id = $1 and exists (select from messages m where m.id = ${id} and m.mode = $2)`;

/** In their order. Messages first: what they are emptied of is looked for in no other place. */
export const SCANS: readonly Scan[] = [
  {
    table: 'messages',
    key: 'id',
    type: 'uuid',
    scope: OWN,
    columns: { recipient: 'json', input: 'json', fallback: 'json', template_slug: 'text', idempotency_key: 'key' },
    named: `left(id::text, 35) || '0'`,
    rows: 5_000,
  },
  { table: 'events', key: 'id', type: 'uuid', scope: OWN, columns: { data: 'json' }, rows: 10_000 },
  { table: 'deliveries', key: 'id', type: 'uuid', scope: OWN, columns: { body: 'text' }, rows: 5_000 },
  // A rule that asked for the person matches nobody any more.
  { table: 'webhook_rules', key: 'id', type: 'uuid', scope: OWN, columns: { conditions: 'json' }, rows: 1_000 },
  { table: 'alert_rules', key: 'id', type: 'uuid', scope: OWN, columns: { targets: 'json' }, rows: 1_000 },
  { table: 'alerts', key: 'id', type: 'uuid', scope: OWN, columns: { targets: 'json' }, rows: 5_000 },
  {
    table: 'delivery_attempts',
    key: 'delivery_id',
    type: 'uuid',
    scope:
      'tenant_id = $1 and exists (select from deliveries d where d.id = delivery_attempts.delivery_id and d.mode = $2)',
    columns: { answer: 'text' },
    rows: 2_000,
  },
  {
    table: 'attempts',
    key: 'message_id',
    type: 'uuid',
    scope: MESSAGE_OF('attempts.message_id'),
    columns: { provider_message: 'text', provider_code: 'text' },
    rows: 5_000,
  },
  {
    table: 'receipts',
    key: 'message_id',
    type: 'uuid',
    scope: MESSAGE_OF('receipts.message_id'),
    columns: { provider_message: 'text', provider_code: 'text' },
    rows: 5_000,
  },
  {
    table: 'outbox',
    key: 'message_id',
    type: 'uuid',
    scope: `tenant_id = $1 and $2 = 'sandbox'`,
    columns: { content: 'json', address: 'text' },
    rows: 2_000,
  },
  {
    table: 'bulks',
    key: 'id',
    type: 'uuid',
    scope: OWN,
    columns: { request: 'json', name: 'text', idempotency_key: 'key' },
    named: 'id::text',
    rows: 1_000,
  },
  {
    table: 'bulk_errors',
    key: 'bulk_id',
    type: 'uuid',
    scope: 'tenant_id = $1 and exists (select from bulks b where b.id = bulk_errors.bulk_id and b.mode = $2)',
    columns: { error: 'json' },
    rows: 5_000,
  },
  { table: 'campaign_drafts', key: 'id', type: 'uuid', scope: OWN, columns: { settings: 'json' }, rows: 200 },
  {
    table: 'idempotency',
    key: 'key',
    type: 'text',
    scope: OWN,
    columns: { body: 'text', key: 'key' },
    named: 'notification_id::text',
    rows: 5_000,
  },
  { table: 'suppressions', key: 'id', type: 'uuid', scope: OWN, columns: { note: 'text' }, rows: 5_000 },
  {
    table: 'inbound_messages',
    key: 'id',
    type: 'uuid',
    scope: OWN,
    columns: { text: 'text', data: 'json' },
    rows: 5_000,
  },
  {
    table: 'inbound_media',
    key: 'id',
    type: 'uuid',
    scope: OWN,
    columns: { filename: 'text', url: 'text' },
    rows: 5_000,
  },
  {
    table: 'contacts',
    key: 'id',
    type: 'uuid',
    scope: OWN,
    columns: { name: 'text', metadata: 'json', external_id: 'key' },
    named: 'id::text',
    rows: 5_000,
  },
  // What a provider said last: through a connection of the platform, too, where it may be about anybody.
  {
    table: 'connections',
    key: 'id',
    type: 'uuid',
    scope: '(tenant_id = $1 or tenant_id is null) and mode = $2',
    columns: { health_note: 'text' },
    rows: 5_000,
  },
];

/** Every column in which a person may stand, as `table.column`. A test knows why nobody stands in the others. */
export const PLACES: readonly string[] = [
  'messages.address',
  ...SCANS.flatMap(({ table, columns }) => Object.keys(columns).map((name) => `${table}.${name}`)),
  ...['body', 'headers', 'url', 'error'].map((name) => `inbound_requests.${name}`),
  'campaign_drafts.csv',
  'contacts.email',
  'contacts.phone',
  'contact_identities.value',
  'conversations.address',
  'conversations.recipient',
];

/** The end of the next range after a key; `undefined`: there is no more. */
export async function endOf(
  sql: Sql,
  { table, key, type, rows }: Pick<Scan, 'table' | 'key' | 'type' | 'rows'>,
  scope: string,
  { tenantId, mode }: Scope,
  after: string | null,
): Promise<string | undefined> {
  const [row] = await sql.query<{ last: string | null }>(
    `select (array_agg(k order by k desc))[1]::text as last from (
       select ${key} as k from ${table} where ${scope} and ($3::${type} is null or ${key} > $3::${type}) order by ${key} limit ${rows}) range`,
    [tenantId, mode, after],
  );
  return row?.last ?? undefined;
}

/** Takes the address out of the rows of a range that hold it; returns how many. */
export async function emptyRange(
  sql: Sql,
  { table, key, type, scope, columns, named = 'null' }: Scan,
  { tenantId, mode, pattern }: Scope,
  after: string | null,
  last: string,
): Promise<number> {
  const names = Object.keys(columns);
  const rows = await sql.query<Record<string, unknown> & { at_: string; part_: string; named_: string | null }>(
    `select ctid::text as at_, tableoid::text as part_, ${named} as named_, ${names.join(', ')} from ${table}
     where ${scope} and ($3::${type} is null or ${key} > $3::${type}) and ${key} <= $4::${type} and concat_ws(' ', ${names
       .map((name) => `${name}::text`)
       .join(', ')}) ~* $5 for update`,
    [tenantId, mode, after, last, pattern],
  );
  const find = new RegExp(pattern, 'gi');
  // The place of a row is its own only together with the partition.
  for (const { at_, part_, named_, ...row } of rows)
    await sql.query(
      `update ${table} set ${names.map((name, index) => `${name} = $${index + 3}`).join(', ')} where ctid = $1::tid and tableoid = $2::oid`,
      [
        at_,
        part_,
        ...names.map((name) => {
          const value = row[name] ?? null;
          const clean = scrub(value, find);
          if (columns[name] === 'key') return clean === value ? value : `erased ${named_}`;
          return columns[name] === 'json' && clean !== null ? JSON.stringify(clean) : clean;
        }),
      ],
    );
  return rows.length;
}

/** People of this tenant's messages who are known by these addresses only through another field of the recipient. */
export const recipientsIn = async (
  sql: Sql,
  { tenantId, mode, values, digits }: Scope,
  after: string | null,
  last: string,
): Promise<string[]> =>
  (
    await sql.query<{ id: string }>(
      `select distinct (left(id::text, 35) || '0')::uuid as id from messages
       where tenant_id = $1 and mode = $2 and ($3::uuid is null or id > $3::uuid) and id <= $4::uuid and recipient <> '{}'
         and exists (select from jsonb_each_text(recipient) as r where lower(btrim(r.value)) = any($5)
           or r.value ~ '^[0-9[:space:]().+-]+$' and regexp_replace(r.value, '[^0-9]', '', 'g') = any($6))`,
      [tenantId, mode, after, last, values, digits],
    )
  ).map(({ id }) => id);

const CALLBACKS = {
  table: 'inbound_requests',
  key: 'id',
  type: 'uuid',
  rows: 2_000,
} as const;
const OF_TENANT = 'connection_id in (select id from connections where tenant_id = $1 and mode = $2)';

/** Callbacks of providers that name the person: all of them go, once they were read. `left`: some were not read yet. */
export async function emptyCallbacks(
  sql: Sql,
  scope: Scope,
  after: string | null,
): Promise<{ last: string | undefined; emptied: number; left: boolean }> {
  const last = await endOf(sql, CALLBACKS, OF_TENANT, scope, after);
  if (last === undefined) return { last, emptied: 0, left: false };
  const rows = await sql.query<{ id: string; read: boolean }>(
    `select id, applied_at is not null as read from inbound_requests
     where ${OF_TENANT} and ($3::uuid is null or id > $3::uuid) and id <= $4::uuid
       and (encode(body, 'escape') ~* $5 or headers::text ~* $5 or url ~* $5 or error ~* $5)`,
    [scope.tenantId, scope.mode, after, last, scope.pattern],
  );
  const read = rows.filter((row) => row.read).map(({ id }) => id);
  await wipeCallbacks(sql, read);
  return { last, emptied: read.length, left: read.length < rows.length };
}

/** Bytes, headers and query of requests that were read. */
export const wipeCallbacks = (sql: Sql, ids: readonly string[]): Promise<unknown> =>
  sql.query(
    `update inbound_requests set body = '', headers = '{}', url = split_part(url, '?', 1), error = null where id = any($1) and applied_at is not null`,
    [ids],
  );

/** The callbacks that told of these messages, and have not been emptied; the unread among them are left for the next look. */
export const callbacksAbout = async (sql: Sql, messageIds: readonly string[]): Promise<string[]> =>
  (
    await sql.query<{ id: string }>(
      `select distinct i.id from receipts r join inbound_requests i on i.id = r.inbound_id
       where r.message_id = any($1) and i.applied_at is not null and i.body <> ''`,
      [messageIds],
    )
  ).map(({ id }) => id);

export const emptyOutbox = (sql: Sql, messageIds: readonly string[]): Promise<unknown> =>
  sql.query('delete from outbox where message_id = any($1)', [messageIds]);

/** What providers said of messages that nobody knows (yet). */
export const emptyParked = (sql: Sql, { tenantId, mode, pattern }: Scope): Promise<unknown> =>
  sql.query(
    `update receipts set provider_message = null, provider_code = null
     where connection_id in (select id from connections where tenant_id = $1 and mode = $2) and message_id is null
       and concat_ws(' ', provider_message, provider_code) ~* $3`,
    [tenantId, mode, pattern],
  );

/** Files of campaigns that are not sent yet lose the rows of the person. `left`: one is being sent at this moment. */
export async function emptyDrafts(
  sql: Sql,
  { tenantId, mode, pattern }: Scope,
): Promise<{ emptied: number; left: boolean }> {
  const drafts = await sql.query<{ id: string; csv: Buffer; sending: boolean }>(
    `select id, csv, coalesce(sending_until > clock_now(), false) as sending from campaign_drafts
     where tenant_id = $1 and mode = $2 and csv is not null and encode(csv, 'escape') ~* $3 for update`,
    [tenantId, mode, pattern],
  );
  const find = new RegExp(pattern, 'i');
  for (const { id, csv, sending } of drafts)
    if (!sending) await sql.query('update campaign_drafts set csv = $2 where id = $1', [id, withoutRows(csv, find)]);
  return { emptied: drafts.length, left: drafts.some(({ sending }) => sending) };
}

function withoutRows(csv: Buffer, find: RegExp): Buffer {
  const cutter = createCutter('', true);
  const [header = ''] = csv.toString('latin1').split('\n', 1);
  cutter.delimiter =
    [',', ';', '\t'].sort((a, b) => header.split(b).length - header.split(a).length)[0]?.charCodeAt(0) ?? 44;
  cutter.push(csv);
  cutter.finish();
  const rows: Buffer[] = [];
  for (let piece = cutter.next(); piece; piece = cutter.next())
    if (!piece.fault && !find.test(piece.bytes.toString())) rows.push(Buffer.from(piece.bytes), Buffer.from('\n'));
  return Buffer.concat(rows);
}
