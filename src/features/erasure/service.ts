/**
 * Erases a person from a tenant's data of one mode: first what their addresses lead to by index, then, range by range through
 * the tenant's history, whatever else repeats them. It goes on by itself after an interruption, and ends only when nothing
 * that was emptied is in the hands of a worker any more. What providers still say afterwards is emptied for some days.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AddressError, missingFields, type Registry } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Vault } from '../../lib/crypto.ts';
import type { Db, Trx } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import { fromWire, newId, toWire } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import { erasePeople } from '../conversations/index.ts';
import type { Events } from '../events/index.ts';
import { cancelWaiting, eraseNotifications, eraseWords, notificationsTo, unsettledOf } from '../notifications/index.ts';
import type { Suppressions } from '../suppressions/index.ts';
import type { Tenants } from '../tenants/index.ts';
import { needlesOf } from './needles.ts';
import {
  callbacksAbout,
  emptyCallbacks,
  emptyDrafts,
  emptyOutbox,
  emptyParked,
  emptyRange,
  endOf,
  recipientsIn,
  SCANS,
  type Scope,
  wipeCallbacks,
} from './scans.ts';
import type { ErasureView, Person } from './schema.ts';
import { place, type Sealed, Unsealable, unseal } from './seal.ts';
import {
  type Counts,
  claimErasure,
  type ErasureRow,
  erasedAfter,
  findErasure,
  finishErasure,
  forgetErased,
  insertErasure,
  type Position,
  putOffErasure,
  rememberErased,
  saveErasure,
  stuckErasures,
} from './store.ts';
import { add, view } from './view.ts';

export interface Erasures {
  /** Begins, and works on it for a few seconds: small histories are done then. Throws `validation_failed`. */
  erase(principal: Principal, person: Person): Promise<ErasureView>;
  /** Throws `not_found`. */
  get(principal: Principal, erasureId: string): Promise<ErasureView>;
  /** One step of an erasure that is due; 0 when there is none. */
  work(): Promise<number>;
  /** Those that do not go on, and why. */
  stuck(): Promise<readonly { readonly id: string; readonly failure: string }[]>;
  /** Empties what providers have said since of people who were erased: every half minute, or now. */
  tend(now?: boolean): Promise<number>;
  /** Forgets the messages that nobody speaks of any more. */
  purge(): Promise<unknown>;
}

export interface ErasureDeps {
  readonly db: Db;
  readonly log: Log;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly vault: Vault;
  readonly events: Events;
  readonly tenants: Pick<Tenants, 'tenant'>;
  readonly suppressions: Pick<Suppressions, 'digestOf' | 'forget'>;
}

const AT_ONCE_MS = 5_000;
/** Between looks for a caller who waits: the first soon, the later ones less often. */
const PAUSE_MS = { first: 50, longest: 800 };
/** Until a key may have been put back, and until whatever else was wrong may have passed. */
const LOST_SECONDS = 600;
const BROKEN_SECONDS = 30;
const BROKEN = 'the last step failed; the log says why';
const BATCH = 200;
const TEND = 1_000;
const TEND_MS = 30_000;
/** Receipts are waited for three days. */
const SPOKEN_OF_DAYS = 4;
const NOTHING: Counts = { notifications: 0, messages: 0, cancelled: 0, callbacks: 0, mentions: 0 };
const BEGIN: Position = { phase: 'direct', scan: 0, after: null, left: false };

/** What a step leaves: where to go on, what it has done, and how long to wait. */
interface Step {
  readonly position?: Position;
  readonly done?: Partial<Counts>;
  readonly waitSeconds?: number;
}

