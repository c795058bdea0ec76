/**
 * Requests to copy, made from the registry: nothing here knows a channel by name. A recipient is one of the channel's
 * magic ones that ends well, so that every sample works with a test key as it stands.
 */
import type { AnyChannel, Registry } from '../../channel-kit/index.ts';
import type { Principal } from '../../lib/http.ts';
import type { TenantsDoor } from './ports.ts';

/** The text fields of a raw notification that this channel's content knows. */
const RAW: Readonly<Record<string, string>> = {
  subject: 'Your order is on its way',
  body: 'Hello Ada, order ORD-1001 has left our warehouse.',
};

export interface SampleContext {
  readonly baseUrl: string;
  /** What is known of the reader's key: its beginning and dots. */
  readonly key: string;
}

export const rawAllowed = (channel: AnyChannel): boolean => channel.templatePolicy.send === 'optional';

/** The magic recipient that is simply delivered, else the example of each required field. */
export function sampleRecipient(channel: AnyChannel): Readonly<Record<string, string>> {
  const fine = channel.sandbox.find(({ steps }) => steps.length === 1 && steps.every(isDelivered));
  if (fine) return fine.to;
  return Object.fromEntries(
    channel.recipient.filter(({ required }) => required).map(({ name, example, label }) => [name, example ?? label]),
  );
}
const isDelivered = (step: AnyChannel['sandbox'][number]['steps'][number]) =>
  'receipt' in step && step.receipt === 'delivered';

/** The raw fields a channel takes: those it must have, and the plain text. */
export function rawFields(channel: AnyChannel): readonly string[] {
  const properties: Readonly<Record<string, unknown>> = channel.content.properties;
  return Object.keys(RAW).filter((name) => Object.hasOwn(properties, name));
}

export const rawBody = (channel: AnyChannel): object => ({
  recipient: sampleRecipient(channel),
  notification: {
    channels: [channel.id],
    ...Object.fromEntries(rawFields(channel).map((name) => [name, RAW[name]])),
  },
});

export interface TemplateSample {
  readonly id: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Where the template alone does not say which. */
  readonly language?: string;
}

export const templateBody = (channel: AnyChannel, { id, data, language }: TemplateSample): object => ({
  recipient: sampleRecipient(channel),
  notification: { channels: [channel.id], template_id: id, ...(language ? { language } : {}), data },
});

/** The language a sample must name: one of several, or one that the account's own may not be. */
export const languageToName = (
  language: string | undefined,
  languages: readonly string[],
  defaultLanguage: string | null | undefined,
): { readonly language?: string } => (language && (languages.length > 1 || defaultLanguage) ? { language } : {});

/** The first request of a newcomer: the first channel that takes plain text. */
export function firstSend(registry: Registry, context: SampleContext): string {
  const channel = registry.channels.find(rawAllowed);
  return channel ? send(context, rawBody(channel)) : '';
}

export const send = (context: SampleContext, body: object): string =>
  curl(context, 'POST', '/api/v1/notifications/send', body);

/** Lets somebody write to us, by the first channel that hears people. */
export function writeSample(registry: Registry, context: SampleContext): string {
  const channel = registry.channels.find(({ capabilities }) => capabilities.inbound);
  if (!channel) return '';
  const from = sampleRecipient(channel);
  return curl(context, 'POST', '/api/v1/sandbox/messages', { channel: channel.id, from, text: 'When do you open?' });
}

/** One command that works in a POSIX shell. */
export function curl({ baseUrl, key }: SampleContext, method: string, path: string, body?: object): string {
  const lines = [
    `curl -s ${method === 'GET' || method === 'POST' ? '' : `-X ${method} `}${baseUrl}${path}`,
    `-H ${quoted(`X-API-Key: ${key}`)}`,
    ...(body ? [`-H ${quoted('Content-Type: application/json')}`, `-d ${quoted(pretty(body))}`] : []),
  ];
  if (!body && method === 'POST') lines[0] = `curl -s -X POST ${baseUrl}${path}`;
  return lines.join(' \\\n  ');
}

/** Indented JSON with short lists on one line, as a person would write it. */
export const pretty = (body: object): string =>
  JSON.stringify(body, null, 2).replace(
    /\[\s+((?:"[^"\n]*"|[\d.]+|true|false|null)(?:,\s+(?:"[^"\n]*"|[\d.]+))*)\s+\]/g,
    (_, items: string) => `[${items.replace(/,\s+/g, ', ')}]`,
  );

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/** What stands for the reader's key in a sample. */
export const keyHint = (display: string | undefined, live: boolean): string =>
  display ? `${display.split(/[.…*•]/)[0]}…` : live ? 'ak_live_…' : 'ak_test_…';

/** The same for a key that the reader has in this mode. */
export async function readersKey({ keys }: Pick<TenantsDoor, 'keys'>, principal: Principal): Promise<string> {
  const { data } = await keys.list(principal, { limit: 50 });
  return keyHint(data.find(({ status }) => status === 'active')?.masked, principal.mode === 'live');
}

/** What a receiver does with the raw body and the header X-Signature-256. */
export const SIGNATURE_CHECK = `import { createHmac, timingSafeEqual } from 'node:crypto';
const key = Buffer.from(process.env.WEBHOOK_SECRET.slice('whsec_'.length), 'base64');
export function isFromCarillon(rawBody, header = '') {
  const expected = Buffer.from(\`sha256=\${createHmac('sha256', key).update(rawBody).digest('hex')}\`);
  const given = Buffer.from(header);
  return given.length === expected.length && timingSafeEqual(given, expected);
}`;
