/**
 * One product with every provider beside it: the stage of the end-to-end tests. Nothing in between is replaced; the
 * providers are servers of their own, reached because EGRESS_ALLOW lists them, as an operator would list a private relay.
 */
import type { BreakerTiming } from '../../src/features/notifications/breaker.ts';
import { createContract } from './contract.ts';
import { ADMIN_KEY, type ProductOptions, startProduct, until } from './product.ts';
import type { Json } from './providers/fake.ts';
import { type MetaTemplate, startMeta } from './providers/meta.ts';
import { startSlack } from './providers/slack.ts';
import { startSmtp } from './providers/smtp.ts';
import { startTwilio } from './providers/twilio.ts';

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  /** The bytes as they came. */
  readonly text: string;
  readonly body: Json;
}
export interface Call {
  readonly key?: string | undefined;
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly raw?: string | Buffer<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
}

const ORDER_TEXT = 'Hi {{name}}, order {{order_id}} has shipped.';

/** The template that the fake WhatsApp provider has approved, and ours that is bound to it. */
const APPROVED: MetaTemplate = {
  name: 'order_update',
  language: 'en',
  components: [{ type: 'BODY', text: 'Hi {{1}}, order {{2}} has shipped.' }],
};
export const orderUpdate = {
  template_id: 'order_update',
  content: {
    whatsapp: {
      en: {
        type: 'template',
        template: { name: 'order_update' },
        definition: { components: [{ type: 'BODY', text: ORDER_TEXT }] },
      },
    },
    email: { en: { subject: 'Order {{order_id}}', body: ORDER_TEXT, html: '<p>Hi {{name}}, <b>{{order_id}}</b></p>' } },
  },
};
export const ORDER = { name: 'Ada', order_id: 'A-1042' };

let people = 0;
/** A telephone number nobody else in this process has. */
export const newPhone = (): string => `+1415555${String(1_000 + people++)}`;
export const newEmail = (): string => `person${people++}@people.example`;

/** Pauses of a breaker that a test can wait for. */
export const IMPATIENT: BreakerTiming = { failures: 5, probeMs: [50], deniedMs: [50], random: () => 0 };

export type Scene = Awaited<ReturnType<typeof startScene>>;

export interface SceneOptions extends Pick<ProductOptions, 'timing' | 'env' | 'backend' | 'log'> {
  /** Addresses that may be reached beside the fakes. */
  readonly egress?: readonly string[];
}