export function createErasures({
  db,
  log,
  clock,
  registry,
  vault,
  events,
  tenants,
  suppressions,
}: ErasureDeps): Erasures {
  const fields = new Set(registry.channels.flatMap(({ recipient }) => recipient.map(({ name }) => name)));
  let tendedAt = Number.NEGATIVE_INFINITY;

  async function begin({ tenantId, mode }: Principal, { recipient }: Person): Promise<string> {
    const { defaultCountry } = await tenants.tenant(tenantId);
    const addresses = new Map<string, string>();
    for (const channel of registry.channels)
      try {
        const missing = missingFields(channel.recipient, recipient);
        if (missing.length === 0)
          addresses.set(channel.id, channel.address(recipient, defaultCountry ? { defaultCountry } : {}));
      } catch (error) {
        if (!(error instanceof AddressError)) throw error;
      }
    // By what no channel knows anybody by, such as a name, others would be found.
    const stranger = Object.keys(recipient).find((name) => !fields.has(name));
    if (stranger !== undefined)
      throw new ApiError('validation_failed', undefined, {
        details: {
          fields: [{ path: `recipient.${stranger}`, message: 'is no field by which a channel knows anybody' }],
        },
      });
    const needles = needlesOf([...addresses.values(), ...Object.values(recipient)]);
    if (addresses.size === 0 || needles.pattern === '')
      throw new ApiError('validation_failed', undefined, {
        details: { fields: [{ path: 'recipient', message: 'must hold an address that a channel reads, in full' }] },
      });
    const id = newId();
    await insertErasure(db, {
      id,
      tenantId,
      mode,
      sealed: vault.seal(JSON.stringify({ addresses: [...addresses.values()], ...needles }), place(tenantId, id)),
      digests: [...addresses].map(([channel, address]) => suppressions.digestOf(tenantId, channel, address)),
      position: BEGIN,
      counts: NOTHING,
    });
    return id;
  }

  /** One step of the one that is due, or of this one. What fails is put off, so that the others go on meanwhile. */
  async function step(id: string | null): Promise<'nothing' | 'went on' | 'waits'> {
    let taken: ErasureRow | undefined;
    try {
      return await db.transaction(async (trx) => {
        taken = await claimErasure(trx, id);
        if (!taken?.sealed) return 'nothing';
        const row = taken;
        const what = unseal(vault, taken.sealed, row);
        const { position, done = {}, waitSeconds = 0 } = await PHASES[row.position.phase](trx, row, what);
        const counts = add(row.counts, done);
        if (position) await saveErasure(trx, { id: row.id, position, counts }, waitSeconds);
        else await finishErasure(trx, row.id, counts);
        return waitSeconds > 0 ? 'waits' : 'went on';
      });
    } catch (err) {
      if (!taken) throw err;
      if (/^(40|55P03)/.test(String((err as { code?: unknown }).code))) {
        // Somebody else was at the same rows: no failure, only not now.
        await putOffErasure(db, taken.id, null, 1);
        return 'waits';
      }
      const lost = err instanceof Unsealable;
      log.error({ err, erasure: toWire('erasure', taken.id) }, 'an erasure does not go on');
      await putOffErasure(db, taken.id, lost ? err.message : BROKEN, lost ? LOST_SECONDS : BROKEN_SECONDS);
      return 'waits';
    }
  }

  async function empty(trx: Trx, { id, tenantId }: ErasureRow, notifications: readonly string[], loose: string) {
    const { ids, cancelled } = await eraseNotifications(trx, { events }, notifications, loose, clock.now());
    await rememberErased(trx, id, tenantId, ids);
    return { notifications: notifications.length, messages: ids.length, cancelled };
  }

  const PHASES: Readonly<Record<Position['phase'], (trx: Trx, row: ErasureRow, what: Sealed) => Promise<Step>>> = {
    async direct(trx, row, { addresses, loose }) {
      const found = await notificationsTo(trx, row.tenantId, row.mode, addresses, BATCH);
      if (found.length > 0) return { position: row.position, done: await empty(trx, row, found, loose) };
      const done = { messages: await erasePeople(trx, row.tenantId, row.mode, addresses) };
      return { position: { ...row.position, phase: 'scan' }, done };
    },
    async scan(trx, row, what) {
      const { position } = row;
      const scan = SCANS[position.scan];
      if (!scan) return { position: { ...position, phase: 'callbacks', scan: 0, after: null } };
      const scope: Scope = { ...row, ...what };
      const last = await endOf(trx, scan, scan.scope, scope, position.after);
      if (last === undefined) return { position: { ...position, scan: position.scan + 1, after: null } };
      const people = position.scan === 0 ? await recipientsIn(trx, scope, position.after, last) : [];
      // The range is looked through again until nobody in it is left.
      if (people.length > 0) return { position, done: await empty(trx, row, people.slice(0, BATCH), what.loose) };
      const mentions = await emptyRange(trx, scan, scope, position.after, last);
      return { position: { ...position, after: last }, done: { mentions } };
    },
    async callbacks(trx, row, what) {
      const { position } = row;
      const { last, emptied, left } = await emptyCallbacks(trx, { ...row, ...what }, position.after);
      return {
        position: {
          ...position,
          ...(last === undefined ? { phase: 'drafts', after: null } : { after: last }),
          left: position.left || left,
        },
        done: { callbacks: emptied },
      };
    },
    async drafts(trx, row, what) {
      await emptyParked(trx, { ...row, ...what });
      await suppressions.forget(trx, row.mode, row.digests);
      const { emptied, left } = await emptyDrafts(trx, { ...row, ...what });
      return {
        position: { ...row.position, phase: 'settle', left: row.position.left || left },
        done: { mentions: emptied },
      };
    },
    async settle(trx, row) {
      const open = await unsettledOf(trx, row.id, BATCH);
      const cancelled = await cancelWaiting(trx, { events }, open, clock.now());
      const callbacks = await emptyTraces(trx, row.position.after, row.id);
      if (callbacks.last)
        return {
          position: { ...row.position, after: callbacks.last },
          done: { callbacks: callbacks.emptied, cancelled },
        };
      const again = { ...row.position, after: null };
      if (open.length > 0) return { position: again, done: { cancelled }, waitSeconds: cancelled > 0 ? 0 : 1 };
      // What had to be left is looked for once more.
      if (row.position.left) return { position: { ...again, phase: 'callbacks', left: false }, waitSeconds: 1 };
      return {};
    },
  };

  /** Of a batch of emptied messages: what was said of them, and what the sandbox and the callbacks keep. */
  async function emptyTraces(trx: Trx, after: string | null, erasureId: string | null) {
    const ids = await erasedAfter(trx, after, erasureId, TEND);
    if (ids.length === 0) return { last: undefined, emptied: 0 };
    await eraseWords(trx, ids);
    await emptyOutbox(trx, ids);
    const callbacks = await callbacksAbout(trx, ids);
    await wipeCallbacks(trx, callbacks);
    return { last: ids.at(-1), emptied: callbacks.length };
  }

  return {
    async erase(principal, person) {
      const id = await begin(principal, person);
      const until = performance.now() + AT_ONCE_MS;
      for (let pause = PAUSE_MS.first; ; ) {
        const went = await step(id);
        const row = await findErasure(db, principal.tenantId, principal.mode, id);
        if (!row) throw new Error('an erasure does not vanish');
        if (row.finishedAt || row.failure || performance.now() > until) return view(row);
        // A worker has a message in its hands, or another process this erasure; that is soon over.
        if (went === 'went on') continue;
        await delay(pause);
        pause = Math.min(pause * 2, PAUSE_MS.longest);
      }
    },
    async get({ tenantId, mode }, erasureId) {
      const id = fromWire('erasure', erasureId);
      const row = id ? await findErasure(db, tenantId, mode, id) : undefined;
      if (!row) throw new ApiError('not_found');
      return view(row);
    },
    work: async () => ((await step(null)) === 'nothing' ? 0 : 1),
    stuck: async () => (await stuckErasures(db)).map(({ id, failure }) => ({ id: toWire('erasure', id), failure })),
    async tend(now = false) {
      if (!now && performance.now() - tendedAt < TEND_MS) return 0;
      tendedAt = performance.now();
      for (let after: string | null | undefined = null; after !== undefined; )
        after = (await db.transaction((trx) => emptyTraces(trx, after as string | null, null))).last;
      return 0;
    },
    purge: () => forgetErased(db, SPOKEN_OF_DAYS),
  };
}
