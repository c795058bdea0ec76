/**
 * From commands to plans: which channel, which template version and language, which connection, which address. Reads only
 * what caches hold or one query per batch can tell, and decides nothing: whatever is wrong is written down for the rules.
 */
import { AddressError, type AnyChannel, missingFields as missingOf, type Registry } from '../../channel-kit/index.ts';
import { soon } from '../../lib/cache.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Mode } from '../../lib/http.ts';
import { messageIdOf, newNotificationId } from '../../lib/ids.ts';
import type { ConnectionRoute, Connections } from '../connections/index.ts';
import type { ResolvedTemplate, Templates } from '../templates/index.ts';
import type { Tenants } from '../tenants/index.ts';
import { createOutliner, type Outline, type OutlineAsk } from './outline.ts';
import { fallbackOf, partOf } from './parts.ts';
import { personOf } from './person.ts';
import type { Ask, Request } from './policy.ts';
import { type SendBody, type SendNotification, sendAheadMs, TTL_SECONDS } from './schema.ts';
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

/** How long free text may answer somebody, by the store's clock. */
export interface Window {
  readonly endsAt: Date;
  readonly isOpen: boolean;
}
/** The windows of these, by `windowName`; none for who has never written, and where the channel has no such rule. */
export type Windows = (
  tenantId: string,
  mode: Mode,
  asked: readonly { readonly connectionId: string; readonly address: string }[],
) => Promise<ReadonlyMap<string, Window>>;
export const windowName = (connectionId: string, address: string): string => `${connectionId} ${address}`;

export interface PlanDeps {
  /** Asked only for free text where a template is demanded. */
  readonly windows: Windows;
  readonly registry: Registry;
  readonly tenants: Tenants;
  readonly connections: Connections;
  readonly templates: Templates;
}

export function createPlanner({ registry, tenants, connections, templates, windows }: PlanDeps): Planner {
  const outliner = createOutliner();
  return async (origin, commands) => {
    const { tenantId, mode } = origin.principal;
    const slugs = [...new Set(commands.map(({ body }) => body.notification.template_id))];
    const [tenant, routes, ...resolved] = await soon([
      tenants.tenant(tenantId),
      connections.routes(tenantId, mode),
      ...slugs.map((slug) => (slug === undefined ? undefined : templates.resolve(tenantId, slug))),
    ]);
    const templateOf = (slug: string | undefined) => resolved[slugs.indexOf(slug)];
    const drawing = { registry, templates, defaultLanguage: tenant.defaultLanguage };
    const outlineOf = outliner({ ...drawing, routes });
    const late: number[] = [];
    const planOne = (command: SendCommand, nth: number, known?: ReadonlyMap<string, Window>): Plan => {
      const { body, via } = command;
      const template = templates.pick(templateOf(body.notification.template_id), () =>
        personOf(registry, body, tenant.defaultCountry),
      );
      const own = via ? new Map(routes).set(via.channel.id, via) : routes;
      const outline = via ? createOutliner()({ ...drawing, routes: own })(body, template) : outlineOf(body, template);
      const asks = outline.asks.map((one) => ask(one, body.recipient, tenant.defaultCountry, own, known));
      if (!known && outline.isReply) late.push(nth);
      const notificationId = newNotificationId();
      return {
        notificationId,
        request: {
          notification: body.notification,
          asks,
          rawGiven: outline.rawGiven,
          template: outline.template,
          data: judgeData(body.notification.data ?? {}, outline, template, templates),
        },
        messages: messagesOf({ command, origin, asks, template, routes: own, notificationId }),
      };
    };
    const plans = commands.map((command, nth) => planOne(command, nth));
    if (late.length === 0) return plans;
    // Whether they may answer is one question for all of them, and they are planned again with what is known then.
    const asked = late.flatMap((nth) => placesOf(plans[nth] as Plan, commands[nth]?.via, routes));
    const known = await windows(tenantId, mode, asked);
    for (const nth of late) plans[nth] = planOne(commands[nth] as SendCommand, nth, known);
    return plans;
  };
}

