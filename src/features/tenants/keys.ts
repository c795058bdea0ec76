/**
 * API keys: making and ending them, and telling from a request whose it is. The store holds digests; what a process
 * remembers of them is at most 5 s old, and a key revoked here stops here at once.
 */
import { type Cache, createCache, type Soon } from '../../lib/cache.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Config } from '../../lib/config.ts';
import { sameDigest } from '../../lib/crypto.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Meter, Mode, Principal, Scope } from '../../lib/http.ts';
import { fromWire, newId, toWire } from '../../lib/ids.ts';
import { listPage, readCursor } from '../../lib/list.ts';
import type { Log } from '../../lib/log.ts';
import { createRecent } from '../../lib/recent.ts';
import { invalid } from '../../lib/schema.ts';
import { type Limits, type Part, rateOf } from '../limits/index.ts';
import { createGate, readRanges } from './allow-list.ts';
import { ALL_SCOPES, type Headers, type Keys } from './door.ts';
import { generateKey, maskKey, type ParsedKey, parseKey, presentedKey } from './key.ts';
import * as store from './key-store.ts';
import type { KeyItem, KeyWithSecret } from './schema.ts';
import { createLimit, networkOf, spendOrThrow } from './tries.ts';

export interface KeyRing extends Keys {
  authenticate(headers: Headers, ip?: string): Soon<Principal>;
  /** Joins a transaction; returns the plaintext. */
  issue(trx: Sql, tenantId: string, mode: Mode, name: string): Promise<string>;
  close(): Promise<void>;
}

const FLUSH_MS = 2_000;
const TOUCH_MS = 60_000;

const IP_FIX = 'Add the address to allowed_ips of the key, in the portal or with another key.';

/** Wrong keys of one caller within a minute. */
const WRONG_MAX = 1_000;

export interface KeysDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: Limits;
  /** Of a tenant that has none of its own. */
  readonly config: Pick<Config, 'rateLimit'>;
  /** Whether this person's address waits to be confirmed. */
  readonly mustConfirm: (userId: string) => Promise<boolean>;
}

