/** SQL of drafts. The tenant, the mode and the person stand in every key. */
import type { Db } from '../../lib/db.ts';
import type { Principal } from '../../lib/http.ts';
import type { Settings } from './schema.ts';

export interface DraftRow {
  readonly id: string;
  readonly settings: Settings;
  /** UUID. Once it was sent there is no file any more. */
  readonly bulkId: string | null;
  readonly createdAt: Date;
}

const OWN = 'tenant_id = $1 and mode = $2 and user_id = $3';
const own = ({ tenantId, mode, actor }: Principal): [string, string, string] => [tenantId, mode, actor.id];

/** The newest `most` of a person stay. */
export const insertDraft = (
  db: Db,
  principal: Principal,
  { id, csv, settings }: { id: string; csv: Buffer; settings: Settings },
  most: number,
): Promise<void> =>
  db.transaction(async (trx) => {
    await trx.query(
      'insert into campaign_drafts (tenant_id, mode, user_id, id, csv, settings) values ($1, $2, $3, $4, $5, $6)',
      [...own(principal), id, csv, JSON.stringify(settings)],
    );
    await trx.query(
      `delete from campaign_drafts where id in (select id from campaign_drafts where ${OWN} order by id desc offset $4)`,
      [...own(principal), most],
    );
  });

export const findDraft = async (db: Db, principal: Principal, id: string): Promise<DraftRow | undefined> =>
  (
    await db.read(principal.tenantId, (sql) =>
      sql.query<DraftRow>(
        `select id, settings, bulk_id as "bulkId", created_at as "createdAt" from campaign_drafts where ${OWN} and id = $4`,
        [...own(principal), id],
      ),
    )
  )[0];

export const readCsv = async (db: Db, principal: Principal, id: string): Promise<Buffer | undefined> =>
  (
    await db.read(principal.tenantId, (sql) =>
      sql.query<{ csv: Buffer | null }>(`select csv from campaign_drafts where ${OWN} and id = $4`, [
        ...own(principal),
        id,
      ]),
    )
  )[0]?.csv ?? undefined;

export const updateSettings = (
  db: Db,
  principal: Principal,
  id: string,
  settings: Partial<Settings>,
): Promise<unknown> =>
  db.query(`update campaign_drafts set settings = settings || $5::jsonb where ${OWN} and id = $4 and bulk_id is null`, [
    ...own(principal),
    id,
    JSON.stringify(settings),
  ]);

/** Seconds after which another press may try, should the first one's process have died. */
const SENDING_SECONDS = 60;

/** True for one of all who press at once. */
export const claimSend = async (db: Db, principal: Principal, id: string): Promise<boolean> =>
  (
    await db.query(
      `update campaign_drafts set sending_until = clock_now() + make_interval(secs => $5)
       where ${OWN} and id = $4 and bulk_id is null and coalesce(sending_until <= clock_now(), true) returning 1`,
      [...own(principal), id, SENDING_SECONDS],
    )
  ).length > 0;

export const giveBack = (db: Db, principal: Principal, id: string): Promise<unknown> =>
  db.query(`update campaign_drafts set sending_until = null where ${OWN} and id = $4`, [...own(principal), id]);

export const markSent = (db: Db, principal: Principal, id: string, bulkId: string): Promise<unknown> =>
  db.query(`update campaign_drafts set csv = null, bulk_id = $5 where ${OWN} and id = $4`, [
    ...own(principal),
    id,
    bulkId,
  ]);

export const deleteDraft = (db: Db, principal: Principal, id: string): Promise<unknown> =>
  db.query(`delete from campaign_drafts where ${OWN} and id = $4`, [...own(principal), id]);

/** Returns how many. */
export const purgeDrafts = async (db: Db, hours: number): Promise<number> =>
  (
    await db.query(
      'delete from campaign_drafts where created_at < clock_now() - make_interval(hours => $1) returning 1',
      [hours],
    )
  ).length;
