/**
 * Tenants: made by a person signing up, by the operator, or once for trying things out. Whatever belongs to a new tenant is
 * made in the same transaction, by those who registered for it.
 */
import { createCache, type Soon } from '../../lib/cache.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Config } from '../../lib/config.ts';
import { sameDigest, sha256, type Vault } from '../../lib/crypto.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import { fromWire, newId, toWire } from '../../lib/ids.ts';
import { listPage, readCursor } from '../../lib/list.ts';
import type { Log } from '../../lib/log.ts';
import type { Mail } from '../../lib/mail.ts';
import { validator } from '../../lib/schema.ts';
import type { Audit } from '../audit/index.ts';
import { type Limits, rateOf } from '../limits/index.ts';
import { ALL_SCOPES, type Tenant, type TenantSettings, type TenantSubscriber, type Tenants } from './door.ts';
import { parseKey, presentedKey } from './key.ts';
import { createKeys } from './keys.ts';
import { createLetters } from './letters.ts';
import { createRecovery } from './recovery.ts';
import { limitTenant, type TenantItem, type TenantLimits, tenantSettings } from './schema.ts';
import { createSessions } from './sessions.ts';
import * as store from './store.ts';
import { createQueue } from './tries.ts';

export interface TenantsDeps {
  readonly db: Db;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly log: Log;
  readonly config: Pick<Config, 'signUp' | 'adminKey' | 'defaultCountry' | 'rateLimit' | 'otpPerHour'>;
  readonly audit: Audit;
  readonly limits: Limits;
  /** Absent while SYSTEM_SMTP_URL is: addresses are then not confirmed, and links are handed out by the operator. */
  readonly mail?: Mail | undefined;
  /** Without a slash at its end. */
  readonly publicUrl: () => string;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const settingsForm = validator(tenantSettings);
const limitsForm = validator(limitTenant);
const OPERATOR = { kind: 'operator', id: 'operator' } as const;
/** Shown to those who look around in an installation made for looking around. */
const DEMO = { tenant: 'Demo', user: 'Demo', email: 'owner@demo.test' };

/** People of one tenant who get a letter. */
const MAILED_MAX = 20;

export function createTenants({ db, vault, clock, log, config, audit, limits, mail, publicUrl }: TenantsDeps): Tenants {
  const subscribers: TenantSubscriber[] = [];
  const cache = createCache<string, Tenant>({ clock, max: 5_000 });
  const letters = createLetters(mail, publicUrl);
  const inLine = createQueue();
  const keys = createKeys({
    db,
    clock,
    log,
    limits,
    config,
    mustConfirm: async (userId) => letters.canSend && !(await store.findUser(db, userId))?.confirmed,
  });

  const read = (row: store.TenantRow): Tenant => ({
    id: row.id,
    name: row.name,
    defaultCountry: row.default_country ?? config.defaultCountry,
    defaultLanguage: row.default_language ?? undefined,
    otpPerHour: row.otp_per_hour ?? config.otpPerHour,
  });

  const showLimits = (row: store.TenantRow | undefined): TenantLimits => {
    if (!row) throw new ApiError('not_found');
    const rate = rateOf(row.rate_requests, row.rate_seconds);
    return {
      object: 'tenant_limits',
      tenant_id: toWire('tenant', row.id),
      rate_limit: rate ?? config.rateLimit ?? null,
      otp_per_hour: row.otp_per_hour ?? config.otpPerHour,
      own: { rate_limit: rate !== null, otp_per_hour: row.otp_per_hour !== null },
    };
  };
  /** Takes the id of the store, too, which is what the command line prints. */
  const tenantIdOf = (id: string): string => {
    const known = fromWire('tenant', id) ?? (UUID.test(id) ? id : undefined);
    if (known === undefined) throw new ApiError('not_found');
    return known;
  };

  async function make(trx: Sql, settings: TenantSettings): Promise<{ tenant: Tenant; item: TenantItem }> {
    const { name, defaultCountry: country = null, defaultLanguage: language = null } = settings;
    const row = await store.insertTenant(trx, { id: newId(), name: name.trim(), country, language });
    const tenant = read(row);
    for (const subscriber of subscribers) await subscriber(trx, tenant);
    return { tenant, item: show(row) };
  }

  const tenant = (id: string): Soon<Tenant> =>
    cache.get(id, async () => {
      const row = await store.findTenant(db, id);
      if (!row) throw new ApiError('not_found');
      return read(row);
    });

  const sessions = createSessions({
    db,
    vault,
    clock,
    config,
    audit,
    letters,
    inLine,
    makeTenant: async (trx, name) => (await make(trx, { name })).tenant,
    issueTestKey: (trx, tenantId) => keys.issue(trx, tenantId, 'sandbox', 'First test key'),
    tenant,
  });
  const recovery = createRecovery({ db, clock, log, config, audit, letters, inLine, tenant });

  return {
    ...sessions,
    ...recovery,
    keys,
    authenticate: keys.authenticate,

    async authenticateAdmin(headers) {
      if (!config.adminKey) throw new ApiError('not_found');
      const given = presentedKey(headers) ?? '';
      if (sameDigest(sha256(given), sha256(config.adminKey)))
        return { tenantId: '', mode: 'live', scopes: ALL_SCOPES, actor: OPERATOR };
      if (parseKey(given))
        throw new ApiError(
          'insufficient_scope',
          "This call is the operator's. Send ADMIN_KEY in the X-API-Key header.",
        );
      throw new ApiError(
        'unauthorized',
        "The operator's key is missing or wrong. Send ADMIN_KEY in the X-API-Key header.",
      );
    },

    async create(settings, actor = OPERATOR) {
      settingsForm.check(wire(settings));
      return db.transaction(async (trx) => {
        const made = await make(trx, settings);
        const tenantId = made.tenant.id;
        const liveKey = await keys.issue(trx, tenantId, 'live', 'First live key');
        const testKey = await keys.issue(trx, tenantId, 'sandbox', 'First test key');
        await audit.record(trx, { tenantId, actor, action: 'tenant.created', target: made.item.id });
        return { ...made, liveKey, testKey };
      });
    },

    async list({ limit, cursor }) {
      const before = readCursor('tenant', cursor);
      return listPage(await store.listTenants(db, limit + 1, before), limit, show);
    },

    ensureDemo: () =>
      db.transaction(async (trx) => {
        if (!(await store.isEmptyInstallation(trx))) return undefined;
        const { tenant: made } = await make(trx, { name: DEMO.tenant });
        const userId = newId();
        const { email, user: name } = DEMO;
        await store.insertUser(trx, {
          id: userId,
          tenantId: made.id,
          email,
          name,
          passwordHash: null,
          confirmed: true,
        });
        const testKey = await keys.issue(trx, made.id, 'sandbox', 'First test key');
        return { tenant: made, testKey, userId };
      }),

    tenant,
    people: async (tenantId) =>
      (await store.listPeople(db, tenantId)).map(({ id, email, name }) => ({ id, email, name })),
    mailTo: (tenantId) => store.listAddresses(db, tenantId, MAILED_MAX),

    async updateTenant({ tenantId }, settings) {
      settingsForm.check(wire(settings));
      const row = await store.updateTenant(db, tenantId, {
        name: settings.name?.trim(),
        country: settings.defaultCountry,
        language: settings.defaultLanguage,
      });
      cache.forget(tenantId);
      if (!row) throw new ApiError('not_found');
      return read(row);
    },

    limits: async (id) => showLimits(await store.findTenant(db, tenantIdOf(id))),
    async limit(id, change, actor = OPERATOR) {
      limitsForm.check(change);
      const tenantId = tenantIdOf(id);
      const { rate_limit: rate, otp_per_hour: otpPerHour } = change;
      const shown = await db.transaction(async (trx) => {
        const now = showLimits(await store.limitTenant(trx, tenantId, { rate, otpPerHour }));
        const detail = { rate_limit: now.rate_limit, otp_per_hour: now.otp_per_hour };
        await audit.record(trx, { tenantId, actor, action: 'tenant.limited', target: now.tenant_id, detail });
        return now;
      });
      cache.forget(tenantId);
      return shown;
    },

    onTenantCreated: (subscriber) => void subscribers.push(subscriber),
    async close() {
      await Promise.all([keys.close(), recovery.close()]);
    },
  };
}

/** Names of fields as the caller of the API knows them, so that a fault points at the right one. */
const wire = ({ name, defaultCountry, defaultLanguage }: Partial<TenantSettings>): object => ({
  ...(name === undefined ? {} : { name: name.trim() }),
  ...(defaultCountry === undefined ? {} : { default_country: defaultCountry }),
  ...(defaultLanguage === undefined ? {} : { default_language: defaultLanguage }),
});

const show = (row: store.TenantRow): TenantItem => ({
  id: toWire('tenant', row.id),
  object: 'tenant',
  name: row.name,
  default_country: row.default_country,
  default_language: row.default_language,
  created_at: row.created_at.toISOString(),
});
