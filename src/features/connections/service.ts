/**
 * Connections as people manage them: made, changed, tested and removed by a tenant, or by the operator for everybody. A change
 * is felt in this process at once and in others within 5 s.
 */
import type { AnyAdapter, AnyChannel, Registry } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Vault } from '../../lib/crypto.ts';
import type { Db, Sql } from '../../lib/db.ts';
import type { Egress } from '../../lib/egress.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Fetch } from '../../lib/fetch.ts';
import type { Principal } from '../../lib/http.ts';
import { fromWire, newId, toWire } from '../../lib/ids.ts';
import { listPage, readCursor } from '../../lib/list.ts';
import type { Log } from '../../lib/log.ts';
import { invalid } from '../../lib/schema.ts';
import type { Audit } from '../audit/index.ts';
import type { Connections } from './door.ts';
import { createHealth, showHealth } from './health.ts';
import { noLimits, paceOf, setLimits } from './limits.ts';
import { callbackUrl, createPool } from './pool.ts';
import { createRouting } from './routing.ts';
import type { ConnectionItem, CreateConnection } from './schema.ts';
import { createSeal } from './seal.ts';
import {
  accountOf,
  checkAddresses,
  checkFields,
  checkSecretsRepeated,
  mask,
  merge,
  senderOf,
  split,
  type Values,
} from './settings.ts';
import * as store from './store.ts';
import { tryConnection } from './trial.ts';

export interface ConnectionsDeps {
  readonly db: Db;
  readonly vault: Vault;
  readonly registry: Registry;
  readonly fetch: Fetch;
  readonly egress: Egress;
  readonly clock: Clock;
  readonly log: Log;
  /** Known once the server listens; never ends in a slash. */
  readonly publicUrl: () => string;
  readonly audit: Audit;
}

