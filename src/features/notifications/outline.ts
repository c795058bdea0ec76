/**
 * What a notification says apart from its person and data: which channels, in which language, out of which content. The rows
 * of a bulk share it, so it is drawn once for all of them. Pure.
 */
import type { AnyChannel, Content, Field, Registry } from '../../channel-kit/index.ts';
import type { ConnectionRoute } from '../connections/index.ts';
import type { ResolvedTemplate, Templates, Use } from '../templates/index.ts';
import { stepParam } from './parts.ts';
import type { Ask, Request, Source } from './policy.ts';
import { rawContent } from './render.ts';
import { RAW_FIELDS, type SendBody, type SendNotification } from './schema.ts';

/** One channel, as far as it does not depend on the person. */
export interface OutlineAsk extends Omit<Ask, 'missingFields' | 'address' | 'addressFault'> {
  /** Fields of the recipient that the channel cannot do without. */
  readonly required: readonly Field[];
  /** Free text where a template is demanded: only for who has just written. */
  readonly isReply: boolean;
}

export interface Outline extends Pick<Request, 'rawGiven' | 'template'> {
  /** The channels, then the steps of the fallback. */
  readonly asks: readonly OutlineAsk[];
  /** One of them is. */
  readonly isReply: boolean;
  readonly uses: readonly Use[];
  /** Contents that are not a template's. */
  readonly raws: readonly { readonly id: string; readonly content: Content }[];
}

interface OutlineDeps {
  readonly registry: Registry;
  readonly routes: ReadonlyMap<string, ConnectionRoute>;
  readonly templates: Templates;
  readonly defaultLanguage: string | undefined;
}

type OutlineOf = (body: SendBody, template: ResolvedTemplate | undefined) => Outline;

/** What the outlines of a template were drawn from. Templates and routes are remembered for some seconds, as they are. */
interface Drawn extends Pick<OutlineDeps, 'routes' | 'defaultLanguage'> {
  readonly outlines: Map<string, Outline>;
}
const DRAWN_MAX = 100;

/**
 * Those of a template that says everything are kept as long as the template is remembered. Of anything else the last one of a
 * batch is kept, and drawn anew when anything differs that it was drawn from.
 */
export function createOutliner(): (deps: OutlineDeps) => OutlineOf {
  const known = new WeakMap<ResolvedTemplate, Drawn>();

  const drawnOf = (template: ResolvedTemplate, { routes, defaultLanguage }: OutlineDeps): Map<string, Outline> => {
    let drawn = known.get(template);
    if (!drawn || drawn.routes !== routes || drawn.defaultLanguage !== defaultLanguage) {
      drawn = { routes, defaultLanguage, outlines: new Map() };
      known.set(template, drawn);
    }
    return drawn.outlines;
  };

  return (deps) => {
    let last: { said: SendNotification; language: string | undefined; versionId: string | undefined } | undefined;
    let outline: Outline | undefined;
    return ({ notification, recipient }, template) => {
      const { language } = recipient;
      if (template && isPlain(notification)) {
        const outlines = drawnOf(template, deps);
        const name = JSON.stringify([notification.channels, notification.language, language]);
        const known = outlines.get(name);
        if (known) return known;
        const drawn = draw(deps, notification, language, template);
        // What asks for channels that are not there is refused, and need not be remembered.
        if (outlines.size < DRAWN_MAX && drawn.asks.every(({ channel }) => channel)) outlines.set(name, drawn);
        return drawn;
      }
      if (
        !outline ||
        !last ||
        last.language !== language ||
        last.versionId !== template?.versionId ||
        !same(last.said, notification)
      )
        outline = draw(deps, notification, language, template);
      last = { said: notification, language, versionId: template?.versionId };
      return outline;
    };
  };
}

const isPlain = ({ fallback, content, ...raw }: SendNotification): boolean =>
  fallback === undefined && content === undefined && RAW_FIELDS.every((field) => raw[field] === undefined);

/** Written out: it is asked for every row. */
const same = (a: SendNotification, b: SendNotification): boolean =>
  a.channels === b.channels &&
  a.language === b.language &&
  a.body === b.body &&
  a.subject === b.subject &&
  a.html === b.html &&
  a.from === b.from &&
  a.content === b.content &&
  a.attachments === b.attachments &&
  a.fallback === b.fallback;

