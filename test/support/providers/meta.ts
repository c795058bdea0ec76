/**
 * A Cloud API that stands in for Meta's: one business number, approved templates, signed statuses to one address.
 *
 * It keeps the rules an adapter can break: bearer token, number, message shape, lengths, template name, language, number
 * and format of parameters. Outside the 24-hour window free text is accepted and taken back later, as the real one does.
 */
import { createHmac } from 'node:crypto';
import {
  type Answer,
  type CallbackOptions,
  type Fake,
  type FakeMessage,
  type Json,
  type Plan,
  type Recorded,
  startFake,
} from './fake.ts';
import { type MetaTemplate, templateProblem } from './meta-templates.ts';

export type { MetaTemplate };

export interface MetaOptions {
  readonly phoneNumberId?: string;
  readonly accessToken?: string;
  readonly appSecret?: string;
  readonly verifyToken?: string;
  readonly wabaId?: string;
  readonly templates?: readonly MetaTemplate[];
  /** Where statuses go; may be set later. */
  readonly webhookUrl?: string;
  /** Statuses posted by themselves after each accepted send. */
  readonly auto?: readonly string[];
  /** Files that people have sent, by id: text stands for their bytes. */
  readonly media?: Readonly<Record<string, { readonly mime: string; readonly text: string }>>;
}

export interface MetaFake extends Fake {
  /** For a connection to this fake. */
  readonly credentials: Readonly<Record<string, string>>;
  webhookUrl: string | undefined;
  /** The person has written: free text is allowed. */
  openWindow(to: string): void;
  /** The subscription challenge. Returns the answer's status and text. */
  subscribe(token?: string): Promise<{ status: number; text: string }>;
}

const CODES: Readonly<Record<string, readonly [status: number, message: string]>> = {
  190: [401, 'Error validating access token'],
  100: [400, 'Invalid parameter'],
  429: [429, '(#130429) Rate limit hit'],
  131000: [500, '(#131000) Something went wrong'],
  132000: [400, '(#132000) Number of parameters does not match the expected number of params'],
  132001: [404, '(#132001) Template name does not exist in the translation'],
  132012: [400, '(#132012) Parameter format does not match format in the created template'],
  132015: [400, '(#132015) Template is paused'],
  132016: [400, '(#132016) Template is disabled'],
};