export function createConnections(deps: ConnectionsDeps): Connections {
  const { db, registry, egress, clock, publicUrl } = deps;
  const seal = createSeal(deps);
  const pool = createPool({ ...deps, seal });
  const routing = createRouting({ ...deps, seal });
  const health = createHealth(deps);

  const read = <T>(owner: store.OwnerId, work: (sql: Sql) => Promise<T>): Promise<T> =>
    owner === null ? work(db) : db.read(owner, work);

  async function owned(principal: Principal, id: string): Promise<store.ConnectionRow> {
    const owner = ownerOf(principal);
    return there(await read(owner, (sql) => store.findOwned(sql, owner, principal.mode, uuid(id))));
  }

  /** One row of the caller's, changed while nobody else changes its channel. */
  async function change<T>(
    principal: Principal,
    id: string,
    work: (trx: Sql, row: store.ConnectionRow) => Promise<T>,
  ): Promise<T> {
    const owner = ownerOf(principal);
    const { channel } = await owned(principal, id);
    liveOnly(principal);
    const result = await db.transaction(async (trx) => {
      await store.lockChannel(trx, owner, channel);
      return work(trx, there(await store.findOwned(trx, owner, principal.mode, uuid(id), 'for update')));
    });
    pool.forget(uuid(id));
    routing.forget(owner, principal.mode);
    return result;
  }

  function judge(adapter: AnyAdapter, given: Readonly<Record<string, unknown>>): Values {
    const values = checkFields(adapter, given);
    checkAddresses(adapter, values, egress);
    return values;
  }

  function show(row: store.ConnectionRow, waiting = 0): ConnectionItem {
    const adapter = registry.adapter(row.adapter)?.adapter;
    return {
      id: toWire('connection', row.id),
      object: 'connection',
      livemode: row.mode === 'live',
      channel: row.channel,
      adapter: row.adapter,
      name: row.name,
      settings: row.settings,
      secrets: adapter ? mask(adapter, seal.unseal(row) ?? {}) : {},
      is_default: row.is_default,
      position: row.position,
      limits: { per_second: row.per_second, concurrency: row.concurrency },
      health: showHealth(row, waiting, clock.now()),
      callback_url: adapter?.webhook ? callbackUrl(publicUrl(), adapter.id, row.id) : null,
      created_at: row.created_at.toISOString(),
      updated_at: row.updated_at.toISOString(),
    };
  }

  return {
    async create(principal, command) {
      liveOnly(principal);
      const owner = ownerOf(principal);
      const { channel, adapter } = choose(registry, command);
      const values = judge(adapter, merge({}, command.credentials));
      const { settings, secrets } = split(adapter, values);
      const limits = setLimits(noLimits, command.limits);
      const id = newId();
      const row = await db.transaction(async (trx) => {
        await store.lockChannel(trx, owner, channel.id);
        return store.insertConnection(trx, {
          id,
          owner,
          mode: principal.mode,
          channel: channel.id,
          adapter: adapter.id,
          // A tenant must not learn the provider of a platform connection from its name.
          name: command.name?.trim() ?? (owner === null ? channel.label : adapter.label),
          settings,
          secrets: seal.seal(owner, id, secrets),
          account: accountOf(adapter, values),
          isDefault: command.is_default ?? false,
          position: command.position,
          ...limits,
        });
      });
      routing.forget(owner, principal.mode);
      return show(row);
    },

    async list(principal, { limit, cursor }) {
      const owner = ownerOf(principal);
      const before = readCursor('connection', cursor);
      return read(owner, async (sql) => {
        const rows = await store.listOwned(sql, owner, principal.mode, limit + 1, before);
        const waiting = await store.countWaiting(sql, rows.map(idOf));
        return listPage(rows, limit, (row) => show(row, waiting.get(row.id)));
      });
    },

    async get(principal, id) {
      const owner = ownerOf(principal);
      return read(owner, async (sql) => {
        const row = there(await store.findOwned(sql, owner, principal.mode, uuid(id)));
        return show(row, (await store.countWaiting(sql, [row.id])).get(row.id));
      });
    },

    patch: (principal, id, command) =>
      change(principal, id, async (trx, row) => {
        const adapter = registry.adapter(row.adapter)?.adapter;
        if (!adapter)
          throw new ApiError('conflict', `The adapter "${row.adapter}" is not installed. Remove this connection.`);
        const known = { ...row.settings, ...seal.unseal(row) };
        const values = command.credentials ? judge(adapter, merge(known, command.credentials)) : undefined;
        if (values) checkSecretsRepeated(adapter, known, values, command.credentials ?? {});
        const parts = values && split(adapter, values);
        if (command.is_default && !row.is_default)
          await store.clearDefault(trx, ownerOf(principal), row.channel, row.mode);
        return show(
          await store.updateConnection(trx, {
            id: row.id,
            name: command.name?.trim() ?? row.name,
            settings: parts?.settings ?? row.settings,
            secrets: parts ? seal.seal(row.tenant_id, row.id, parts.secrets) : row.secrets,
            account: values ? (accountOf(adapter, values) ?? null) : row.account,
            is_default: command.is_default ?? row.is_default,
            position: command.position ?? row.position,
            ...setLimits(row, command.limits),
          }),
        );
      }),

    archive: (principal, id) => change(principal, id, store.archiveConnection),

    async test(principal, id) {
      const row = await owned(principal, id);
      liveOnly(principal);
      pool.forget(row.id);
      const connection = (await pool.open([row.id])).get(row.id);
      if (!connection)
        throw new ApiError(
          'connection_failed',
          'The stored secrets cannot be opened, or the adapter is not installed. Type the secrets in again, or ask the operator.',
        );
      const outcome = await tryConnection(connection);
      await health.write(
        row.id,
        outcome.ok ? { status: 'ok' } : { status: 'failing', fault: outcome.fault },
        outcome.note,
      );
      if (!outcome.ok) throw outcome.error;
      return { ok: true, note: outcome.note, tested_at: clock.now().toISOString() };
    },

    async gateways({ tenantId, mode }) {
      const seen = new Set<string>();
      return (await routing.usable(tenantId, mode)).map((row) => {
        const adapter = registry.adapter(row.adapter)?.adapter;
        const first = !seen.has(row.channel);
        seen.add(row.channel);
        return {
          id: toWire('connection', row.id),
          object: 'gateway',
          channel: row.channel,
          label: row.name,
          status: row.health,
          sender: senderOf(row.settings),
          throughput: adapter ? paceOf(adapter, row).perSecond : 1,
          is_default: first,
        };
      });
    },

    routes: routing.routes,
    open: pool.open,
    byAccount: (adapterId, account) => store.findByAccount(db, adapterId, account),
    health: health.note,
    async touched(ids) {
      return new Map((await store.findTouched(db, ids)).map(({ id, ...touch }) => [id, touch]));
    },
    async closeAll() {
      pool.close();
      await health.flush();
    },
  };
}

/** The operator manages the platform's own. */
const ownerOf = ({ tenantId, actor }: Principal): store.OwnerId =>
  actor.kind === 'operator' && tenantId === '' ? null : tenantId;

function liveOnly({ mode }: Principal): void {
  if (mode !== 'live') throw new ApiError('live_mode_required');
}

function there<T>(row: T | undefined): T {
  if (row === undefined) throw new ApiError('not_found');
  return row;
}
const idOf = ({ id }: store.ConnectionRow): string => id;
const uuid = (id: string): string => there(fromWire('connection', id));

function choose(registry: Registry, command: CreateConnection): { channel: AnyChannel; adapter: AnyAdapter } {
  const channel = registry.channel(command.channel);
  if (!channel) {
    const known = registry.channels.map(({ id }) => id).join(', ');
    throw new ApiError('channel_unknown', `There is no channel "${command.channel}"; there are: ${known}.`, {
      param: 'channel',
    });
  }
  const adapter =
    command.adapter === undefined ? channel.adapters[0] : channel.adapters.find(({ id }) => id === command.adapter);
  if (!adapter) {
    const known = channel.adapters.map(({ id }) => id).join(', ');
    throw invalid([{ path: 'adapter', message: `must be one of ${known}` }]);
  }
  return { channel, adapter };
}