/** Where a plan would write to. */
const placesOf = (
  { request: { asks } }: Plan,
  via: ConnectionRoute | undefined,
  routes: ReadonlyMap<string, ConnectionRoute>,
): { connectionId: string; address: string }[] =>
  asks.flatMap(({ id, address }) => {
    const route = via?.channel.id === id ? via : routes.get(id);
    return address === undefined || !route ? [] : [{ connectionId: route.connectionId, address }];
  });

/** An answer to a person is one until its time is over; before anybody has asked, it is none. */
function answerOf(
  { id, source, content, isReply }: OutlineAsk,
  address: string | undefined,
  routes: ReadonlyMap<string, ConnectionRoute>,
  known: ReadonlyMap<string, Window> | undefined,
): Pick<Ask, 'source' | 'content' | 'windowEnd'> {
  if (!isReply) return { source, content, windowEnd: undefined };
  const window =
    address === undefined ? undefined : known?.get(windowName(routes.get(id)?.connectionId ?? '', address));
  return window?.isOpen
    ? { source, content, windowEnd: undefined }
    : { source: undefined, content: undefined, windowEnd: window?.endsAt };
}

/** One channel of the request for one person. */
function ask(
  outline: OutlineAsk,
  recipient: SendBody['recipient'],
  country: string | undefined,
  routes: ReadonlyMap<string, ConnectionRoute>,
  known: ReadonlyMap<string, Window> | undefined,
): Ask {
  const { channel, required } = outline;
  let missingFields: readonly string[] = NONE;
  for (const { name } of required) if (recipient[name] === undefined) missingFields = missingOf(required, recipient);
  const { address, addressFault } = channel ? addressOf(channel, recipient, missingFields, country) : NOWHERE;
  const { source, content, windowEnd } = answerOf(outline, address, routes, known);
  return {
    id: outline.id,
    param: outline.param,
    channel,
    connected: outline.connected,
    missingFields,
    address,
    addressFault,
    rawFields: outline.rawFields,
    missingRaw: outline.missingRaw,
    source,
    windowEnd,
    content,
    language: outline.language,
  };
}

const NONE: readonly string[] = [];
const NOWHERE = { address: undefined, addressFault: undefined } as const;

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

const FINE = { missing: [], unexpected: [], faults: [] } as const;

/** Missing is missing on any channel; unexpected is what no requested channel uses (D9). Raw text keeps what it does not use (N-19). */
function judgeData(
  data: Readonly<Record<string, unknown>>,
  { uses, raws }: Outline,
  template: ResolvedTemplate | undefined,
  templates: Templates,
): Request['data'] {
  const judged =
    template && uses.length > 0
      ? (known: readonly string[]) => templates.judgeData(template, uses, data, known)
      : () => FINE;
  if (raws.length === 0) return judged([]);
  const raw = raws.map(({ id, content }) => templates.judgeRaw(id, content, data));
  const { missing, unexpected, faults } = judged(raw.flatMap(({ wanted }) => wanted));
  return {
    missing: [...new Set([...missing, ...raw.flatMap((one) => one.missing)])],
    unexpected,
    faults: [...faults, ...raw.flatMap((one) => one.faults)],
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

function messagesOf(making: Making): NewMessage[] {
  const { command, origin, asks, template, notificationId } = making;
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
  const fallback = notification.fallback ? fallbackOf(notification, asks, making) : null;
  for (const [index, one] of asks.entries()) {
    if (index >= notification.channels.length) break;
    const part = partOf(one, notification, making);
    if (!part) continue;
    // One literal: every message has the same shape, which is what the engine is fast with.
    messages.push({
      id: messageIdOf(notificationId, index),
      tenantId: principal.tenantId,
      mode: principal.mode,
      channel: part.channel,
      address: part.address,
      recipient,
      connectionId: part.connectionId,
      templateVersionId: part.templateVersionId,
      templateSlug: part.templateSlug,
      templateVersion: part.templateVersionId === null ? null : (template?.number ?? null),
      language: part.language,
      input: part.input,
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
      fallback: fallback && messages.length > 0 ? { ...fallback, steps: [] } : fallback,
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