export async function startMeta(options: MetaOptions = {}): Promise<MetaFake> {
  const {
    phoneNumberId = '106540352242922',
    accessToken = 'EAAfake-token-000000000000',
    appSecret = 'fake-app-secret-11111111',
    verifyToken = 'fake-verify-token-2222',
    wabaId = '102290129340398',
    templates = [],
    media = {},
  } = options;
  const windows = new Set<string>();
  let count = 0;
  const state = { webhookUrl: options.webhookUrl };

  function plan(request: Recorded): Plan {
    const [number = '', edge] = request.path
      .replace(/^\/v\d+\.\d+/, '')
      .split('/')
      .filter(Boolean);
    if (request.headers.authorization !== `Bearer ${accessToken}`) return no('190');
    const [file, kept] = [media[number], number === 'files' && edge ? media[edge] : undefined];
    if (request.method === 'GET' && file)
      return yes({ id: number, mime_type: file.mime, url: `http://${request.headers.host}/v24.0/files/${number}` });
    if (kept)
      return { kind: 'answer', answer: { status: 200, headers: { 'content-type': kept.mime }, body: kept.text } };
    if (number !== phoneNumberId)
      return no('100', `Unsupported request. Object with ID '${number}' does not exist`, { error_subcode: 33 });
    if (request.method === 'GET' && !edge)
      return yes({
        id: phoneNumberId,
        display_phone_number: '+1 555-010-0000',
        verified_name: 'Acme',
        quality_rating: 'GREEN',
      });
    if (request.method !== 'POST' || edge !== 'messages') return no('100', 'Unsupported request');
    return judge(request);
  }

  function judge(request: Recorded): Plan {
    let message: Json;
    try {
      message = request.json();
    } catch {
      return no('100', 'The body is not JSON');
    }
    const { type, biz_opaque_callback_data: reference } = message;
    // Somebody who hides the number is written to by id.
    const to = message.to ?? message.recipient;
    if (message.messaging_product !== 'whatsapp') return no('100', 'The parameter messaging_product is required.');
    // Without its plus the number would get the country code of the business in front.
    const known = message.to === undefined ? /^[A-Z]{2}\.[A-Za-z0-9.]+$/ : /^\+[1-9]\d{6,14}$/;
    if (typeof to !== 'string' || !known.test(to)) return no('100', 'The parameter to is not +E.164');
    if (reference !== undefined && (typeof reference !== 'string' || reference.length > 512)) return no('100');
    let fate: string | undefined;
    if (type === 'text') {
      const body = message.text?.body;
      if (typeof body !== 'string' || body.length < 1) return no('100', 'The parameter text[body] is required.');
      if (body.length > 4_096) return no('100', 'Param text[body] must be at most 4096 characters long.');
      if (!windows.has(to)) fate = '131047';
    } else if (type === 'template') {
      const problem = templateProblem(message.template, templates);
      if (problem) return no(problem);
    } else return no('131051', 'Unsupported message type');
    const id = `wamid.HBgLFAKE${String(++count).padStart(8, '0')}`;
    return {
      kind: 'send',
      to,
      ...(fate ? { fate } : {}),
      message: { id, ...(reference ? { reference } : {}) },
      answer: {
        status: 200,
        body: {
          messaging_product: 'whatsapp',
          contacts: [to.startsWith('+') ? { input: to, wa_id: to.slice(1) } : { user_id: to }],
          messages: [{ id, ...(type === 'template' ? { message_status: 'accepted' } : {}) }],
        },
      },
    };
  }

  function callback(message: FakeMessage, status: string, { code, badSignature, at }: CallbackOptions) {
    if (!state.webhookUrl) throw new Error('set webhookUrl first');
    const category = message.request.json().type === 'template' ? 'utility' : 'service';
    const payload = {
      object: 'whatsapp_business_account',
      entry: [
        {
          id: wabaId,
          changes: [
            {
              field: 'messages',
              value: {
                messaging_product: 'whatsapp',
                metadata: { display_phone_number: '15550100000', phone_number_id: phoneNumberId },
                statuses: [
                  {
                    id: message.id,
                    status,
                    timestamp: String(Math.floor((at ?? new Date()).getTime() / 1_000)),
                    ...(message.to.startsWith('+')
                      ? { recipient_id: message.to.slice(1) }
                      : { recipient_user_id: message.to }),
                    ...(message.reference ? { biz_opaque_callback_data: message.reference } : {}),
                    ...(status === 'sent' || status === 'delivered'
                      ? { pricing: { billable: true, pricing_model: 'PMP', type: 'regular', category } }
                      : {}),
                    ...(status === 'failed' ? { errors: [asyncError(code ?? '131026')] } : {}),
                  },
                ],
              },
            },
          ],
        },
      ],
    };
    const body = Buffer.from(escaped(JSON.stringify(payload)));
    const signature = createHmac('sha256', badSignature ? 'another secret' : appSecret)
      .update(body)
      .digest('hex');
    const headers = { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${signature}` };
    return { method: 'POST' as const, url: state.webhookUrl, headers, body };
  }

  const fake = await startFake({
    plan,
    refusal: (code, status, message) => refusal(code, status, message),
    callback,
    auto: ({ fate }) => (options.auto && fate ? ['failed'] : (options.auto ?? [])),
  });
  return {
    ...fake,
    credentials: {
      base_url: `${fake.url}/v24.0`,
      phone_number_id: phoneNumberId,
      access_token: accessToken,
      app_secret: appSecret,
      verify_token: verifyToken,
      waba_id: wabaId,
    },
    get webhookUrl() {
      return state.webhookUrl;
    },
    set webhookUrl(url) {
      state.webhookUrl = url;
    },
    openWindow: (to) => void windows.add(to),
    subscribe: async (token = verifyToken) => {
      const url = new URL(state.webhookUrl ?? '');
      url.searchParams.set('hub.mode', 'subscribe');
      url.searchParams.set('hub.challenge', '1158201444');
      url.searchParams.set('hub.verify_token', token);
      const answer = await fetch(url);
      return { status: answer.status, text: await answer.text() };
    },
  };
}

const yes = (body: unknown): Plan => ({ kind: 'answer', answer: { status: 200, body } });
const no = (code: string, message?: string, more?: object): Plan => ({
  kind: 'answer',
  answer: refusal(code, undefined, message, more),
});

function refusal(code: string, status?: number, message?: string, more: object = {}): Answer {
  const [usual = 400, text = `(#${code}) Refused`] = CODES[code] ?? [];
  const error = {
    message: message ?? text,
    type: 'OAuthException',
    code: code === '429' ? 130429 : Number(code),
    ...more,
    error_data: { messaging_product: 'whatsapp', details: message ?? text },
    fbtrace_id: 'Afake0trace',
  };
  return { status: status ?? usual, body: { error } };
}

const asyncError = (code: string) => ({
  code: Number(code),
  title: `Error ${code}`,
  message: `Error ${code}`,
  error_data: { details: `Message was not delivered (${code}) – désolé` },
  href: 'https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/',
});

/** Everything beyond ASCII goes out as \uXXXX, so a signature over re-serialised JSON fails. */
const escaped = (json: string) =>
  json.replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
