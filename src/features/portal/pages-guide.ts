/**
 * The guide for developers, and the two files that robots ask for. Its tables are read from the registry and the error
 * catalogue, so that they cannot say anything else than the product does.
 */
import { Type } from '@sinclair/typebox';
import { type AnyChannel, FAULTS, type Registry, type SandboxStep } from '../../channel-kit/index.ts';
import { ERRORS, type ErrorCode } from '../../lib/errors.ts';
import { type Route, route } from '../../lib/http.ts';
import type { TemplatesDoor, TenantsDoor } from './ports.ts';
import {
  curl,
  firstSend,
  keyHint,
  languageToName,
  pretty,
  rawAllowed,
  rawBody,
  rawFields,
  type SampleContext,
  send,
  type TemplateSample,
  templateBody,
} from './samples.ts';
import type { Site, Visit, Work } from './site.ts';
import { starterSamples } from './starters.ts';
import { spaced } from './words.ts';

export interface GuidePagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly templates: TemplatesDoor;
  readonly registry: Registry;
  readonly publicUrl: () => string;
}

export function guidePages({ site, tenants, templates, registry, publicUrl }: GuidePagesDeps): readonly Route[] {
  const starter = starterSamples(templates);
  /** What is known of the reader: their key's beginning, and a template of theirs per channel with data that fits it. */
  const reader = async ({ session, principal }: Visit) => {
    if (!session) return { key: keyHint(undefined, false), named: false, own: new Map<string, TemplateSample>() };
    const [keys, known] = await Promise.all([
      tenants.keys.list(principal, { limit: 50 }),
      templates.list(principal, { limit: 100 }),
    ]);
    const own = await Promise.all(
      registry.channels.map(async ({ id: channel }) => {
        // One that has only drafts cannot be sent yet.
        const row = known.data.find(({ version, channels }) => version !== null && Object.hasOwn(channels, channel));
        if (!row) return [];
        const drawn = await templates.preview(principal, row.template_id, { channel });
        const language = languageToName(
          drawn.channels[0]?.language,
          row.channels[channel] ?? [],
          session.tenant.defaultLanguage,
        );
        return [[channel, { id: row.template_id, data: drawn.data, ...language }] as const];
      }),
    );
    const masked = keys.data.find(({ status }) => status === 'active')?.masked;
    return {
      key: keyHint(masked, principal.mode === 'live'),
      named: masked !== undefined,
      own: new Map<string, TemplateSample>(own.flat()),
    };
  };
  const guide: Work = async (visit) => {
    const { key, named, own } = await reader(visit);
    const context = { baseUrl: publicUrl(), key };
    const send1 = firstSend(registry, context);
    return visit.render(
      'guide',
      { title: 'How to use this platform', section: 'guide', canonical: '/portal/how-to-use' },
      {
        key,
        named,
        first: send1,
        languages: inLanguages(registry, context),
        track: curl(context, 'GET', '/api/v1/notifications/ntf_…'),
        capabilities: curl(context, 'GET', '/api/v1/channels/capabilities'),
        channels: registry.channels.map((channel) =>
          cookbook(channel, context, own.get(channel.id), starter(channel.id)),
        ),
        several: several(registry, context),
        usual: USUAL.map((code) => ({ code, ...ERRORS[code] })),
        errors: Object.entries(ERRORS)
          .filter(([code]) => code !== 'csrf')
          .map(([code, { status, meaning }]) => ({ code, status, meaning })),
        faults: Object.entries(FAULTS).map(([code, { message, fix, retryable }]) => ({
          code,
          message,
          fix,
          retryable,
        })),
      },
    );
  };

  return [
    site.get('/portal/how-to-use', 'The guide.', guide, { open: true }),
    site.get('/portal/docs', 'The guide, under its other name.', guide, { open: true }),
    plain('/robots.txt', 'text/plain; charset=utf-8', () => robots(publicUrl())),
    plain('/sitemap.xml', 'application/xml; charset=utf-8', () => sitemap(publicUrl())),
  ];
}