function draw(
  deps: OutlineDeps,
  notification: SendNotification,
  language: string | undefined,
  template: ResolvedTemplate | undefined,
): Outline {
  const one = (id: string, param?: string): OutlineAsk => ({
    ...askOf(deps, id, notification, language, template),
    ...(param ? { param } : {}),
  });
  const asks = [
    ...notification.channels.map((id) => one(id)),
    ...(notification.fallback ?? []).map(({ channel }, at) => one(channel, stepParam(at))),
  ];
  return {
    asks,
    isReply: asks.some((ask) => ask.isReply),
    rawGiven: RAW_FIELDS.filter((field) => notification[field] !== undefined),
    template: template && {
      slug: template.slug,
      languages: Object.fromEntries(
        Object.entries(template.content).map(([channel, byLanguage]) => [channel, Object.keys(byLanguage)]),
      ),
    },
    uses: asks.flatMap((ask) =>
      ask.source === 'template' && ask.language ? [{ channel: ask.id, language: ask.language }] : [],
    ),
    raws: asks.flatMap(({ id, content }) => (content ? [{ id, content }] : [])),
  };
}

function askOf(
  { registry, routes, templates, defaultLanguage }: OutlineDeps,
  id: string,
  notification: SendNotification,
  recipientLanguage: string | undefined,
  template: ResolvedTemplate | undefined,
): OutlineAsk {
  const channel = registry.channel(id);
  if (!channel)
    return {
      id,
      channel,
      connected: false,
      required: [],
      rawFields: [],
      missingRaw: [],
      source: undefined,
      content: undefined,
      language: undefined,
      isReply: false,
    };
  const reply = replyOf(channel, notification);
  const rawFields = RAW_FIELDS.filter(
    (field) => Object.hasOwn(channel.content.properties, field) && notification[field] !== undefined,
  );
  const missingRaw = neededRaw(channel, notification);
  const language =
    template && templates.pickLanguage(template, id, [notification.language, recipientLanguage, defaultLanguage]);
  const ordinary = sourceOf(
    channel,
    notification,
    template !== undefined && language !== undefined,
    rawFields.length > 0 && missingRaw.length === 0,
  );
  const source = ordinary ?? (reply && 'own');
  const content =
    source === 'own'
      ? (reply ?? (notification.content?.[id] as Content))
      : source === 'raw'
        ? rawContent(channel, notification)
        : undefined;
  return {
    id,
    channel,
    connected: routes.has(id),
    required: channel.recipient.filter(({ required }) => required),
    rawFields: reply && notification.content?.[id] === undefined ? [...rawFields, 'body'] : rawFields,
    missingRaw,
    language,
    source,
    content,
    isReply: reply !== undefined && source === 'own',
  };
}

/** What would answer a person without a template on a channel that else demands one. */
function replyOf(channel: AnyChannel, { content, body, template_id }: SendNotification): Content | undefined {
  const { send, reply } = channel.templatePolicy;
  if (send !== 'required' || typeof reply !== 'object' || template_id !== undefined) return undefined;
  return (content?.[channel.id] as Content | undefined) ?? (body === undefined ? undefined : channel.plain?.(body));
}

/** D9: the template serves the channels it has content for, the channel's own content or the raw fields serve the others. */
function sourceOf(
  channel: AnyChannel,
  notification: SendNotification,
  inTemplate: boolean,
  rawComplete: boolean,
): Source | undefined {
  if (inTemplate) return 'template';
  if (channel.templatePolicy.send === 'required') return undefined;
  if (notification.content?.[channel.id]) return 'own';
  return rawComplete ? 'raw' : undefined;
}

/** Raw fields the channel demands and the request lacks. A channel that demands neither body nor html needs one of them. */
function neededRaw(channel: AnyChannel, notification: SendNotification): string[] {
  const required = (channel.content.required ?? []) as readonly string[];
  const missing: string[] = RAW_FIELDS.filter((field) => required.includes(field) && notification[field] === undefined);
  const texts = RAW_FIELDS.filter(
    (field) => (field === 'body' || field === 'html') && field in channel.content.properties,
  );
  if (texts.length > 0 && texts.every((field) => notification[field] === undefined) && !missing.includes('body'))
    missing.push('body');
  return missing;
}
