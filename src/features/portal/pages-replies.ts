/** Auto-replies: what is answered without anybody writing it, in the order in which the rules are asked. */
import { FAULTS, type FaultKind, type Registry } from '../../channel-kit/index.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { validator } from '../../lib/schema.ts';
import { changeOf } from '../audit/index.ts';
import { createAutoReply, TRIGGERS } from '../replies/index.ts';
import { type Faults, faultsOf, lastPart } from './forms.ts';
import type { AutoReply, RepliesDoor, TemplatesDoor, TenantsDoor } from './ports.ts';
import { curl, readersKey } from './samples.ts';
import type { Site, Visit } from './site.ts';

export interface ReplyPagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly templates: TemplatesDoor;
  readonly replies: RepliesDoor;
  readonly registry: Registry;
  readonly publicUrl: () => string;
}

const creation = validator(createAutoReply);

/** Whether a text or a template alone says it. */
const isPlain = ({ text, template_id, ...more }: AutoReply['reply']): boolean => Object.keys(more).length === 0;

export function replyPages(deps: ReplyPagesDeps): readonly Route[] {
  const { site, tenants, templates, replies, registry, publicUrl } = deps;
  const one = (visit: Visit) => replies.get(visit.principal, visit.params.auto_reply_id ?? '');
  const hearing = registry.channels.filter(({ capabilities }) => capabilities.inbound);

  const form = async (visit: Visit, rule: AutoReply | undefined, faults?: Faults): Promise<Reply> => {
    const typed = faults ? visit.fields : undefined;
    const known = await templates.list(visit.principal, { limit: 100 });
    const trigger = typed?.trigger ?? rule?.trigger ?? 'keyword';
    const channel = typed?.channel ?? rule?.channel;
    const template = typed?.template_id ?? rule?.reply.template_id;
    const asJson = typed ? typed.reply !== undefined : visit.query.as === 'json' || (rule && !isPlain(rule.reply));
    return visit.render(
      'auto-reply',
      { title: rule ? rule.name || 'Auto-reply' : 'New auto-reply', section: 'inbox', ...(faults ? { faults } : {}) },
      {
        rule,
        action: rule ? `/portal/auto-replies/${rule.id}` : '/portal/auto-replies',
        as_json: asJson,
        form: {
          name: typed?.name ?? rule?.name,
          keywords: typed?.keywords ?? rule?.keywords.join(', '),
          contains: (typed?.match ?? rule?.match) === 'contains',
          text: typed?.text ?? rule?.reply.text,
          reply: typed?.reply ?? JSON.stringify(rule?.reply ?? { text: '' }, null, 2),
          position: typed?.position ?? rule?.position,
          pause_minutes: typed?.pause_minutes ?? rule?.pause_minutes ?? 10,
          is_active: typed ? typed.is_active !== undefined : (rule?.is_active ?? true),
        },
        triggers: Object.entries(TRIGGERS).map(([id, meaning]) => ({
          id,
          meaning: plain(meaning),
          chosen: id === trigger,
        })),
        channels: hearing.map(({ id, label }) => ({ id, label, chosen: id === channel })),
        templates: known.data
          .filter(({ version }) => version !== null)
          .map(({ template_id: id }) => ({ id, chosen: id === template })),
      },
    );
  };
  /** What the form says, judged; or its faults. */
  const read = ({ fields }: Visit) => {
    const { name = '', trigger, keywords = '', match, channel, position = '', pause_minutes = '', is_active } = fields;
    const reply = readReply(fields);
    if (reply === undefined) return { faults: { fields: { reply: 'This is not JSON yet.' } } };
    try {
      return {
        command: creation.check({
          name: name.trim(),
          trigger,
          keywords: keywords.split(/[,\n]/).flatMap((word) => word.trim() || []),
          match: match === 'contains' ? 'contains' : 'exact',
          channel: channel || null,
          reply,
          ...(position.trim() === '' ? {} : { position: Number(position) }),
          pause_minutes: pause_minutes.trim() === '' ? 0 : Number(pause_minutes),
          is_active: is_active !== undefined,
        }),
      };
    } catch (error) {
      return { faults: faultsOf(error, inputOf) };
    }
  };

  return [
    site.get('/portal/auto-replies', 'What is answered by itself.', async (visit) => {
      const [{ data }, key] = await Promise.all([
        replies.list(visit.principal, { limit: 100 }),
        readersKey(tenants, visit.principal),
      ]);
      return visit.render(
        'auto-replies',
        { title: 'Auto-replies', section: 'inbox' },
        {
          rows: data.map((rule) => ({
            ...rule,
            label: rule.channel && (registry.channel(rule.channel)?.label ?? rule.channel),
            meaning: plain(TRIGGERS[rule.trigger]),
            fault:
              rule.failure_code &&
              (Object.hasOwn(FAULTS, rule.failure_code)
                ? FAULTS[rule.failure_code as FaultKind].message
                : rule.failure_code),
          })),
          curl: curl({ baseUrl: publicUrl(), key }, 'POST', '/api/v1/auto_replies', {
            trigger: 'keyword',
            keywords: ['hours', 'open'],
            match: 'contains',
            reply: { text: 'We are open from nine to five.' },
          }),
        },
      );
    }),
    site.get('/portal/auto-replies/new', 'The form for a new auto-reply.', (visit) => form(visit, undefined), {
      query: ['as'],
    }),
    site.post(
      '/portal/auto-replies',
      'Makes an auto-reply.',
      async (visit) => {
        const said = read(visit);
        if ('faults' in said) return form(visit, undefined, said.faults);
        try {
          const made = await replies.create(visit.principal, said.command);
          return { ...visit.go('/portal/auto-replies', 'auto_reply_saved'), noted: changeOf(undefined, made) };
        } catch (error) {
          return form(visit, undefined, faultsOf(error, inputOf));
        }
      },
      { audit: 'auto_reply.created' },
    ),
    site.get('/portal/auto-replies/:auto_reply_id', 'One auto-reply.', async (visit) => form(visit, await one(visit)), {
      query: ['as'],
    }),
    site.post(
      '/portal/auto-replies/:auto_reply_id',
      'Changes an auto-reply.',
      async (visit) => {
        const before = await one(visit);
        const said = read(visit);
        if ('faults' in said) return form(visit, before, said.faults);
        try {
          const after = await replies.patch(visit.principal, before.id, said.command);
          return { ...visit.go('/portal/auto-replies', 'auto_reply_saved'), noted: changeOf(before, after) };
        } catch (error) {
          return form(visit, before, faultsOf(error, inputOf));
        }
      },
      { audit: 'auto_reply.updated' },
    ),
    site.post(
      '/portal/auto-replies/:auto_reply_id/switch',
      'Switches an auto-reply on or off.',
      async (visit) => {
        const before = await one(visit);
        const after = await replies.patch(visit.principal, before.id, { is_active: visit.fields.on === 'yes' });
        return { ...visit.go('/portal/auto-replies', 'auto_reply_saved'), noted: changeOf(before, after) };
      },
      { audit: 'auto_reply.updated' },
    ),
    site.post(
      '/portal/auto-replies/:auto_reply_id/remove',
      'Deletes an auto-reply.',
      async (visit) => {
        const before = await replies.remove(visit.principal, visit.params.auto_reply_id ?? '');
        return { ...visit.go('/portal/auto-replies', 'auto_reply_removed'), noted: changeOf(before, undefined) };
      },
      { audit: 'auto_reply.deleted' },
    ),
  ];
}

/** The chosen template, else the text; in the other form, JSON. `undefined`: it is none. */
function readReply({ reply, template_id, text = '' }: Readonly<Record<string, string>>): unknown {
  if (reply === undefined) return template_id ? { template_id } : { text };
  try {
    return JSON.parse(reply);
  } catch {
    return undefined;
  }
}

/** What the API calls `keywords`, the form calls words. */
const plain = (text: string): string => text.replace('`keywords`', 'the words').replaceAll('`', '');

const inputOf = (path: string): string | undefined => {
  if (path.startsWith('keywords')) return 'keywords';
  if (path.startsWith('reply.text')) return 'text';
  if (path.startsWith('reply')) return 'reply';
  return lastPart('name', 'trigger', 'match', 'channel', 'position', 'pause_minutes')(path);
};
