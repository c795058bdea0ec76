/**
 * A Twilio that stands in for Messages and Calls: Basic auth, form posts, its error objects, signed status posts to the
 * StatusCallback each request names. The magic recipients of the real test credentials work here too.
 */
import { createHmac } from 'node:crypto';
import {
  type Answer,
  type CallbackOptions,
  type Fake,
  type FakeMessage,
  type Plan,
  type Recorded,
  startFake,
} from './fake.ts';

export interface TwilioOptions {
  readonly accountSid?: string;
  readonly authToken?: string;
  /** A sending number, messaging service, short code or name. */
  readonly from?: string;
  /** Files that people have sent, by the end of their address: text stands for their bytes. */
  readonly media?: Readonly<Record<string, { readonly mime: string; readonly text: string }>>;
  /** Statuses posted by themselves after each accepted message or call. */
  readonly auto?: { readonly messages: readonly string[]; readonly calls: readonly string[] };
}

export interface TwilioFake extends Fake {
  /** For a connection to this fake. */
  readonly credentials: Readonly<Record<string, string>>;
}

const CODES: Readonly<Record<string, readonly [status: number, message: string]>> = {
  20003: [401, 'Authenticate'],
  20404: [404, 'The requested resource was not found'],
  429: [429, 'Too Many Requests'],
  21201: [400, "No 'To' number is specified"],
  21205: [400, 'Url parameter is required.'],
  21211: [400, "The 'To' number is not a valid phone number."],
  21212: [400, "The 'From' number is not a valid phone number."],
  21408: [400, 'Permission to send an SMS has not been enabled for the region'],
  21602: [400, 'Message body is required.'],
  21603: [400, "A 'From' phone number is required."],
  21606: [400, "The 'From' phone number is not a valid message-capable number."],
  21610: [400, 'Attempt to send to unsubscribed recipient'],
  21612: [400, "The 'To' phone number is not currently reachable"],
  21614: [400, "'To' number is not a valid mobile number"],
  21617: [400, 'The concatenated message body exceeds the 1600 character limit.'],
  12100: [400, 'Document parse failure'],
};
const MAGIC: Readonly<Record<string, string>> = {
  '+15005550001': '21211',
  '+15005550002': '21612',
  '+15005550003': '21408',
  '+15005550004': '21610',
  '+15005550009': '21614',
};
const EVENTS = ['initiated', 'ringing', 'answered', 'completed'];
/** Which event a call's status belongs to; the last one is every way a call can end. */
const EVENT_OF: Readonly<Record<string, string>> = {
  initiated: 'initiated',
  ringing: 'ringing',
  'in-progress': 'answered',
};