function cookbook(
  channel: AnyChannel,
  context: SampleContext,
  own: TemplateSample | undefined,
  starter: TemplateSample | undefined,
) {
  const template = own ?? starter;
  const required = channel.recipient.filter((field) => field.required);
  const raw = rawAllowed(channel);
  return {
    id: channel.id,
    label: channel.label,
    raw,
    required: required.map(({ name }) => name),
    fields: channel.recipient.map(({ name, help, example }) => ({ name, help, example })),
    note: raw
      ? `A template, or plain text in ${rawFields(channel).join(' and ')}.`
      : 'Give template_id, and the template’s variables in data.',
    receipts: channel.capabilities.receipts,
    raw_sample: raw ? send(context, rawBody(channel)) : undefined,
    template_sample: template && send(context, templateBody(channel, template)),
    template_id: template?.id,
    own_template: own !== undefined,
    retries: channel.retry.delaysSeconds.length,
    magic: channel.sandbox.map(({ to, note, steps }) => ({
      to: Object.values(to).join(', '),
      note,
      outcome: outcome(steps),
    })),
  };
}

function outcome(steps: readonly SandboxStep[]): string {
  return steps.map((step) => ('refuse' in step ? `refused: ${spaced(step.refuse)}` : step.receipt)).join(', then ');
}

/** One request on two channels: the first two that take plain text. */
function several(registry: Registry, context: SampleContext): string | undefined {
  const [a, b] = registry.channels.filter(rawAllowed);
  if (!a || !b) return undefined;
  const [one, two] = [rawBody(a), rawBody(b)] as { recipient: object; notification: object }[];
  return send(context, {
    recipient: { ...one?.recipient, ...two?.recipient },
    notification: { ...one?.notification, channels: [a.id, b.id] },
    idempotency_key: 'order-ORD-1001-shipped',
  });
}

/** The first send in the languages people ask for most. */
function inLanguages(registry: Registry, { baseUrl, key }: SampleContext) {
  const channel = registry.channels.find(rawAllowed);
  if (!channel) return [];
  const body = pretty(rawBody(channel));
  const url = `${baseUrl}/api/v1/notifications/send`;
  return [
    {
      id: 'node',
      name: 'Node.js',
      code: `const answer = await fetch('${url}', {
  method: 'POST',
  headers: { 'X-API-Key': '${key}', 'Content-Type': 'application/json' },
  body: JSON.stringify(${body.replaceAll('\n', '\n  ')}),
});
const { notification_id } = await answer.json();`,
    },
    {
      id: 'python',
      name: 'Python',
      code: `import json, urllib.request

request = urllib.request.Request(
    '${url}',
    headers={'X-API-Key': '${key}', 'Content-Type': 'application/json'},
    data=json.dumps(${body.replaceAll('\n', '\n    ')}).encode(),
)
with urllib.request.urlopen(request) as answer:
    print(json.load(answer)['notification_id'])`,
    },
    {
      id: 'php',
      name: 'PHP',
      code: `<?php
$call = curl_init('${url}');
curl_setopt_array($call, [
  CURLOPT_RETURNTRANSFER => true,
  CURLOPT_HTTPHEADER => ['X-API-Key: ${key}', 'Content-Type: application/json'],
  CURLOPT_POSTFIELDS => <<<'JSON'
${body}
JSON,
]);
echo json_decode(curl_exec($call))->notification_id;`,
    },
  ];
}

const plain = (path: string, type: string, text: () => string): Route =>
  route({
    method: 'GET',
    path,
    surface: 'page',
    auth: 'open',
    tag: 'Portal',
    summary: 'For robots.',
    hidden: true,
    params: Type.Object({}),
    replies: { 200: { description: 'The file.', type } },
    errors: [],
    handler: async () => ({ status: 200, type, body: text(), headers: { 'Cache-Control': 'public, max-age=3600' } }),
  });

/** What newcomers run into. */
const USUAL: readonly ErrorCode[] = [
  'template_required',
  'template_variable_mismatch',
  'unauthorized',
  'recipient_field_missing',
  'content_required',
  'channel_not_connected',
];

/** Only the public pages; what is behind the sign-in is nobody's to index, people's robots and AI's alike. */
const robots = (base: string) => `User-agent: *
Allow: /portal/how-to-use
Allow: /portal/signup
Allow: /portal/assets/
Allow: /docs
Disallow: /portal
Disallow: /api/
Disallow: /hooks/

Sitemap: ${base}/sitemap.xml
`;

const sitemap = (base: string) => `<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
${['/portal/how-to-use', '/portal/signup', '/docs'].map((path) => `  <url><loc>${base}${path}</loc></url>`).join('\n')}
</urlset>
`;