export function createKeys({ db, clock, log, limits, config, mustConfirm }: KeysDeps): KeyRing {
  type Owner =
    | {
        readonly id: string;
        readonly digest: Buffer;
        readonly until: number;
        /** Absent: from everywhere. */
        readonly mayComeFrom: ((ip: string) => boolean) | undefined;
        readonly principal: Principal;
      }
    | undefined;
  const owners: Cache<string, Owner> = createCache({ clock });
  /** Keys that were right, taken apart: whether they still are is asked each time. */
  const parsed = createRecent<string, ParsedKey>(1_000);
  const usage = createUsage(db, clock, log);

  async function load(publicPart: string): Promise<Owner> {
    const row = await store.findWorkingKey(db, publicPart);
    if (!row) return undefined;
    const { id, digest, tenant_id: tenantId, mode, scopes } = row;
    const ranges = row.allowed_ips;
    const meter = meterOf(row);
    await limits.warm();
    return {
      id,
      digest,
      until: row.expires_in_ms === null ? Number.POSITIVE_INFINITY : clock.now().getTime() + row.expires_in_ms,
      mayComeFrom: ranges ? createGate(ranges) : undefined,
      principal: { tenantId, mode, scopes, actor: { kind: 'key', id }, meter },
    };
  }

  function meterOf(row: store.KeyOwner): Meter | undefined {
    const { mode } = row;
    const ofTenant = rateOf(row.tenant_requests, row.tenant_seconds) ?? config.rateLimit;
    const ofKey = rateOf(row.rate_requests, row.rate_seconds);
    const parts: Part[] = [];
    if (ofTenant) parts.push({ name: 'tenant', subject: row.tenant_id, mode, limit: ofTenant });
    if (ofKey) parts.push({ name: 'key', subject: row.id, mode, limit: ofKey });
    return parts.length > 0 ? limits.meter(parts) : undefined;
  }

  const wrong = createLimit(clock, WRONG_MAX, 60_000);

  function authenticate(headers: Headers, ip?: string): Soon<Principal> {
    try {
      const text = presentedKey(headers);
      const key = text === undefined ? undefined : (parsed.get(text) ?? parseKey(text));
      if (!text || !key) throw new ApiError('unauthorized');
      const owner = owners.get(key.publicPart, load);
      return owner instanceof Promise
        ? owner.then((found) => admit(text, key, found, ip)).catch((error) => refuse(error, headers, ip))
        : admit(text, key, owner, ip);
    } catch (error) {
      return refuse(error, headers, ip);
    }
  }

  function admit(text: string, key: ParsedKey, owner: Owner, ip: string | undefined): Principal {
    if (!owner || owner.until <= clock.now().getTime() || !sameDigest(owner.digest, key.digest))
      throw new ApiError('unauthorized');
    parsed.set(text, key);
    if (owner.mayComeFrom && !(ip !== undefined && owner.mayComeFrom(ip)))
      throw new ApiError('ip_not_allowed', `This key may not be used from ${ip ?? 'here'}. ${IP_FIX}`);
    usage.note(owner.id);
    return owner.principal;
  }

  /** Only failures are counted, and only failures are refused: whoever shares an address with a guesser is not held up. */
  async function refuse(error: unknown, headers: Headers, ip?: string): Promise<never> {
    if (ip !== undefined && error instanceof ApiError && error.code === 'unauthorized' && presentedKey(headers))
      spendOrThrow(wrong, networkOf(ip), 'Too many wrong API keys came from this address. Wait as Retry-After says.');
    throw error;
  }

  /** What makes a live key speaks for an address that answered. Keys and operators vouch for themselves. */
  async function mayMakeLive({ mode, actor }: Principal): Promise<void> {
    if (mode === 'live' && actor.kind === 'user' && (await mustConfirm(actor.id)))
      throw new ApiError('address_unconfirmed');
  }

  const there = <T>(row: T | undefined): T => {
    if (row === undefined) throw new ApiError('not_found');
    return row;
  };
  const uuid = (id: string): string => there(fromWire('key', id));

  return {
    authenticate,
    async issue(trx, tenantId, mode, name) {
      const key = generateKey(mode);
      await store.insertKey(trx, { id: newId(), tenantId, name, key, scopes: ALL_SCOPES, expiresAt: null });
      return key.text;
    },
    async create(principal, { name, scopes = principal.scopes, expires_at, allowed_ips, rate_limit = null }) {
      mayGrant(principal, scopes);
      await mayMakeLive(principal);
      const expiresAt = expires_at === undefined ? null : new Date(expires_at);
      if (expiresAt && expiresAt <= clock.now())
        throw invalid([{ path: 'expires_at', message: 'must be in the future' }]);
      const key = generateKey(principal.mode);
      const row = await store.insertKey(db, {
        id: newId(),
        tenantId: principal.tenantId,
        name: name.trim(),
        key,
        scopes: ALL_SCOPES.filter((scope) => scopes.includes(scope)),
        expiresAt,
        allowedIps: rangesOf(allowed_ips ?? null),
        rate: rate_limit,
      });
      return { ...show(row), key: key.text };
    },
    async update({ tenantId, mode, actor }, id, { name, allowed_ips, rate_limit }, ip) {
      const keyId = uuid(id);
      const allowedIps = allowed_ips === undefined ? undefined : rangesOf(allowed_ips);
      if (allowedIps && actor.kind === 'key' && actor.id === keyId && !createGate(allowedIps)(ip))
        throw new ApiError(
          'conflict',
          `This would lock out the key that asks: ${ip} is not in allowed_ips. Add it, or make the change with another key.`,
          { param: 'allowed_ips' },
        );
      const set = { name: name?.trim(), allowedIps, rate: rate_limit };
      const row = await store.updateKey(db, tenantId, mode, keyId, set);
      if (!row) {
        there(await store.findKey(db, tenantId, mode, keyId));
        throw new ApiError('conflict', 'This key has been revoked or has expired. Create a new one instead.');
      }
      owners.forget(row.public_part);
      return show(row);
    },
    async list({ tenantId, mode }, { limit, cursor }) {
      const before = readCursor('key', cursor);
      const rows = await db.read(tenantId, (trx) => store.listKeys(trx, tenantId, mode, limit + 1, before));
      return listPage(rows, limit, show);
    },
    async get({ tenantId, mode }, id) {
      return show(there(await db.read(tenantId, (trx) => store.findKey(trx, tenantId, mode, uuid(id)))));
    },
    async revoke({ tenantId, mode }, id) {
      const row = there(await store.revokeKey(db, tenantId, mode, uuid(id)));
      owners.forget(row.public_part);
      return show(row);
    },
    async rotate(principal, id, { grace_seconds = 0 }): Promise<KeyWithSecret> {
      const { tenantId, mode } = principal;
      await mayMakeLive(principal);
      const key = generateKey(mode);
      const { made, old } = await db.transaction(async (trx) => {
        const known = there(await store.findKey(trx, tenantId, mode, uuid(id)));
        mayGrant(principal, known.scopes);
        const old = await store.endKey(trx, tenantId, mode, known.id, grace_seconds);
        if (!old) throw new ApiError('conflict', 'This key has been revoked or has expired. Create a new one instead.');
        const made = await store.insertKey(trx, {
          id: newId(),
          tenantId,
          name: old.name,
          key,
          scopes: old.scopes,
          expiresAt: old.lifetime_expires_at,
          allowedIps: old.allowed_ips,
          rate: rateOf(old.rate_requests, old.rate_seconds),
        });
        return { made, old };
      });
      owners.forget(old.public_part);
      return { ...show(made), key: key.text };
    },
    close: usage.close,
  };
}

