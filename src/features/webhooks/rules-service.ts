/** Routing rules as a tenant manages and tries them, and as the fan-out asks them. */
import type { Registry } from '../../channel-kit/index.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Mode, Principal } from '../../lib/http.ts';
import { fromWire, newId, toWire } from '../../lib/ids.ts';
import { type List, listPage, readCursor } from '../../lib/list.ts';
import { createRecent, type Recent } from '../../lib/recent.ts';
import { type FieldFault, invalid } from '../../lib/schema.ts';
import { EVENT_TYPES, type Feed } from '../events/index.ts';
import { compileRule, type Facts, factsOf, RULE_MOST, RULES_MOST, type Rule } from './rules.ts';
import type { CreateRule, Leaf, PatchRule, RuleItem, TriedRules, TryRules } from './rules-schema.ts';
import * as store from './rules-store.ts';
import { allEndpoints, type EndpointRow } from './store.ts';
import { isSubscribed } from './words.ts';

export interface Rules {
  /** Throws `validation_failed`, `conflict` when there are fifty already or all together cost too much. */
  create(principal: Principal, command: CreateRule): Promise<RuleItem>;
  list(principal: Principal, page: { readonly limit: number; readonly cursor?: string }): Promise<List<RuleItem>>;
  /** All that take an id throw `not_found`. */
  get(principal: Principal, id: string): Promise<RuleItem>;
  patch(principal: Principal, id: string, command: PatchRule): Promise<RuleItem>;
  remove(principal: Principal, id: string): Promise<void>;
  /** What would become of an event, and why. Throws `not_found`, `validation_failed`. */
  try(principal: Principal, command: TryRules): Promise<TriedRules>;
  /** Ready to judge; the same until one is changed. */
  of(sql: Sql, tenantId: string, mode: Mode): Promise<RuleSet>;
}

export interface RuleSet {
  /** In the order in which they are asked. */
  readonly rules: readonly Rule<store.RuleRow>[];
  /** Where events go that were judged lately, by their id. */
  readonly seen: Recent<string, ReadonlySet<string>>;
}

const RULES = 50;
/** Tenants whose rules are kept compiled, and events of each of which is known where they go. */
const SETS = 500;
const SEEN = 1_000;

