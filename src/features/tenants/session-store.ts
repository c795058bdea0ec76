/** Rows of sessions. Tokens never come here, only their digests. */
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';

const ALIVE = `seen_at > clock_now() - interval '30 minutes' and sessions.created_at > clock_now() - interval '12 hours'`;

/** Opens a session and clears away those of the same person that have run out. */
export async function insertSession(sql: Sql, digest: Buffer, userId: string, mode: Mode = 'sandbox'): Promise<void> {
  await sql.query(
    `with gone as (delete from sessions where user_id = $2 and not (${ALIVE}))
     insert into sessions (digest, user_id, tenant_id, mode) select $1, id, tenant_id, $3 from users where id = $2`,
    [digest, userId, mode],
  );
}

export interface SessionRow {
  readonly user_id: string;
  readonly tenant_id: string;
  readonly mode: Mode;
  readonly email: string;
  readonly name: string;
  readonly confirmed: boolean;
  /** Last seen more than a minute ago. */
  readonly stale: boolean;
}

export async function findSession(sql: Sql, digest: Buffer): Promise<SessionRow | undefined> {
  const [row] = await sql.query<SessionRow>(
    `select user_id, sessions.tenant_id, mode, email, name, confirmed_at is not null as confirmed,
       seen_at < clock_now() - interval '1 minute' as stale
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
