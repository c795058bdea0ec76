/** Alert rules as a tenant manages them. */
import type { Registry } from '../../channel-kit/index.ts';
import type { Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import { fromWire, newId } from '../../lib/ids.ts';
import { type List, listPage, readCursor } from '../../lib/list.ts';
import { type FieldFault, invalid } from '../../lib/schema.ts';
import type { Feed } from '../events/index.ts';
import type { Tenants } from '../tenants/index.ts';
import type { AlertItem, AlertQuery, AlertRuleItem, CreateAlertRule, PatchAlertRule, Target } from './schema.ts';
import * as store from './store.ts';
import { showAlert, showRule } from './view.ts';
import { bodiesFor, createWatch, sender, type WatchDeps } from './watch.ts';

export interface Alerts {
  /** Throws `validation_failed`, `conflict` when there are fifty already. */
  create(principal: Principal, command: CreateAlertRule): Promise<AlertRuleItem>;
  list(principal: Principal, page: { readonly limit: number; readonly cursor?: string }): Promise<List<AlertRuleItem>>;
  /** All that take an id throw `not_found`. */
  get(principal: Principal, id: string): Promise<AlertRuleItem>;
  /** What is open is judged by the rule as it is then. */
  patch(principal: Principal, id: string, command: PatchAlertRule): Promise<AlertRuleItem>;
  /** What is open ends, and nobody is told. */
  remove(principal: Principal, id: string): Promise<void>;
  /** Newest first. */
  alerts(principal: Principal, query: AlertQuery): Promise<List<AlertItem>>;
  /** Judges some rules and tells of some alerts; returns how many, 0 when there is nothing to do for now. For a worker. */
  watch(): Promise<number>;
  /** Forgets what is of no use, and alerts that were over so many days ago; 0 keeps those. */
  purge(days: number): Promise<void>;
}

export interface AlertsDeps extends WatchDeps {
  readonly registry: Registry;
  readonly feed: Pick<Feed, 'now'>;
  readonly tenants: Pick<Tenants, 'mailTo'>;
}

const RULES = 50;

export function createAlerts(deps: AlertsDeps): Alerts {
  const { db, clock, registry, feed, tenants, notifications, mail } = deps;

  /** Why a target cannot be told; `undefined`: it can. */
  async function refusalOf(target: Target, { tenantId, mode }: Principal): Promise<string | undefined> {
    const { email, channel, recipient } = target;
    if (email === undefined && channel !== undefined && recipient !== undefined) {
      let first: string | undefined;
      for (const body of bodiesFor(target, 'Alert', 'Alert')) {
        const { findings } = await notifications.validate(sender(tenantId, mode, clock.now()), body);
        if (findings.length === 0) return undefined;
        first = findings[0]?.message;
      }
      return first;
    }
    if (email === undefined || channel !== undefined || recipient !== undefined)
      return 'is an email, or a channel with a recipient';
    if (!mail) return 'this installation sends no e-mail of its own: SYSTEM_SMTP_URL is not set';
    return (await tenants.mailTo(tenantId)).includes(email.toLowerCase())
      ? undefined
      : 'is not the confirmed address of somebody who signs in to this account; name a channel and a recipient instead';
  }

  /** Throws `validation_failed`. */
  async function judged(command: CreateAlertRule, principal: Principal): Promise<Omit<store.AlertRuleFields, 'id'>> {
    const { channel = null, template_id: template = null, targets = [], metric, threshold } = command;
    const { window_minutes: windowMinutes = 15, min_messages: minMessages = 1, enabled = true } = command;
    const faults: FieldFault[] = [];
    const fault = (path: string, message: string | undefined) =>
      message !== undefined && faults.push({ path, message });
    if (channel !== null && !registry.channel(channel))
      fault('channel', `is no channel; there are ${registry.channels.map(({ id }) => id).join(', ')}`);
    if (metric === 'failure_rate' && threshold > 100) fault('threshold', 'must be at most 100: it is per cent');
    if (metric === 'endpoint_failures' && (channel !== null || template !== null))
      fault('metric', 'endpoint_failures is about webhooks: it takes neither channel nor template_id');
    for (const [index, target] of targets.entries()) fault(`targets.${index}`, await refusalOf(target, principal));
    if (faults.length > 0) throw invalid(faults);
    const name = command.name.trim();
    return { name, enabled, metric, threshold, windowMinutes, minMessages, channel, template, targets };
  }

  const change = <T>(
    { tenantId, mode }: Principal,
    id: string,
    work: (trx: Sql, row: store.AlertRuleRow) => Promise<T>,
  ) =>
    db.transaction(async (trx) => {
      await store.lockWatch(trx, tenantId, mode);
      return work(trx, there(await store.findAlertRule(trx, tenantId, mode, uuid(id), 'for update')));
    });

  return {
    async create(principal, command) {
      const { tenantId, mode } = principal;
      const fields = await judged(command, principal);
      return db.transaction(async (trx) => {
        await store.openWatch(trx, tenantId, mode, await feed.now(trx));
        const row = await store.insertAlertRule(trx, tenantId, mode, { id: newId(), ...fields }, RULES);
        if (!row) throw new ApiError('conflict', `There are ${RULES} alert rules already. Delete one first.`);
        return showRule(row);
      });
    },
    async list({ tenantId, mode }, { limit, cursor }) {
      const before = readCursor('alertRule', cursor);
      const rows = await db.read(tenantId, (sql) => store.listAlertRules(sql, tenantId, mode, limit + 1, before));
      return listPage(rows, limit, showRule);
    },
    get: ({ tenantId, mode }, id) =>
      db.read(tenantId, async (sql) => showRule(there(await store.findAlertRule(sql, tenantId, mode, uuid(id))))),
    async patch(principal, id, command) {
      const { tenantId, mode } = principal;
      const before = await db.read(tenantId, (sql) => store.findAlertRule(sql, tenantId, mode, uuid(id)));
      const fields = await judged({ ...commandOf(there(before)), ...command }, principal);
      return change(principal, id, async (trx, row) => {
        if (fields.channel !== row.channel || fields.template !== row.template) await store.dropTallies(trx, row.id);
        if (!fields.enabled || fields.metric !== row.metric) await store.endAlert(trx, row.id, true);
        return showRule(await store.updateAlertRule(trx, { id: row.id, ...fields }));
      });
    },
    remove: (principal, id) =>
      change(principal, id, async (trx, row) => {
        await store.endAlert(trx, row.id, true);
        await store.deleteAlertRule(trx, row.id);
        await store.closeWatch(trx, row.tenantId, row.mode);
      }),
    async alerts({ tenantId, mode }, { limit, cursor, status }) {
      const before = readCursor('alert', cursor);
      const open = status === undefined ? null : status === 'open';
      const rows = await db.read(tenantId, (sql) =>
        store.listAlerts(sql, { tenantId, mode, open, limit: limit + 1, before }),
      );
      return listPage(rows, limit, showAlert);
    },
    watch: createWatch(deps),
    purge: (days) => store.purgeAlerts(db, days),
  };
}

function there<T>(row: T | undefined): T {
  if (row === undefined) throw new ApiError('not_found');
  return row;
}

const uuid = (id: string): string => there(fromWire('alertRule', id));

/** A rule as it would be asked for. */
const commandOf = (row: store.AlertRuleRow): CreateAlertRule => ({
  name: row.name,
  enabled: row.enabled,
  metric: row.metric,
  threshold: row.threshold,
  window_minutes: row.windowMinutes,
  min_messages: row.minMessages,
  channel: row.channel,
  template_id: row.template,
  targets: [...row.targets],
});
