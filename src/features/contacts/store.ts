/** SQL of contacts, their identities and their merges. A contact and those merged into it are a group; the head stands for it. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { Known } from './identity.ts';

export interface ContactRow {
  readonly id: string;
  readonly tenantId: string;
  readonly mode: Mode;
  readonly externalId: string | null;
  readonly name: string | null;
  readonly email: string | null;
  readonly phone: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly mergedInto: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface IdentityRow extends Known {
  readonly contactId: string;
  readonly connectionId: string | null;
  readonly createdAt: Date;
}

export interface MergeRow {
  readonly id: string;
  readonly contactId: string;
  readonly fromId: string;
  readonly brought: readonly string[];
  readonly createdAt: Date;
}

const ROW = `id, tenant_id as "tenantId", mode, external_id as "externalId", name, email, phone, metadata, merged_into as "mergedInto",
  created_at as "createdAt", updated_at as "updatedAt"`;
const IDENTITY = `kind, value, scope, contact_id as "contactId", connection_id as "connectionId", created_at as "createdAt"`;
const MERGE = `id, contact_id as "contactId", from_id as "fromId", brought, created_at as "createdAt"`;

/** Whoever makes or moves identities of this tenant waits for the others, so that no person becomes two contacts. */
export const lockContacts = (trx: Sql, owners: readonly { tenantId: string; mode: Mode }[]): Promise<unknown> =>
  trx.query(
    `select pg_advisory_xact_lock(k) from (select distinct hashtextextended('contacts ' || o, 0) as k from unnest($1::text[]) o order by 1) l`,
    [owners.map(({ tenantId, mode }) => `${mode} ${tenantId}`)],
  );

export const insertContacts = (
  trx: Sql,
  contacts: readonly (Pick<ContactRow, 'id' | 'tenantId' | 'mode'> & {
    readonly [K in keyof ContactRow]?: ContactRow[K] | undefined;
  })[],
): Promise<unknown> =>
  trx.query(
    `insert into contacts (id, tenant_id, mode, external_id, name, email, phone, metadata)
     select id, "tenantId", mode, "externalId", name, email, phone, coalesce(metadata, '{}')
     from jsonb_to_recordset($1) as c(id uuid, "tenantId" uuid, mode text, "externalId" text, name text, email text, phone text, metadata jsonb)`,
    [JSON.stringify(contacts)],
  );

/** The groups of these contacts, each with its head first. */
export const readGroups = (sql: Sql, tenantId: string, mode: Mode, ids: readonly string[]): Promise<ContactRow[]> =>
  sql.query(
    `select ${ROW} from contacts where tenant_id = $1 and mode = $2 and id in (
       select g.id from contacts c cross join lateral (
         select coalesce(c.merged_into, c.id) as id
         union all select m.id from contacts m where m.merged_into = coalesce(c.merged_into, c.id)) g
       where c.id = any($3) and c.tenant_id = $1 and c.mode = $2)
     order by merged_into nulls first, id`,
    [tenantId, mode, ids],
  );

/** The same over several tenants, for those who write what came in. */
export const headsOf = (trx: Sql, ids: readonly string[]): Promise<(ContactRow & { asked: string })[]> =>
  trx.query(
    `select c.id as asked, h.* from contacts c cross join lateral (
       select ${ROW} from contacts g where g.id = coalesce(c.merged_into, c.id) or g.merged_into = coalesce(c.merged_into, c.id)
       order by g.merged_into nulls first, g.id offset 0) h
     where c.id = any($1)`,
    [ids],
  );

export const listHeads = async (
  sql: Sql,
  {
    tenantId,
    mode,
    search,
    externalId,
    before,
    limit,
  }: {
    tenantId: string;
    mode: Mode;
    search: string | undefined;
    externalId: string | undefined;
    before: string | undefined;
    limit: number;
  },
): Promise<string[]> => {
  const rows =
    search === undefined && externalId === undefined
      ? await sql.query<{ id: string }>(
          `select id from contacts where tenant_id = $1 and mode = $2 and merged_into is null and ($3::uuid is null or id < $3)
           order by id desc limit $4`,
          [tenantId, mode, before ?? null, limit],
        )
      : await sql.query<{ id: string }>(
          `select distinct coalesce(merged_into, id) as id from contacts c
           where tenant_id = $1 and mode = $2 and ($3::uuid is null or coalesce(merged_into, id) < $3)
             and ($5::text is null or external_id = $5)
             and ($6::text is null or strpos(lower(concat_ws(' ', name, email, phone, external_id)), $6) > 0
               or exists (select from contact_identities i where i.contact_id = c.id and lower(i.value) = $6))
           order by 1 desc limit $4`,
          [tenantId, mode, before ?? null, limit, externalId ?? null, search?.toLowerCase() ?? null],
        );
  return rows.map(({ id }) => id);
};

export const findContact = async (
  trx: Sql,
  tenantId: string,
  mode: Mode,
  id: string,
): Promise<ContactRow | undefined> =>
  (
    await trx.query<ContactRow>(
      `select ${ROW} from contacts where tenant_id = $1 and mode = $2 and id = $3 for update`,
      [tenantId, mode, id],
    )
  )[0];

export const updateContact = (
  trx: Sql,
  { id, externalId, name, email, phone, metadata }: Omit<ContactRow, 'createdAt' | 'updatedAt'>,
): Promise<unknown> =>
  trx.query(
    `update contacts set external_id = $2, name = $3, email = $4, phone = $5, metadata = $6, updated_at = clock_now() where id = $1`,
    [id, externalId, name, email, phone, JSON.stringify(metadata)],
  );