export async function startScene({ timing, env = {}, egress = [], backend, log }: SceneOptions = {}) {
  const [meta, twilio, slack, smtp] = await Promise.all([
    startMeta({ templates: [APPROVED] }),
    startTwilio(),
    startSlack(),
    startSmtp(),
  ]);
  const hosts = [meta.url, twilio.url, slack.url].map((url) => new URL(url).host);
  const product = await startProduct({
    timing: { sweepMs: 200, random: () => 0, breaker: IMPATIENT, ...timing },
    env: { EGRESS_ALLOW: [...hosts, `${smtp.host}:${smtp.port}`, ...egress].join(','), ...env },
    ...(backend ? { backend } : {}),
    ...(log ? { log } : {}),
  });
  const contract = createContract(await (await fetch(`${product.url}/api/v1/openapi.json`)).json());

  /** One request, exactly as told; the answer is held to the OpenAPI document. */
  async function call(method: string, target: string, { key, body, raw, headers = {} }: Call = {}): Promise<Reply> {
    const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(product.url + target, {
      method,
      redirect: 'manual',
      headers: {
        ...(key === undefined ? {} : { 'x-api-key': key }),
        ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(payload === undefined ? {} : { body: payload }),
    });
    const text = await response.text();
    const contentType = response.headers.get('content-type');
    const parsed = text !== '' && contentType?.startsWith('application/json') ? JSON.parse(text) : undefined;
    contract.judge({ method, target, status: response.status, contentType, body: parsed });
    return { status: response.status, headers: response.headers, text, body: parsed };
  }

  async function must(status: number, answer: Promise<Reply>): Promise<Json> {
    const reply = await answer;
    if (reply.status !== status) throw new Error(`${reply.status} instead of ${status}: ${reply.text}`);
    return reply.body;
  }

  const { liveKey, testKey } = product;
  const { query } = product.database;
  const scene = {
    product,
    contract,
    meta,
    twilio,
    slack,
    smtp,
    liveKey,
    testKey,
    call,
    must,
    query,
    get: (id: string, key = liveKey): Promise<Json> => must(200, call('GET', `/api/v1/notifications/${id}`, { key })),
    send: (body: object, key = liveKey, headers = {}): Promise<Json> =>
      must(202, call('POST', '/api/v1/notifications/send', { key, body, headers })),
    connect: (channel: string, credentials: object, more: object = {}): Promise<Json> =>
      must(201, call('POST', '/api/v1/connections', { key: liveKey, body: { channel, credentials, ...more } })),
    /** Connections of the tenant for all five channels; Meta is told where its statuses go. */
    async connectAll(): Promise<void> {
      const { callback_url } = await scene.connect('whatsapp', meta.credentials);
      meta.webhookUrl = callback_url;
      await scene.connect('sms', twilio.credentials);
      await scene.connect('voice', twilio.credentials);
      await scene.connect('slack', slack.credentials);
      await scene.connect('email', smtp.credentials);
    },
    template: (body: object, key = liveKey): Promise<Json> =>
      must(201, call('POST', '/api/v1/templates', { key, body })),
    /** Another tenant, with its keys. */
    tenant: (name = 'Another'): Promise<Json> =>
      must(201, call('POST', '/api/admin/tenants', { key: ADMIN_KEY, body: { name } })),
    /** The notification, once `test` holds. */
    when: async (
      id: string,
      what: string,
      test: (notification: Json) => boolean,
      key = liveKey,
      withinMs = 10_000,
    ): Promise<Json> => {
      let last: Json;
      const look = async () => {
        last = await scene.get(id, key);
        return test(last) && last;
      };
      try {
        return await until(look, { what: `that ${id} ${what}`, withinMs });
      } catch (error) {
        throw new Error(`${(error as Error).message}; it was ${JSON.stringify(last)}`);
      }
    },
    status: (id: string, status: string, key = liveKey): Promise<Json> =>
      scene.when(id, `is ${status}`, (notification) => notification.status === status, key),
    /** Lets the waiting time of a planned attempt pass, and a pause that a provider asked for; the plan itself must have been made. */
    async hurry(): Promise<void> {
      await query(
        `update due set run_at = clock_now() where owner is null and run_at > clock_now() and run_at < clock_now() + interval '3 hours'`,
      );
      await query(`update connections set updated_at = clock_now()`);
      await query(`update outbox set next_at = clock_now() where next_at > clock_now()`);
      product.deps.doorbell.ring('due');
      product.deps.doorbell.ring('outbox');
    },
    /** How many rows there are: what a refused request must not change. */
    async rows(): Promise<Json> {
      const [counts] = await query(
        `select (select count(*) from messages) as messages, (select count(*) from due) as due,
           (select count(*) from idempotency) as idempotency, (select count(*) from events) as events`,
      );
      return counts;
    },
    /** Ends everything; throws when an answer differed from the OpenAPI document. */
    async close(): Promise<void> {
      await product.stop();
      await Promise.all([meta.close(), twilio.close(), slack.close(), smtp.close()]);
      if (contract.violations.length > 0)
        throw new Error(
          `answers that the OpenAPI document does not describe:\n${[...new Set(contract.violations)].join('\n')}`,
        );
    },
  };
  return scene;
}

/** The message of one channel in a notification. */
export const on = (notification: Json, channel: string): Json =>
  notification.channels.find((one: Json) => one.channel === channel);
