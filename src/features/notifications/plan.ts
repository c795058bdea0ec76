/**
 * From commands to plans: which channel, which template version and language, which connection, which address. Reads only
 * what caches hold or one query per batch can tell, and decides nothing: whatever is wrong is written down for the rules.
 */
import { AddressError, type AnyChannel, type Content, type Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import { messageIdOf, newNotificationId } from '../../lib/ids.ts';
import type { ConnectionRoute, Connections } from '../connections/index.ts';
import type { ResolvedTemplate, Templates } from '../templates/index.ts';
import type { Tenant, Tenants } from '../tenants/index.ts';
import { personOf } from './person.ts';
import type { Ask, Request, Source } from './policy.ts';
import { rawContent } from './render.ts';
import { RAW_FIELDS, type SendBody, type SendNotification, sendAheadMs, TTL_SECONDS } from './schema.ts';
import type { NewMessage, Origin, SendCommand } from './types.ts';

export interface Plan {
  readonly notificationId: string;
  /** What the rules judge. */
  readonly request: Request;
  /** What is stored if they let it pass; empty where something essential is missing. */
  readonly messages: readonly NewMessage[];
}

/** One plan per command, in order. Throws `validation_failed` for a time that cannot be. */
export type Planner = (origin: Origin, commands: readonly SendCommand[]) => Promise<readonly Plan[]>;

export interface PlanDeps {
  readonly registry: Registry;
  readonly tenants: Tenants;
  readonly connections: Connections;
  readonly templates: Templates;
}

export function createPlanner({ registry, tenants, connections, templates }: PlanDeps): Planner {
  return async (origin, commands) => {
    const { tenantId, mode } = origin.principal;
    const channelIds = [...new Set(commands.flatMap(({ body }) => body.notification.channels))].filter((id) =>
      registry.channel(id),
    );
    const slugs = [...new Set(commands.flatMap(({ body }) => body.notification.template_id ?? []))];
    const [tenant, routes, resolved] = await Promise.all([
      tenants.tenant(tenantId),
      connections.route(tenantId, mode, channelIds),
      Promise.all(slugs.map(async (slug) => [slug, await templates.resolve(tenantId, slug)] as const)),
    ]);
    const bySlug = new Map(resolved);
    return commands.map((command) => {
      const template = templates.pick(bySlug.get(command.body.notification.template_id ?? ''), () =>
        personOf(registry, command.body, tenant.defaultCountry),
      );
      const asks = command.body.notification.channels.map((id) =>
        ask(id, command.body, {
          channel: registry.channel(id),
          route: routes.get(id),
          template,
          tenant,
          templates,
        }),
      );
      const notificationId = newNotificationId();
      return {
        notificationId,
        request: requestOf(command.body, asks, template, templates),
        messages: messagesOf({ command, origin, asks, template, routes, notificationId }),
      };
    });
  };
}

interface Known {
  readonly channel: AnyChannel | undefined;
  readonly route: ConnectionRoute | undefined;
  readonly template: ResolvedTemplate | undefined;
  readonly tenant: Tenant;
  readonly templates: Templates;
}

function ask(
  id: string,
  { recipient, notification }: SendBody,
  { channel, route, template, tenant, templates }: Known,
): Ask {
  if (!channel)
    return {
      id,
      channel,
      connected: false,
      missingFields: [],
      address: undefined,
      addressFault: undefined,
      rawFields: [],
      missingRaw: [],
      source: undefined,
      content: undefined,
      language: undefined,
    };
  const missingFields = channel.recipient
    .filter(({ name, required }) => required && recipient[name] === undefined)
    .map(({ name }) => name);
  const properties = Object.keys(channel.content.properties);
  const rawFields = RAW_FIELDS.filter((field) => properties.includes(field) && notification[field] !== undefined);
  const missingRaw = neededRaw(channel, notification);
  const language =
    template &&
    templates.pickLanguage(template, id, [notification.language, recipient.language, tenant.defaultLanguage]);
  const source = sourceOf(
    channel,
    notification,
    template !== undefined && language !== undefined,
    rawFields.length > 0 && missingRaw.length === 0,
  );
  const content =
    source === 'own'
      ? (notification.content?.[id] as Content)
      : source === 'raw'
        ? rawContent(channel, notification)
        : undefined;
  return {
    id,
    channel,
    connected: route !== undefined,
    missingFields,
    ...addressOf(channel, recipient, missingFields, tenant.defaultCountry),
    rawFields,
    missingRaw,
    language,
    source,
    content,
  };
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

function addressOf(
  channel: AnyChannel,
  recipient: SendBody['recipient'],
  missing: readonly string[],
  country: string | undefined,
): Pick<Ask, 'address' | 'addressFault'> {
  if (missing.length > 0) return { address: undefined, addressFault: undefined };
  try {
    return { address: channel.address(recipient, country ? { defaultCountry: country } : {}), addressFault: undefined };
  } catch (error) {
    if (error instanceof AddressError)
      return { address: undefined, addressFault: { field: error.field, message: error.message } };
    throw error;
  }
}

function requestOf(
  { notification }: SendBody,
  asks: readonly Ask[],
  template: ResolvedTemplate | undefined,
  templates: Templates,
): Request {
  const rawGiven = RAW_FIELDS.filter((field) => notification[field] !== undefined);
  const languages = template
    ? Object.fromEntries(
        Object.entries(template.content).map(([channel, byLanguage]) => [channel, Object.keys(byLanguage)]),
      )
    : {};
  return {
    notification,
    asks,
    rawGiven,
    template: template ? { slug: template.slug, languages } : undefined,
    data: judgeData(notification, asks, template, templates),
  };
}

/** Missing is missing on any channel; unexpected is what no requested channel uses (D9). Raw text keeps what it does not use (N-19). */
function judgeData(
  notification: SendNotification,
  asks: readonly Ask[],
  template: ResolvedTemplate | undefined,
  templates: Templates,
): Request['data'] {
  const data = notification.data ?? {};
  const uses = asks.flatMap(({ id, source, language }) =>
    source === 'template' && language ? [{ channel: id, language }] : [],
  );
  const raw = asks.flatMap(({ id, content }) => (content ? [templates.judgeRaw(id, content, data)] : []));
  const missingRaw = raw.flatMap(({ missing }) => missing);
  const faultsRaw = raw.flatMap(({ faults }) => faults);
  if (!template || uses.length === 0) return { missing: [...new Set(missingRaw)], unexpected: [], faults: faultsRaw };
  const judged = templates.judgeData(
    template,
    uses,
    data,
    raw.flatMap(({ wanted }) => wanted),
  );
  return {
    missing: [...new Set([...judged.missing, ...missingRaw])],
    unexpected: judged.unexpected,
    faults: [...judged.faults, ...faultsRaw],
  };
}

interface Making {
  readonly command: SendCommand;
  readonly origin: Origin;
  readonly asks: readonly Ask[];
  readonly template: ResolvedTemplate | undefined;
  readonly routes: ReadonlyMap<string, ConnectionRoute>;
  readonly notificationId: string;
}

function messagesOf({ command, origin, asks, template, routes, notificationId }: Making): NewMessage[] {
  const { body, idempotencyKey, retryOf } = command;
  const { notification, recipient } = body;
  const { principal, at, ip, requestId } = origin;
  const category = notification.category ?? template?.category ?? 'transactional';
  const sendAt = sendTime(notification, at);
  const expiresAt = new Date(
    (sendAt ?? at).getTime() +
      (notification.ttl_seconds ?? (category === 'otp' ? TTL_SECONDS.otp : TTL_SECONDS.default)) * 1_000,
  );
  const lane = LANES[notification.priority ?? (category === 'otp' ? 'high' : 'normal')];
  const messages: NewMessage[] = [];
  for (const [index, { id, channel, address, source, language, content }] of asks.entries()) {
    const route = routes.get(id);
    if (!channel || address === undefined || !route || !source) continue;
    const version = source === 'template' ? template : undefined;
    // One literal: every message has the same shape, which is what the engine is fast with.
    messages.push({
      id: messageIdOf(notificationId, index),
      tenantId: principal.tenantId,
      mode: principal.mode,
      channel: id,
      address,
      recipient,
      connectionId: route.connectionId,
      templateVersionId: version?.versionId ?? null,
      templateSlug: version?.slug ?? null,
      templateVersion: version?.number ?? null,
      language: language ?? notification.language ?? null,
      input: {
        ...(notification.data ? { data: notification.data } : {}),
        ...(source === 'own' && content ? { content } : (content ?? {})),
      },
      category,
      lane,
      onUnknown: notification.on_unknown ?? 'wait',
      createdAt: at,
      sendAt,
      expiresAt,
      idempotencyKey: idempotencyKey ?? null,
      retryOf: retryOf ?? null,
      actorId: principal.actor.id,
      ip,
      requestId,
      bulkId: null,
      bulkRow: null,
    });
  }
  return messages;
}

const LANES = { high: 0, normal: 1, low: 2 } as const;

function sendTime({ send_at }: SendNotification, now: Date): Date | null {
  if (!send_at) return null;
  const at = new Date(send_at);
  const message =
    at.getTime() < now.getTime() - 60_000
      ? 'send_at lies in the past'
      : at.getTime() > now.getTime() + sendAheadMs
        ? 'send_at lies more than a year ahead'
        : undefined;
  if (message)
    throw new ApiError('validation_failed', `notification.send_at: ${message}. Leave it out to send at once.`, {
      param: 'notification.send_at',
    });
  return at <= now ? null : at;
}
