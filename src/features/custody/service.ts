/**
 * Knows the store it works on. Looked at before anything is served or sent, and every few seconds from then on: a store that
 * came out of a backup puts everything that was open into quarantine, once, and only the operator ends that. A claim asks the
 * store itself whether it is the one that was looked at, by a server that has not been started since, so that not even the
 * second between two looks can send anything.
 */
import type { Db } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import { fromWire, toWire } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import type { Doorbell } from '../../lib/queue.ts';
import type { Audit } from '../audit/index.ts';
import { type Events, liftPositions } from '../events/index.ts';
import {
  type Choice,
  countQuarantined,
  discardQuarantined,
  listQuarantined,
  QUARANTINE_GROUPS,
  quarantineDue,
  releaseQuarantined,
} from '../notifications/index.ts';
import type { ChoiceBody, QuarantineView } from './schema.ts';
import { endQuarantine, type Identity, identify, lockCustody, readCustody, type Seen, writeCustody } from './store.ts';

export interface Custody {
  /** Looks at the store, adopts a new one, and puts what a restored one had open into quarantine. Cheap when nothing is new. */
  check(): Promise<void>;
  /** Looks every few seconds until `stop`. */
  watch(): { stop(): void };
  /** Whether anything waits for the operator, as of the last look. */
  isQuarantined(): boolean;
  list(): Promise<QuarantineView>;
  /** Returns how many messages may go. `all` also ends the quarantine. */
  release(actor: Principal['actor'], choice: ChoiceBody): Promise<{ messages: number }>;
  /** They fail and are never sent. `all` also ends the quarantine. */
  discard(actor: Principal['actor'], choice: ChoiceBody): Promise<{ messages: number }>;
  /** By hand, where a restore cannot be seen: a disk put back as a whole. */
  begin(actor: Principal['actor']): Promise<{ messages: number }>;
}

export interface CustodyDeps {
  readonly db: Db;
  readonly log: Log;
  readonly events: Events;
  readonly audit: Audit;
  readonly doorbell: Doorbell;
  /** What tells the files of an embedded server from a copy of them. */
  readonly files: string | undefined;
}

const LOOK_MS = 1_000;
/** However much was open, it is held, and let go, in one transaction. */
const HOLDING = { statementSeconds: 600 };
/** Seconds after which the row is written anew, so that it tells when somebody last looked. */
const WRITE_AFTER = 60;
/** A replica that took over was missed for less; a store set back to an earlier point in time is older. */
const FAILOVER_SECONDS = 300;