export function createRules({
  db,
  feed,
  registry,
}: {
  readonly db: Db;
  readonly feed: Pick<Feed, 'get'>;
  readonly registry: Registry;
}): Rules {
  const sets = createRecent<string, RuleSet & { readonly revisions: string }>(SETS);

  async function of(sql: Sql, tenantId: string, mode: Mode): Promise<RuleSet> {
    const rows = await store.loadRules(sql, tenantId, mode);
    const revisions = rows.map(({ id, revision }) => `${id}/${revision}`).join();
    const known = sets.get(`${tenantId}|${mode}`);
    if (known?.revisions === revisions) return known;
    const set = {
      revisions,
      rules: rows.map((row) => compileRule(row)),
      seen: createRecent<string, ReadonlySet<string>>(SEEN),
    };
    sets.set(`${tenantId}|${mode}`, set);
    return set;
  }

  /** What is to be kept, judged; the ids of its targets are those of the store. */
  function judged(
    { name = '', priority = 100, enabled = true, stop = false, conditions, targets }: CreateRule,
    endpoints: ReadonlyMap<string, EndpointRow>,
  ): Omit<store.RuleFields, 'id'> & { readonly cost: number } {
    const faults: FieldFault[] = [];
    const ids = targets.flatMap((target, index) => {
      const fault = (message: string) => faults.push({ path: `targets.${index}`, message });
      const endpoint = endpoints.get(fromWire('endpoint', target) ?? '');
      if (!endpoint) fault('is not the id of a webhook');
      else if (endpoint.routing !== 'rules')
        fault(`is told of what it subscribes to; set its \`routing\` to \`rules\` first`);
      return endpoint?.id ?? [];
    });
    const row = { name: name.trim(), priority, enabled, stop, conditions, targets: ids };
    const within: FieldFault[] = [];
    const rule = compileRule(row, within);
    for (const { condition, path } of rule.explain({ event_type: '' })) within.push(...strangers(condition, path));
    if (rule.cost > RULE_MOST) within.push({ path: '', message: 'hold too many patterns and keywords for one rule' });
    faults.push(...within.map(({ path, message }) => ({ path: path ? `conditions.${path}` : 'conditions', message })));
    if (faults.length > 0) throw invalid(faults);
    return { ...row, cost: rule.cost };
  }

  /** Names that no event will ever have. */
  function strangers({ event_type = [], channel = [] }: Leaf, path: string): FieldFault[] {
    const types = Object.keys(EVENT_TYPES);
    const isKnown = (type: string) =>
      type.endsWith('.*') ? types.some((one) => one.startsWith(type.slice(0, -1))) : types.includes(type);
    return [
      ...event_type.map((type, index) => ({
        path: `event_type.${index}`,
        message: 'is no type of event',
        ok: isKnown(type),
      })),
      ...channel.map((id, index) => ({
        path: `channel.${index}`,
        message: `is no channel; there are ${registry.channels.map((one) => one.id).join(', ')}`,
        ok: registry.channel(id) !== undefined,
      })),
    ].flatMap((one) => (one.ok ? [] : { path: `${path}.${one.path}`, message: one.message }));
  }

  const endpointsOf = async (sql: Sql, { tenantId, mode }: Principal) =>
    new Map((await allEndpoints(sql, tenantId, mode)).map((row) => [row.id, row]));

  function affordable(rules: readonly { readonly enabled: boolean; readonly cost: number }[]): void {
    if (rules.reduce((sum, { enabled, cost }) => sum + (enabled ? cost : 0), 0) > RULES_MOST)
      throw new ApiError(
        'conflict',
        'All rules together hold too many patterns and keywords. Make some simpler, or switch some off.',
      );
  }

  const change = <T>(
    principal: Principal,
    work: (trx: Sql, rules: readonly Rule<store.RuleRow>[]) => Promise<T>,
  ): Promise<T> =>
    db.transaction(async (trx) => {
      await store.lockRules(trx, principal.tenantId, principal.mode);
      return work(trx, (await of(trx, principal.tenantId, principal.mode)).rules);
    });
  const pick = (rules: readonly Rule<store.RuleRow>[], id: string): store.RuleRow => {
    const uuid = fromWire('rule', id);
    return there(rules.find(({ row }) => row.id === uuid)).row;
  };

  async function factsTo({ event_id, sample }: TryRules, principal: Principal): Promise<Facts> {
    if ((event_id === undefined) === (sample === undefined))
      throw invalid([
        {
          path: event_id === undefined ? 'sample' : 'event_id',
          message: 'is wanted, or the other: one of event_id and sample',
        },
      ]);
    return event_id === undefined ? (sample as Facts) : factsOf(await feed.get(principal, event_id));
  }

  return {
    of,
    create: (principal, command) =>
      change(principal, async (trx, rules) => {
        if (rules.length >= RULES)
          throw new ApiError('conflict', `There are ${RULES} rules already. Delete one first.`);
        const { cost, ...fields } = judged(command, await endpointsOf(trx, principal));
        affordable([...rules.map(({ row, cost }) => ({ enabled: row.enabled, cost })), { ...fields, cost }]);
        const { tenantId, mode } = principal;
        return show(await store.insertRule(trx, { id: newId(), tenantId, mode, ...fields }));
      }),
    async list({ tenantId, mode }, { limit, cursor }) {
      const before = readCursor('rule', cursor);
      const rows = await db.read(tenantId, (sql) => store.listRules(sql, tenantId, mode, limit + 1, before));
      return listPage(rows, limit, show);
    },
    get: ({ tenantId, mode }, id) =>
      db.read(tenantId, async (sql) =>
        show(there(await store.findRule(sql, tenantId, mode, there(fromWire('rule', id))))),
      ),
    patch: (principal, id, command) =>
      change(principal, async (trx, rules) => {
        const row = pick(rules, id);
        const endpoints = await endpointsOf(trx, principal);
        const { cost, ...fields } = judged({ ...commandOf(row, endpoints), ...command }, endpoints);
        affordable(
          rules.map((rule) =>
            rule.row.id === row.id ? { ...fields, cost } : { enabled: rule.row.enabled, cost: rule.cost },
          ),
        );
        return show(await store.updateRule(trx, { id: row.id, ...fields }));
      }),
    remove: (principal, id) =>
      change(principal, async (trx, rules) => void (await store.deleteRule(trx, pick(rules, id).id))),
    async try(principal, command) {
      const facts = await factsTo(command, principal);
      const { tenantId, mode } = principal;
      const { kept, endpoints } = await db.read(tenantId, async (sql) => ({
        kept: (await of(sql, tenantId, mode)).rules,
        endpoints: await endpointsOf(sql, principal),
      }));
      const given = command.rules
        ?.map((rule) => judged(rule, endpoints))
        .sort((a, b) => a.priority - b.priority)
        .map((rule) => compileRule(rule));
      return tried(facts, given ?? kept, [...endpoints.values()]);
    },
  };
}