/** What people call themselves, where nobody has called them anything yet. */
export const nameContacts = (trx: Sql, names: ReadonlyMap<string, string>): Promise<unknown> =>
  trx.query(
    `update contacts c set name = n.name, updated_at = clock_now() from unnest($1::uuid[], $2::text[]) as n(id, name) where c.id = n.id and c.name is null`,
    [[...names.keys()], [...names.values()]],
  );

/** With all that were merged into it. What they wrote stays, and belongs to nobody. */
export const deleteGroup = (trx: Sql, id: string): Promise<unknown> =>
  trx.query('delete from contacts where id = $1 or merged_into = $1', [id]);

export interface NewIdentity extends Known {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly contactId: string;
  readonly connectionId: string | null;
}

const RECORD = `jsonb_to_recordset($1) as i("tenantId" uuid, mode text, kind text, value text, scope text, "contactId" uuid, "connectionId" uuid)`;

/** Those that are somebody else's are not inserted. Returns whose each is now. */
export const insertIdentities = (trx: Sql, identities: readonly NewIdentity[]): Promise<IdentityRow[]> =>
  trx.query(
    `with made as (
       insert into contact_identities (tenant_id, mode, kind, value, scope, contact_id, connection_id)
       select "tenantId", mode, kind, value, scope, "contactId", "connectionId" from ${RECORD}
       on conflict do nothing returning ${IDENTITY})
     select * from made
     union all
     select ${IDENTITY.split(', ')
       .map((column) => `c.${column}`)
       .join(', ')}
     from ${RECORD} join contact_identities c on c.tenant_id = i."tenantId" and c.mode = i.mode and c.kind = i.kind and c.value = i.value and c.scope = i.scope`,
    [JSON.stringify(identities)],
  );

/** Whose these are, of any tenant. */
export const findIdentities = (
  trx: Sql,
  wanted: readonly (Known & { tenantId: string; mode: Mode })[],
): Promise<(IdentityRow & { tenantId: string; mode: Mode })[]> =>
  trx.query(
    `select c.tenant_id as "tenantId", c.mode, c.kind, c.value, c.scope, c.contact_id as "contactId", c.connection_id as "connectionId", c.created_at as "createdAt"
     from ${RECORD} join contact_identities c on c.tenant_id = i."tenantId" and c.mode = i.mode and c.kind = i.kind and c.value = i.value and c.scope = i.scope`,
    [JSON.stringify(wanted)],
  );

export const identitiesOf = (sql: Sql, tenantId: string, contactIds: readonly string[]): Promise<IdentityRow[]> =>
  sql.query(
    `select ${IDENTITY} from contact_identities where contact_id = any($2) and tenant_id = $1 order by created_at, kind, value, scope`,
    [tenantId, contactIds],
  );

export const deleteIdentities = (trx: Sql, contactId: string, gone: readonly Known[]): Promise<unknown> =>
  trx.query(
    `delete from contact_identities c using jsonb_to_recordset($2) as i(kind text, value text, scope text)
     where c.contact_id = $1 and c.kind = i.kind and c.value = i.value and c.scope = i.scope`,
    [contactId, JSON.stringify(gone)],
  );

/** The one becomes a part of the other, with all that were parts of it. */
export async function insertMerge(
  trx: Sql,
  merge: { id: string; tenantId: string; mode: Mode; contactId: string; fromId: string },
): Promise<void> {
  await trx.query(
    `with parts as (select id from contacts where merged_into = $5)
     insert into contact_merges (id, tenant_id, mode, contact_id, from_id, brought)
     select $1, $2, $3, $4, $5, coalesce((select array_agg(id) from parts), '{}')`,
    [merge.id, merge.tenantId, merge.mode, merge.contactId, merge.fromId],
  );
  await trx.query(`update contacts set merged_into = $1, updated_at = clock_now() where id = $2 or merged_into = $2`, [
    merge.contactId,
    merge.fromId,
  ]);
  await trx.query(`update contacts set updated_at = clock_now() where id = $1`, [merge.contactId]);
}

export const findMerge = async (
  trx: Sql,
  tenantId: string,
  mode: Mode,
  contactId: string,
  id: string,
): Promise<MergeRow | undefined> =>
  (
    await trx.query<MergeRow>(
      `select ${MERGE} from contact_merges where tenant_id = $1 and mode = $2 and contact_id = $3 and id = $4 and undone_at is null for update`,
      [tenantId, mode, contactId, id],
    )
  )[0];

export async function undoMerge(trx: Sql, { id, contactId, fromId, brought }: MergeRow): Promise<void> {
  await trx.query(
    `update contacts set merged_into = case when id = $2 then null else $2::uuid end, updated_at = clock_now()
     where merged_into = $1 and (id = $2 or id = any($3))`,
    [contactId, fromId, brought],
  );
  await trx.query(`update contact_merges set undone_at = clock_now() where id = $1`, [id]);
}

/** Merges that stand, of these heads, the newest first. */
export const mergesOf = (
  sql: Sql,
  tenantId: string,
  contactIds: readonly string[],
): Promise<(MergeRow & { name: string | null })[]> =>
  sql.query(
    `select m.id, m.contact_id as "contactId", m.from_id as "fromId", m.brought, m.created_at as "createdAt", c.name
     from contact_merges m join contacts c on c.id = m.from_id and c.merged_into = m.contact_id
     where m.contact_id = any($2) and m.tenant_id = $1 and m.undone_at is null order by m.id desc`,
    [tenantId, contactIds],
  );
