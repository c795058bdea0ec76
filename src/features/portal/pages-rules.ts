/** Routing rules: which webhooks an event goes to, in what order they are asked, and what would become of one. */
import type { Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { validator } from '../../lib/schema.ts';
import { changeOf } from '../audit/index.ts';
import { EVENT_TYPES } from '../events/index.ts';
import { createRule, tryRules } from '../webhooks/index.ts';
import { type Faults, faultsOf, lastPart } from './forms.ts';
import type { Rule, WebhooksDoor } from './ports.ts';
import { drawConditions, isFlat, leafWords, readConditions, ruleInput, sentenceOf } from './rule-form.ts';
import type { Site, Visit } from './site.ts';
import { wordsOf } from './webhook-words.ts';

export interface RulePagesDeps {
  readonly site: Site;
  readonly webhooks: WebhooksDoor;
  readonly registry: Registry;
}

const creation = validator(createRule);
const trial = validator(tryRules);
const SAMPLE = ['event_type', 'channel', 'message_type', 'sender', 'text'] as const;
const EMPTY: Pick<Rule, 'name' | 'priority' | 'enabled' | 'conditions' | 'targets' | 'stop'> = {
  ...{ name: '', priority: 100, enabled: true, conditions: { all: [] }, targets: [], stop: false },
};

export function rulePages({ site, webhooks, registry }: RulePagesDeps): readonly Route[] {
  const { rules } = webhooks;
  const endpoints = async ({ principal }: Visit) => (await webhooks.list(principal, { limit: 100 })).data.map(wordsOf);
  const one = (visit: Visit) => rules.get(visit.principal, visit.params.rule_id ?? '');

  const form = async (visit: Visit, rule: Rule | undefined, faults?: Faults): Promise<Reply> => {
    const kept = rule ?? EMPTY;
    const typed = faults ? visit.fields : undefined;
    const ticked = typed ? visit.values('targets') : kept.targets;
    const known = await endpoints(visit);
    const asJson = typed ? typed.conditions !== undefined : visit.query.as === 'json' || !isFlat(kept.conditions);
    return visit.render(
      'rule',
      {
        title: rule ? rule.name || 'Routing rule' : 'New routing rule',
        section: 'webhooks',
        ...(faults ? { faults } : {}),
      },
      {
        rule,
        action: rule ? `/portal/rules/${rule.id}` : '/portal/rules',
        form: {
          name: typed?.name ?? kept.name,
          priority: typed?.priority ?? kept.priority,
          enabled: typed ? typed.enabled !== undefined : kept.enabled,
          stop: typed ? typed.stop !== undefined : kept.stop,
        },
        drawn: drawConditions(kept.conditions, typed),
        as_json: asJson,
        targets: known
          .filter(({ routing }) => routing === 'rules')
          .map(({ id, title }) => ({ id, title, ticked: ticked.includes(id) })),
      },
    );
  };
  /** What the form says, judged; or its faults. */
  const read = (visit: Visit) => {
    const { name = '', priority = '', enabled, stop } = visit.fields;
    const conditions = readConditions(visit.fields);
    if ('faults' in conditions) return conditions;
    try {
      return {
        command: creation.check({
          ...conditions,
          name: name.trim(),
          priority: priority.trim() === '' ? EMPTY.priority : Number(priority),
          enabled: enabled !== undefined,
          stop: stop !== undefined,
          targets: [...visit.values('targets')],
        }),
      };
    } catch (error) {
      return { faults: faultsOf(error, ruleInput) };
    }
  };

  return [
    site.get('/portal/rules', 'Routing rules, in the order in which they are asked.', async (visit) => {
      const [{ data }, known] = await Promise.all([rules.list(visit.principal, { limit: 100 }), endpoints(visit)]);
      const titles = new Map(known.map(({ id, title }) => [id, title]));
      // Ids are in the order of time: of equals the older is asked first.
      const inOrder = data.toSorted((a, b) => a.priority - b.priority || (a.id < b.id ? -1 : 1));
      return visit.render(
        'rules',
        { title: 'Routing rules', section: 'webhooks' },
        {
          rows: inOrder.map((rule) => ({
            ...rule,
            when: sentenceOf(rule.conditions),
            goes: rule.targets.map((id) => titles.get(id) ?? id),
          })),
          endpoints: known.length,
          routed: known.some(({ routing }) => routing === 'rules'),
        },
      );
    }),
    site.get(
      '/portal/rules/try',
      'What would become of an event, and why. Nothing is sent.',
      async (visit) => {
        const { event_id, ...query } = visit.query;
        const sample = Object.fromEntries(SAMPLE.flatMap((name) => (query[name] ? [[name, query[name]]] : [])));
        const asked = event_id ? { event_id } : query.event_type ? { sample } : undefined;
        const shown = async (faults?: Faults) => {
          const tried = asked && !faults ? await rules.try(visit.principal, trial.check(asked)) : undefined;
          const titles = new Map((await endpoints(visit)).map(({ id, title }) => [id, title]));
          return visit.render(
            'rules-try',
            { title: 'Try the rules', section: 'webhooks', ...(faults ? { faults } : {}) },
            {
              form: visit.query,
              types: Object.keys(EVENT_TYPES),
              channels: registry.channels.map(({ id, label }) => ({ id, label })),
              facts: tried && Object.entries(tried.facts).map(([name, value]) => ({ name, value })),
              rules: tried?.rules.map((rule) => ({
                ...rule,
                acts: rule.matches && rule.reached,
                conditions: rule.conditions.map((one) => ({ ...one, says: leafWords(one.condition) })),
              })),
              endpoints: tried?.endpoints.map((one) => ({ ...one, title: titles.get(one.endpoint_id) ?? one.name })),
            },
          );
        };
        try {
          return await shown();
        } catch (error) {
          if (error instanceof ApiError && error.code === 'not_found')
            return shown({ fields: { event_id: 'There is no such event in this mode, or it is no longer kept.' } });
          return shown(faultsOf(error, lastPart('event_id', ...SAMPLE)));
        }
      },
      { query: ['event_id', ...SAMPLE] },
    ),
    site.get('/portal/rules/new', 'The form for a new rule.', (visit) => form(visit, undefined), { query: ['as'] }),
    site.post(
      '/portal/rules',
      'Makes a rule.',
      async (visit) => {
        const said = read(visit);
        if ('faults' in said) return form(visit, undefined, said.faults);
        try {
          const made = await rules.create(visit.principal, said.command);
          return { ...visit.go('/portal/rules', 'rule_saved'), noted: changeOf(undefined, made) };
        } catch (error) {
          return form(visit, undefined, faultsOf(error, ruleInput));
        }
      },
      { audit: 'webhook_rule.created' },
    ),
    site.get('/portal/rules/:rule_id', 'One rule.', async (visit) => form(visit, await one(visit)), { query: ['as'] }),
    site.post(
      '/portal/rules/:rule_id',
      'Changes a rule.',
      async (visit) => {
        const before = await one(visit);
        const said = read(visit);
        if ('faults' in said) return form(visit, before, said.faults);
        try {
          const after = await rules.patch(visit.principal, before.id, said.command);
          return { ...visit.go('/portal/rules', 'rule_saved'), noted: changeOf(before, after) };
        } catch (error) {
          return form(visit, before, faultsOf(error, ruleInput));
        }
      },
      { audit: 'webhook_rule.updated' },
    ),
    site.post(
      '/portal/rules/:rule_id/switch',
      'Switches a rule on or off.',
      async (visit) => {
        const before = await one(visit);
        const after = await rules.patch(visit.principal, before.id, { enabled: visit.fields.enabled === 'yes' });
        return { ...visit.go('/portal/rules', 'rule_saved'), noted: changeOf(before, after) };
      },
      { audit: 'webhook_rule.updated' },
    ),
    site.post(
      '/portal/rules/:rule_id/remove',
      'Deletes a rule.',
      async (visit) => {
        const before = await one(visit);
        await rules.remove(visit.principal, before.id);
        return { ...visit.go('/portal/rules', 'rule_removed'), noted: changeOf(before, undefined) };
      },
      { audit: 'webhook_rule.deleted' },
    ),
  ];
}