export async function startTwilio(options: TwilioOptions = {}): Promise<TwilioFake> {
  const {
    accountSid = 'AC0000000000000000000000000000fa4e',
    authToken = 'fake-auth-token-3333',
    from = '+15005550006',
    media = {},
  } = options;
  let count = 0;
  const sid = (prefix: string) => `${prefix}${String(++count).padStart(32, '0')}`;
  const authorization = `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`;

  function plan(request: Recorded): Plan {
    const file = request.method === 'GET' ? media[request.path.split('/').at(-1) ?? ''] : undefined;
    // A file lies elsewhere, where the password must not go.
    if (file && request.path.startsWith('/cdn/'))
      return request.headers.authorization
        ? no('20003')
        : { kind: 'answer', answer: { status: 200, headers: { 'content-type': file.mime }, body: file.text } };
    if (request.headers.authorization !== authorization) return no('20003');
    if (file) {
      const location = `http://${request.headers.host}/cdn/${request.path.split('/').at(-1)}`;
      return { kind: 'answer', answer: { status: 307, headers: { location }, body: '' } };
    }
    const base = `/2010-04-01/Accounts/${accountSid}`;
    if (request.method === 'GET' && request.path === `${base}.json`)
      return {
        kind: 'answer',
        answer: { status: 200, body: { sid: accountSid, friendly_name: 'Acme', status: 'active' } },
      };
    if (request.method !== 'POST') return no('20404');
    const form = request.form();
    const [to = '', sender = form.MessagingServiceSid?.[0]] = [form.To?.[0], form.From?.[0]];
    if (request.path !== `${base}/Messages.json` && request.path !== `${base}/Calls.json`) return no('20404');
    if (!to) return no('21201');
    if (!/^\+[1-9]\d{6,14}$/.test(to)) return no('21211');
    if (!sender) return no('21603');
    if (sender !== from) return no('21606');
    const magic = MAGIC[to];
    if (magic) return no(magic);
    return request.path.endsWith('Messages.json') ? message(to, form) : call(to, form);
  }

  function message(to: string, form: Form): Plan {
    const body = form.Body?.[0];
    if (!body) return no('21602');
    if (body.length > 1_600) return no('21617');
    const id = sid('SM');
    const fields = {
      sid: id,
      account_sid: accountSid,
      status: 'queued',
      to,
      from,
      body,
      num_segments: '1',
      num_media: '0',
    };
    return taken(id, to, form, {
      ...fields,
      price: null,
      error_code: null,
      error_message: null,
      direction: 'outbound-api',
    });
  }

  function call(to: string, form: Form): Plan {
    const twiml = form.Twiml?.[0];
    if (!twiml) return no('21205');
    if (twiml.length > 4_000 || !/^<\?xml [^>]*\?><Response><Say[^<>]*>[^<>]*<\/Say><\/Response>$/.test(twiml))
      return no('12100');
    const unknown = (form.StatusCallbackEvent ?? []).find((event) => !EVENTS.includes(event));
    if (unknown) return no('20404', `unknown event ${unknown}`);
    const id = sid('CA');
    return taken(id, to, form, {
      sid: id,
      status: 'queued',
      to,
      from,
      direction: 'outbound-api',
      duration: null,
      price: null,
    });
  }

  function callback({ id, to, callbackUrl, request }: FakeMessage, status: string, options: CallbackOptions) {
    if (!callbackUrl) throw new Error(`${id} named no StatusCallback`);
    const voice = id.startsWith('CA');
    const events = request.form().StatusCallbackEvent ?? ['completed'];
    if (voice && !events.includes(EVENT_OF[status] ?? 'completed')) throw new Error(`nobody asked for ${status}`);
    const common = { AccountSid: accountSid, From: from, To: to, ApiVersion: '2010-04-01' };
    const code = options.code;
    const fields: Record<string, string> = voice
      ? {
          ...common,
          CallSid: id,
          CallStatus: status,
          Direction: 'outbound-api',
          CallbackSource: 'call-progress-events',
          SequenceNumber: String(EVENT_OF[status] ? EVENTS.indexOf(EVENT_OF[status]) : 3),
          Timestamp: (options.at ?? new Date()).toUTCString(),
          ...(status === 'completed' ? { CallDuration: '7' } : {}),
          ...(status === 'failed' && code ? { SipResponseCode: code } : {}),
        }
      : {
          ...common,
          MessageSid: id,
          SmsSid: id,
          MessageStatus: status,
          SmsStatus: status,
          ...(code && (status === 'failed' || status === 'undelivered') ? { ErrorCode: code } : {}),
        };
    const signed = Object.keys(fields).sort();
    const text = callbackUrl + signed.map((name) => name + fields[name]).join('');
    const key = options.badSignature ? 'another token' : authToken;
    return {
      method: 'POST' as const,
      url: callbackUrl,
      headers: {
        'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
        'x-twilio-signature': createHmac('sha1', key).update(text).digest('base64'),
      },
      body: Buffer.from(new URLSearchParams(fields).toString()),
    };
  }

  const fake = await startFake({
    plan,
    refusal,
    callback,
    auto: (message) => auto(message, options.auto),
  });
  return { ...fake, credentials: { base_url: fake.url, account_sid: accountSid, auth_token: authToken, from } };
}

/** What posts itself. A call's fate may be a status (`busy`) or a SIP code; a message's is an error code. */
function auto({ id, fate }: FakeMessage, chosen: TwilioOptions['auto']): readonly string[] {
  if (!chosen) return [];
  if (id.startsWith('SM')) return fate ? ['sent', 'undelivered'] : chosen.messages;
  if (!fate) return chosen.calls;
  return ['initiated', /^\d+$/.test(fate) ? 'failed' : fate];
}

type Form = ReturnType<Recorded['form']>;

function taken(id: string, to: string, form: Form, body: object): Plan {
  const callbackUrl = form.StatusCallback?.[0];
  return { kind: 'send', to, message: { id, ...(callbackUrl ? { callbackUrl } : {}) }, answer: { status: 201, body } };
}

const no = (code: string, message?: string): Plan => ({ kind: 'answer', answer: refusal(code, undefined, message) });

function refusal(code: string, status?: number, message?: string): Answer {
  const [usual = 400, text = 'Refused'] = CODES[code] ?? [];
  const number = code === '429' ? 20429 : Number(code);
  const answered = status ?? usual;
  return {
    status: answered,
    body: {
      code: number,
      message: message ?? text,
      more_info: `https://www.twilio.com/docs/errors/${number}`,
      status: answered,
    },
  };
}
