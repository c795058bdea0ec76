/** SQL of the one row that says which store this is. */
import type { Sql } from '../../lib/db.ts';

/** What can be seen of the store one is connected to; null: it may not be asked for, or there is none. */
export interface Identity {
  readonly systemIdentifier: string | null;
  readonly timeline: number | null;
  readonly files: string | null;
  /** When the server was started. */
  readonly started: string | null;
}

/** The row as it was left, beside what there is now. */
export interface Seen extends Identity {
  /** False: it was written by a restore, or stands in a copy of the database. */
  readonly own: boolean;
  /** Seconds since somebody looked. */
  readonly age: number;
  readonly quarantinedAt: Date | null;
  readonly reason: string | null;
}

/** One process decides; the others wait and find it done. */
export const lockCustody = (trx: Sql): Promise<unknown> =>
  trx.query(`select pg_advisory_xact_lock(hashtext('carillon custody'))`);

export async function identify(sql: Sql, files: string | null): Promise<Identity> {
  const [may] = await sql.query<{ system: boolean; checkpoint: boolean }>(
    `select has_function_privilege('pg_control_system()', 'execute') as system, has_function_privilege('pg_control_checkpoint()', 'execute') as checkpoint`,
  );
  const [system] = may?.system
    ? await sql.query<{ id: string }>('select system_identifier::text as id from pg_control_system()')
    : [];
  const [checkpoint] = may?.checkpoint
    ? await sql.query<{ timeline: number }>('select timeline_id as timeline from pg_control_checkpoint()')
    : [];
  const [server] = await sql.query<{ started: string }>('select pg_postmaster_start_time()::text as started');
  return {
    systemIdentifier: system?.id ?? null,
    timeline: checkpoint?.timeline ?? null,
    files,
    started: server?.started ?? null,
  };
}

export const readCustody = async (sql: Sql): Promise<Seen | undefined> =>
  (
    await sql.query<Seen>(
      `select system_identifier as "systemIdentifier", timeline, files, server_started::text as started, store_is_own() as own,
         extract(epoch from now() - seen_at)::float8 as age, quarantined_at as "quarantinedAt", quarantine_reason as reason
       from custody where one`,
    )
  )[0];

/** The row is written anew by this transaction, whose number it remembers. */
export const writeCustody = (
  trx: Sql,
  { systemIdentifier, timeline, files, started }: Identity,
  quarantine?: string,
): Promise<unknown> =>
  trx.query(
    `insert into custody as c (written_by, database_oid, system_identifier, timeline, files, server_started, seen_at, quarantine_before, quarantined_at, quarantine_reason)
     select (pg_current_xact_id()::text::numeric % 4294967296)::bigint, (select oid from pg_database where datname = current_database()), $1, $2, $3, $5, now(),
       case when $4::text is not null then uuid_at(now()) end, case when $4::text is not null then now() end, $4
     on conflict (one) do update set written_by = excluded.written_by, database_oid = excluded.database_oid,
       system_identifier = excluded.system_identifier, timeline = excluded.timeline, files = coalesce(excluded.files, c.files), server_started = excluded.server_started, seen_at = now(),
       quarantine_before = coalesce(excluded.quarantine_before, c.quarantine_before),
       quarantined_at = coalesce(excluded.quarantined_at, c.quarantined_at),
       quarantine_reason = coalesce(excluded.quarantine_reason, c.quarantine_reason)`,
    [systemIdentifier, timeline, files, quarantine ?? null, started],
  );

export const endQuarantine = (trx: Sql): Promise<unknown> =>
  trx.query(
    `update custody set quarantine_before = null, quarantined_at = null, quarantine_reason = null,
       written_by = (pg_current_xact_id()::text::numeric % 4294967296)::bigint where one and store_is_own()`,
  );
