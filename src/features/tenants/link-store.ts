/** Rows of one-time links. Tokens never come here, only their digests; the database's clock says what is too old. */
import type { Sql } from '../../lib/db.ts';

export type Purpose = 'sign_in' | 'confirm' | 'reset' | 'invite';

/** How long a link of each purpose is good. */
const LIFE: Readonly<Record<Purpose, string>> = {
  sign_in: '1 hour',
  confirm: '24 hours',
  reset: '30 minutes',
  invite: '7 days',
};

export type PersonalPurpose = Exclude<Purpose, 'invite'>;

/** False when there is no such person. Clears away what has run out for the same person. */
export async function insertLink(sql: Sql, digest: Buffer, purpose: PersonalPurpose, userId: string): Promise<boolean> {
  const rows = await sql.query(
    `with gone as (delete from one_time_links where user_id = $3 and expires_at < clock_now())
     insert into one_time_links (digest, purpose, user_id, expires_at)
     select $1, $2, id, clock_now() + $4::interval from users where id = $3 returning user_id`,
    [digest, purpose, userId, LIFE[purpose]],
  );
  return rows.length > 0;
}

export async function insertInvitation(sql: Sql, digest: Buffer, email: string): Promise<Date> {
  const [row] = await sql.query<{ expires_at: Date }>(
    `with gone as (delete from one_time_links where purpose = 'invite' and expires_at < clock_now())
     insert into one_time_links (digest, purpose, email, expires_at)
     values ($1, 'invite', $2, clock_now() + $3::interval) returning expires_at`,
    [digest, email, LIFE.invite],
  );
  return (row as { expires_at: Date }).expires_at;
}

export interface LinkRow {
  readonly user_id: string;
  readonly tenant_id: string;
  readonly email: string;
  readonly name: string;
}

const GOOD = `used_at is null and expires_at > clock_now()`;

/** Whose a good link is; spends nothing. */
export async function findLink(sql: Sql, digest: Buffer, purpose: PersonalPurpose): Promise<LinkRow | undefined> {
  const [row] = await sql.query<LinkRow>(
    `select users.id as user_id, tenant_id, users.email, name from one_time_links join users on users.id = user_id
     where digest = $1 and purpose = $2 and ${GOOD}`,
    [digest, purpose],
  );
  return row;
}

/** The address a good invitation is for; spends nothing. */
export async function findInvitation(sql: Sql, digest: Buffer): Promise<string | undefined> {
  const [row] = await sql.query<{ email: string }>(
    `select email from one_time_links where digest = $1 and purpose = 'invite' and ${GOOD}`,
    [digest],
  );
  return row?.email;
}

/** True once: of two at the same moment exactly one gets it. */
export async function spendLink(sql: Sql, digest: Buffer, purpose: Purpose): Promise<boolean> {
  const rows = await sql.query(
    `update one_time_links set used_at = clock_now() where digest = $1 and purpose = $2 and ${GOOD} returning 1`,
    [digest, purpose],
  );
  return rows.length > 0;
}

/** Ends every link that would let somebody in as this person. */
export async function endLinksOf(sql: Sql, userId: string): Promise<void> {
  await sql.query(
    `update one_time_links set used_at = clock_now()
     where user_id = $1 and purpose in ('sign_in', 'reset') and used_at is null`,
    [userId],
  );
}