/** Nobody hands out more than they have. */
function mayGrant({ scopes }: Principal, wanted: readonly Scope[]): void {
  const beyond = wanted.find((scope) => !scopes.includes(scope));
  if (beyond)
    throw new ApiError('insufficient_scope', `Only a key with the scope "${beyond}" can hand out that scope.`);
}

const show = (row: store.KeyRow): KeyItem => ({
  id: toWire('key', row.id),
  object: 'api_key',
  name: row.name,
  livemode: row.mode === 'live',
  scopes: row.scopes,
  status: row.revoked_at ? 'revoked' : row.expired ? 'expired' : 'active',
  masked: maskKey(row.mode, row.public_part, row.last_four),
  created_at: row.created_at.toISOString(),
  expires_at: row.expires_at?.toISOString() ?? null,
  revoked_at: row.revoked_at?.toISOString() ?? null,
  last_used_at: row.last_used_at?.toISOString() ?? null,
  allowed_ips: row.allowed_ips,
  rate_limit: rateOf(row.rate_requests, row.rate_seconds),
});

/** An empty list is none: a key that nobody may use is revoked. */
const rangesOf = (texts: readonly string[] | null): string[] | null =>
  texts && texts.length > 0 ? readRanges(texts) : null;

/** When keys were last used: noted in memory, written together a moment later, once a minute for each key. */
function createUsage(db: Db, clock: Clock, log: Log) {
  const written = new Map<string, number>();
  let waiting = new Set<string>();
  let timer: NodeJS.Timeout | undefined;

  async function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const ids = [...waiting];
    waiting = new Set();
    if (ids.length === 0) return;
    try {
      await store.touchKeys(db, ids);
    } catch (error) {
      log.warn({ err: error, keys: ids.length }, 'could not note when keys were last used');
    }
  }

  return {
    note(id: string): void {
      const now = clock.now().getTime();
      if (Math.abs(now - (written.get(id) ?? Number.NEGATIVE_INFINITY)) < TOUCH_MS) return;
      if (written.size > 10_000) written.clear();
      written.set(id, now);
      waiting.add(id);
      timer ??= setTimeout(() => void flush(), FLUSH_MS).unref();
    },
    close: flush,
  };
}
