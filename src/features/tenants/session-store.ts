/** Rows of sessions and one-time links. Tokens never come here, only their digests. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';

const ALIVE = `seen_at > clock_now() - interval '30 minutes' and sessions.created_at > clock_now() - interval '12 hours'`;

/** Opens a session and clears away those of the same person that have run out. */
export async function insertSession(sql: Sql, digest: Buffer, userId: string): Promise<void> {
  await sql.query(
    `with gone as (delete from sessions where user_id = $2 and not (${ALIVE}))
     insert into sessions (digest, user_id, tenant_id) select $1, id, tenant_id from users where id = $2`,
    [digest, userId],
  );
}

export interface SessionRow {
  readonly user_id: string;
  readonly tenant_id: string;
  readonly mode: Mode;
  readonly email: string;
  readonly name: string;
  /** Last seen more than a minute ago. */
  readonly stale: boolean;
}

export async function findSession(sql: Sql, digest: Buffer): Promise<SessionRow | undefined> {
  const [row] = await sql.query<SessionRow>(
    `select user_id, sessions.tenant_id, mode, email, name, seen_at < clock_now() - interval '1 minute' as stale
     from sessions join users on users.id = user_id where digest = $1 and ${ALIVE}`,
    [digest],
  );
  return row;
}

export async function touchSession(sql: Sql, digest: Buffer): Promise<void> {
  await sql.query(`update sessions set seen_at = clock_now() where digest = $1`, [digest]);
}

export async function setSessionMode(sql: Sql, digest: Buffer, mode: Mode): Promise<void> {
  await sql.query(`update sessions set mode = $2 where digest = $1`, [digest, mode]);
}

export async function deleteSession(sql: Sql, digest: Buffer): Promise<void> {
  await sql.query(`delete from sessions where digest = $1`, [digest]);
}

export async function deleteSessionsOf(sql: Sql, userId: string): Promise<void> {
  await sql.query(`delete from sessions where user_id = $1`, [userId]);
}

export async function insertLink(sql: Sql, digest: Buffer, userId: string): Promise<boolean> {
  const rows = await sql.query(
    `insert into sign_in_links (digest, user_id, expires_at)
     select $1, id, clock_now() + interval '1 hour' from users where id = $2 returning user_id`,
    [digest, userId],
  );
  return rows.length > 0;
}

/** The person a link signs in; of two at the same moment exactly one gets an answer. */
export async function spendLink(sql: Sql, digest: Buffer): Promise<string | undefined> {
  const [row] = await sql.query<{ user_id: string }>(
    `update sign_in_links set used_at = clock_now()
     where digest = $1 and used_at is null and expires_at > clock_now() returning user_id`,
    [digest],
  );
  return row?.user_id;
}