/** What came of an event, rule by rule and endpoint by endpoint. */
function tried(
  facts: Facts,
  rules: readonly Rule<Omit<store.RuleFields, 'id'> & { readonly id?: string }>[],
  endpoints: readonly EndpointRow[],
): TriedRules {
  const sentBy = new Map<string, string>();
  let isStopped = false;
  const shown = rules.map(({ row, matches, explain }, index) => {
    const holds = matches(facts);
    const reached = row.enabled && !isStopped;
    if (reached && holds) {
      isStopped = row.stop;
      for (const target of row.targets)
        if (!sentBy.has(target))
          sentBy.set(target, row.name || (row.id ? toWire('rule', row.id) : `rule ${index + 1}`));
    }
    const conditions = explain(facts).map((finding) => ({ ...finding }));
    const rule_id = row.id ? toWire('rule', row.id) : null;
    return { rule_id, name: row.name, enabled: row.enabled, matches: holds, reached, conditions };
  });
  return {
    object: 'webhook_rule_test',
    facts,
    rules: shown,
    endpoints: endpoints.map((endpoint) => {
      const rule = sentBy.get(endpoint.id);
      const byRules = endpoint.routing === 'rules';
      const gets = byRules ? rule !== undefined : isSubscribed(endpoint, facts.event_type);
      const why = byRules
        ? gets
          ? `Sent by ${rule}.`
          : 'No rule sends it here.'
        : `It is told of what it subscribes to, ${gets ? 'and this is of it' : 'which this is not'}.`;
      return { endpoint_id: toWire('endpoint', endpoint.id), name: endpoint.name, gets, why };
    }),
  };
}

function there<T>(row: T | undefined): T {
  if (row === undefined) throw new ApiError('not_found');
  return row;
}

/** A rule as it would be asked for; a target that has gone, or is routed otherwise by now, is none. */
const commandOf = (
  { name, priority, enabled, stop, conditions, targets }: store.RuleRow,
  endpoints: ReadonlyMap<string, EndpointRow>,
): CreateRule => ({
  ...{ name, priority, enabled, stop, conditions },
  targets: targets.filter((id) => endpoints.get(id)?.routing === 'rules').map((id) => toWire('endpoint', id)),
});

const show = (row: store.RuleRow): RuleItem => ({
  id: toWire('rule', row.id),
  object: 'webhook_rule',
  livemode: row.mode === 'live',
  name: row.name,
  priority: row.priority,
  enabled: row.enabled,
  conditions: row.conditions,
  targets: row.targets.map((id) => toWire('endpoint', id)),
  stop: row.stop,
  created_at: row.createdAt.toISOString(),
  updated_at: row.updatedAt.toISOString(),
});