export function createCustody({ db, log, events, audit, doorbell, files }: CustodyDeps): Custody {
  let quarantined = false;

  async function check(): Promise<void> {
    const seen = await readCustody(db);
    const found = await identify(db, files ?? null);
    const isSame = seen?.timeline === found.timeline && seen.started === found.started;
    if (seen && isSame && seen.age < WRITE_AFTER && !reasonFor(seen, found)) {
      quarantined = seen.quarantinedAt !== null;
      return;
    }
    await db.transaction(async (trx) => {
      await lockCustody(trx);
      // Of the server that the row is written on: another may have come meanwhile.
      const now = await identify(trx, files ?? null);
      const before = await readCustody(trx);
      const reason = before && reasonFor(before, now);
      if (before && !reason && before.timeline !== null && now.timeline !== before.timeline)
        log.warn(
          { was: before.timeline, is: now.timeline },
          'the store has failed over to a replica; what that had not received yet may be sent again unless replication is synchronous (carillon quarantine begin holds everything)',
        );
      quarantined = reason ? true : (before?.quarantinedAt ?? null) !== null;
      if (reason) await hold(trx, now, reason);
      else await writeCustody(trx, now);
    }, HOLDING);
  }

  async function hold(trx: Parameters<Parameters<Db['transaction']>[0]>[0], now: Identity, reason: string) {
    const messages = await quarantineDue(trx);
    // A dump that was loaded brings positions along that are ahead of this server's transactions.
    await liftPositions(trx);
    await writeCustody(trx, now, reason);
    await audit.record(trx, {
      actor: { kind: 'operator', id: 'system' },
      action: 'quarantine.begun',
      detail: { reason, messages },
    });
    log.warn({ reason, messages }, 'what was open waits for the operator: carillon quarantine list');
    return messages;
  }

  const chosen = ({ bulk_id, before, all }: ChoiceBody): Choice => {
    if ([bulk_id, before, all].filter((one) => one !== undefined && one !== false).length !== 1)
      throw new ApiError('validation_failed', 'Say one of bulk_id, before and all.');
    const bulkId = bulk_id === undefined ? undefined : fromWire('bulk', bulk_id);
    if (bulk_id !== undefined && !bulkId) throw new ApiError('not_found');
    return { ...(bulkId ? { bulkId } : {}), ...(before ? { before: new Date(before) } : {}) };
  };

  /** What it was done to, and how much of it. */
  const note = (
    sql: Parameters<Audit['record']>[0],
    actor: Principal['actor'],
    action: string,
    choice: ChoiceBody,
    messages: number,
  ) =>
    audit.record(sql, {
      actor,
      action,
      ...(choice.bulk_id ? { target: choice.bulk_id } : {}),
      detail: { ...choice, messages },
    });

  return {
    check,
    watch() {
      let isLooking = false;
      const timer = setInterval(() => {
        if (isLooking) return;
        isLooking = true;
        check()
          .catch((err: unknown) => log.warn({ err }, 'could not look which store this is'))
          .finally(() => {
            isLooking = false;
          });
      }, LOOK_MS);
      return { stop: () => clearInterval(timer) };
    },
    isQuarantined: () => quarantined,
    async list() {
      const [seen, messages, rows] = [await readCustody(db), await countQuarantined(db), await listQuarantined(db)];
      return {
        object: 'quarantine',
        active: seen?.quarantinedAt != null,
        since: seen?.quarantinedAt?.toISOString() ?? null,
        reason: seen?.reason ?? null,
        messages,
        has_more: rows.length > QUARANTINE_GROUPS,
        groups: rows.slice(0, QUARANTINE_GROUPS).map(({ tenantId, bulkId, messages, open, oldest, newest }) => ({
          tenant_id: toWire('tenant', tenantId),
          bulk_id: bulkId && toWire('bulk', bulkId),
          messages,
          in_flight: open,
          oldest_at: oldest.toISOString(),
          newest_at: newest.toISOString(),
        })),
      };
    },
    async release(actor, choice) {
      const which = chosen(choice);
      await check();
      const messages = await db.transaction(async (trx) => {
        const released = await releaseQuarantined(trx, which);
        if (choice.all) await endQuarantine(trx);
        await note(trx, actor, 'quarantine.released', choice, released);
        return released;
      }, HOLDING);
      if (choice.all) quarantined = false;
      doorbell.ring('due');
      return { messages };
    },
    async discard(actor, choice) {
      const which = chosen(choice);
      await check();
      const messages = await countQuarantined(db, which);
      while ((await discardQuarantined(db, { events }, which)) > 0);
      await db.transaction(async (trx) => {
        if (choice.all) await endQuarantine(trx);
        await note(trx, actor, 'quarantine.discarded', choice, messages);
      });
      if (choice.all) quarantined = false;
      return { messages };
    },
    async begin(actor) {
      const now = await identify(db, files ?? null);
      quarantined = true;
      return db.transaction(async (trx) => {
        await lockCustody(trx);
        return { messages: await hold(trx, now, `begun by ${actor.id}`) };
      }, HOLDING);
    },
  };
}

/** Why the store is not the one that was seen last. What could not be seen then or now says nothing. */
function reasonFor(seen: Seen, now: Identity): string | undefined {
  const differs = (field: keyof Identity) => seen[field] !== null && now[field] !== null && seen[field] !== now[field];
  if (!seen.own) return 'the store was restored from a dump, or copied';
  if (differs('systemIdentifier')) return 'the store runs on another server';
  if (differs('files')) return 'the files of the store were copied or put back';
  if (differs('timeline') && seen.age > FAILOVER_SECONDS) return 'the store was set back to an earlier point in time';
  return undefined;
}
