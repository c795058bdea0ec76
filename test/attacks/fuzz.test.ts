/**
 * Bodies, queries and paths that the schemas of the routes allow, or very nearly allow: whatever comes, the answer is one
 * that the OpenAPI document describes, it is never our fault, and the process goes on. A failure prints its seed;
 * FUZZ_SEED repeats it, FUZZ_RUNS asks for more.
 */
import fc, { type Arbitrary } from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Route } from '../../src/lib/http.ts';
import { toWire } from '../../src/lib/ids.ts';
import { ADMIN_KEY } from '../support/product.ts';
import { allRoutes } from '../support/routes.ts';
import type { Reply } from '../support/scene.ts';
import { allowed, type Hints, nearly } from './arbitrary.ts';
import { nameOf, namesIn } from './doors.ts';
import { INJECTIONS, written } from './payloads.ts';
import { type Citizen, startTown, type Town } from './town.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 30);
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() & 0x7fffffff);
const routes = allRoutes();

let town: Town;
let owner: Citizen;
/** Names of the inputs of every form there is. */
let inputs: readonly string[] = [];

beforeAll(async () => {
  console.info(`fuzz: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}`);
  town = await startTown();
  owner = await town.settle('wren');
  const names = new Set<string>();
  for (const { path, method, auth } of routes) {
    if (method !== 'GET' || auth !== 'session') continue;
    const page = await town.scene.call('GET', pathOf(path, {}), {
      headers: { cookie: `carillon_session=${owner.sessions.test}` },
    });
    for (const [, name = ''] of page.text.matchAll(/ name="([^"]+)"/g)) names.add(name);
  }
  inputs = [...names].filter((name) => name !== 'csrf');
  expect(inputs.length).toBeGreaterThan(20);
}, 120_000);
afterAll(async () => {
  await town?.close();
});

/** Values that get past the first look, by the name of the property that takes them. */
const hints = (): Hints => ({
  template_id: [owner.ids.test.template_id, 'otp_code', 'welcome'],
  channel: ['sms', 'email', 'slack', 'voice', 'whatsapp'],
  channels: ['sms', 'email', 'slack', 'voice', 'whatsapp'],
  adapter: ['twilio', 'smtp', 'slack'],
  phone: ['+14155550123', '+15005550001'],
  email: ['a@people.example', 'bounced@sandbox.test'],
  recipient: [{ email: 'a@people.example' }, { phone: '+14155550123', email: 'b@people.example' }],
  language: ['en', 'de-AT'],
  body: ['Hello', 'Hello {{name}}', '{{#if a}}b{{/if}}'],
  subject: ['Hi', 'Hi {{name}}'],
  cursor: [owner.ids.test.notification_id, owner.ids.test.key_id],
  data: [{ name: 'x' }, {}],
  notification: [
    { channels: ['email'], subject: 'Hi', body: 'Hello' },
    { channels: ['email'], template_id: owner.ids.test.template_id, data: { name: 'x' } },
  ],
  recipients: [[{ email: 'a@people.example', data: { name: 'x' } }]],
  content: [{ sms: { en: { body: 'Hello {{name}}' } } }],
  version: [1, 2],
  url: ['https://hooks.example/carillon'],
  event_types: [['message.delivered'], null],
  endpoint_id: [owner.ids.test.endpoint_id],
  credentials: [town.scene.smtp.credentials],
});

const pathOf = (path: string, strange: Readonly<Record<string, string>>): string =>
  path.replace(/:(\w+)/g, (_, name: string) => strange[name] ?? encodeURIComponent(owner.ids.test[name] ?? 'x'));

/** As it is put into an address: as text, or as bytes that are none. */
const inAddress = fc
  .oneof(
    fc.constantFrom(...INJECTIONS).map((text) => encodeURIComponent(text.toWellFormed())),
    fc.constantFrom('%00', '%ED%A0%80', '%', '%zz', '%2e%2e%2f', '%FF', ';', '%2F'),
    fc.string({ maxLength: 30 }).map((text) => encodeURIComponent(text.toWellFormed())),
    // A client takes a path of dots for a way up before it asks.
  )
  .filter((text) => !/^\.*$/.test(text));
const strangeParams = (path: string): Arbitrary<Record<string, string>> => {
  const names = namesIn(path);
  if (names.length === 0) return fc.constant({});
  return fc.oneof(
    fc.constant({}),
    fc.record(Object.fromEntries(names.map((name) => [name, inAddress])), { requiredKeys: [] }) as Arbitrary<
      Record<string, string>
    >,
  );
};
const queryOf = ({ query }: Route): Arbitrary<string> => {
  const names = Object.keys(query?.properties ?? {});
  const one = fc.tuple(
    names.length > 0 ? fc.oneof(fc.constantFrom(...names), inAddress) : inAddress,
    fc.oneof(
      inAddress,
      fc.constantFrom('1', '100', '0', '-1', '1e9', 'sms', '2026-01-01', '2026-01-01T00:00:00Z', 'csv'),
    ),
  );
  const right = query ? allowed(query, hints()) : fc.constant({});
  return fc.oneof(
    fc.constant(''),
    right.map((value) => {
      const pairs = Object.entries(value as object).map(([key, item]): [string, string] => [
        key,
        String(item).toWellFormed(),
      ]);
      return `?${new URLSearchParams(pairs)}`;
    }),
    fc.array(one, { minLength: 1, maxLength: 4 }).map((pairs) => `?${pairs.map((pair) => pair.join('=')).join('&')}`),
  );
};
const bodyOf = ({ body }: Route): Arbitrary<string | undefined> => {
  if (!body) return fc.constantFrom(undefined, undefined, '{}', '{');
  const right = allowed(body, hints());
  return fc.oneof(
    { weight: 3, arbitrary: right.map(written) },
    { weight: 4, arbitrary: nearly(right).map(written) },
    { weight: 2, arbitrary: nearly(nearly(right)).map(written) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('', '{', '[]', 'null', '"x"', '{"a":1,}', '\ufeff{}', '{"a":1}{"b":2}', '1e999'),
    },
  );
};

/** Violations that some answer was blamed for already. */
let known = 0;
const judged = (asked: readonly unknown[], { status, text, headers }: Reply): void => {
  const what = `${JSON.stringify(asked).slice(0, 1_500)} → ${status} ${text.slice(0, 600)}`;
  expect(status < 500, what).toBe(true);
  expect(text, what).not.toMatch(/\bat .{1,200}\.(ts|js):\d+|pg_catalog|syntax error at|violates .* constraint|ECONN/);
  if (status >= 400 && headers.get('content-type')?.startsWith('application/json'))
    expect(JSON.parse(text).error.request_id, what).toMatch(/^req_/);
  const { violations } = town.scene.contract;
  const found = violations.slice(known);
  known = violations.length;
  expect(found, what).toEqual([]);
};

/** Lives on, and answers others. */
const alive = async () => {
  expect((await town.scene.call('GET', '/health/ready')).status).toBe(200);
};
const check = async (name: string, runs: number, property: fc.IAsyncProperty<any>): Promise<void> => {
  const seed = SEED ^ [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, 7);
  try {
    await fc.assert(property, { numRuns: runs, seed, endOnFailure: true });
  } catch (error) {
    const { cause, message } = error as Error;
    throw new Error(`FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}: ${cause instanceof Error ? cause.message : message}`);
  }
  await alive();
};

/** What takes things away comes last, so that the others find them. */
const api = routes
  .filter(({ surface = 'api' }) => surface === 'api')
  .sort((a, b) => Number(a.method === 'DELETE') - Number(b.method === 'DELETE'));

describe('the API', () => {
  /** How often a route did what it was asked. */
  const taken = new Map<string, number>();
  it.each(api.map((route) => [nameOf(route), route] as const))(
    '%s',
    async (name, route) => {
      const property = fc.asyncProperty(
        strangeParams(route.path),
        queryOf(route),
        bodyOf(route),
        fc.boolean(),
        async (params, query, raw, live) => {
          // What test keys send goes nowhere; live keys may only look and arrange.
          const mode = live && !/\/notifications|\/test$/.test(route.path) ? 'live' : 'test';
          const reply = await town.scene.call(route.method, pathOf(route.path, params) + query, {
            key: route.auth === 'admin' ? ADMIN_KEY : owner.keys[mode],
            ...(raw === undefined || route.method === 'GET' ? {} : { raw }),
          });
          if (reply.status < 300) taken.set(name, (taken.get(name) ?? 0) + 1);
          judged([route.method, pathOf(route.path, params) + query, raw, mode], reply);
        },
      );
      await check(name, RUNS, property);
    },
    120_000,
  );

  it('much of what was asked was taken: these were no mere knocks at shut doors', () => {
    const never = api.map(nameOf).filter((name) => !taken.has(name));
    // Which of them it is depends on the seed; that it is most of them does not.
    expect(api.length - never.length, `never: ${never.join(', ')}`).toBeGreaterThan(api.length / 2);
  });

  it('a streamed bulk of lines and cells', async () => {
    const cell = fc.oneof(
      fc.constantFrom(...INJECTIONS),
      fc.string({ maxLength: 20 }),
      fc.constantFrom('"', '""', '"a', 'a"b', ',', '\n', '\r'),
    );
    const csv = fc
      .array(fc.array(cell, { maxLength: 6 }), { maxLength: 6 })
      .map((rows) => `email,name\n${rows.map((row) => row.join(',')).join('\n')}`);
    const line = nearly(fc.constant({ email: 'a@people.example', data: { name: 'x' } })).map(written);
    const ndjson = fc
      .array(line, { maxLength: 6 })
      .map((lines) => `{"channels":["email"],"template_id":"${owner.ids.test.template_id}"}\n${lines.join('\n')}`);
    const property = fc.asyncProperty(
      fc.oneof(
        csv.map((raw) => ['text/csv', raw]),
        ndjson.map((raw) => ['application/x-ndjson', raw]),
      ),
      async ([type = '', raw = '']) => {
        const query = type === 'text/csv' ? `?channels=email&template_id=${owner.ids.test.template_id}` : '';
        const reply = await town.scene.call('POST', `/api/v1/notifications/bulk${query}`, {
          key: owner.keys.test,
          raw,
          headers: { 'content-type': type },
        });
        judged([type, raw], reply);
      },
    );
    await check('stream', RUNS * 2, property);
  }, 120_000);

  it('a text to be searched for is a text: what would be a wildcard or a quote finds no more than a name nobody has', async () => {
    const look = (query: string) => town.scene.call('GET', query, { key: owner.keys.test });
    for (const [path, name] of [
      ['/api/v1/notifications', 'recipient'],
      ['/api/v1/notifications', 'template_id'],
      ['/api/v1/notifications', 'channel'],
      ['/api/v1/sandbox/outbox', 'recipient'],
      ['/api/v1/sandbox/outbox', 'channel'],
    ] as const)
      for (const text of INJECTIONS.filter((one) => one.trim() !== '')) {
        const { status, body } = await look(`${path}?${name}=${encodeURIComponent(text.toWellFormed())}`);
        // What is no such text at all is refused; nothing else is found.
        expect([name, text, status === 422 ? [] : body.data]).toEqual([name, text, []]);
      }
  });
});

describe('the doors of providers', () => {
  it('take any bytes without a signature for what they are: nothing', async () => {
    const all = await town.scene.query<{ id: string; adapter: string }>('select id, adapter from connections');
    const property = fc.asyncProperty(
      fc.constantFrom(...all),
      fc.constantFrom('GET', 'POST'),
      fc.oneof(
        fc.string(),
        fc.jsonValue().map((value) => JSON.stringify(value)),
        fc.constantFrom(...INJECTIONS),
      ),
      fc.dictionary(
        fc.constantFrom(
          'x-hub-signature-256',
          'x-twilio-signature',
          'x-slack-signature',
          'x-slack-request-timestamp',
          'x-carillon-signature',
          'content-type',
        ),
        fc
          .oneof(fc.string({ maxLength: 30 }), fc.constantFrom('sha256=', 'v0=', 'sha256=zz', '0', '-1', '1e400'))
          .map((text) => text.replace(/[^\x20-\x7e]/g, '').trim()),
      ),
      inAddress,
      async ({ id, adapter }, method, raw, headers, more) => {
        const path = `/hooks/${adapter}/${toWire('connection', id)}?hub.mode=subscribe&hub.verify_token=${more}&hub.challenge=${more}&ref=${more}`;
        const reply = await town.scene.call(method, path, {
          ...(method === 'POST' ? { raw: raw.toWellFormed() } : {}),
          headers,
        });
        expect([401, 404, 414, 415].includes(reply.status), `${path} ${reply.status}`).toBe(true);
        judged([method, path, raw, headers], reply);
      },
    );
    await check('hooks', RUNS * 5, property);
    expect(await town.scene.query('select 1 from inbound_requests where method = $1', ['GET'])).toEqual([]);
  }, 60_000);
});

describe('the portal', () => {
  /** These stretch a password, a third of a second each. */
  const SLOW = /^POST \/portal\/(login|signup|reset|settings\/password)$/;
  /** These end the session that the others need. */
  const ENDING = /^POST \/portal\/(logout|settings\/(sign-out|password))$/;
  const pages = routes.filter(({ surface, path }) => surface === 'page' && !path.includes('/assets/'));

  it.each(pages.map((route) => [nameOf(route), route] as const))(
    '%s',
    async (name, route) => {
      const token = ENDING.test(name)
        ? await town.scene.product.deps.tenants.redeem(await town.scene.product.deps.tenants.signInLink(owner.userId))
        : owner.sessions.test;
      const value = fc.oneof(
        fc.constantFrom(...INJECTIONS),
        fc.constantFrom(
          'email',
          'sms',
          'en',
          '1',
          '50',
          'failed',
          'a@people.example',
          owner.ids.test.template_id ?? '',
          '{"name":"x"}',
          '{',
          '2026-12-01',
          '09:00',
          'Europe/Berlin',
        ),
        fc.string({ maxLength: 30 }),
      );
      const form = fc.array(
        fc.tuple(
          fc.oneof(
            { weight: 9, arbitrary: fc.constantFrom(...inputs) },
            { weight: 1, arbitrary: fc.constantFrom(...INJECTIONS) },
          ),
          value,
        ),
        { maxLength: 12 },
      );
      const property = fc.asyncProperty(
        strangeParams(route.path),
        queryOf(route),
        form,
        async (params, query, fields) => {
          const target = pathOf(route.path, params) + query;
          const csrf = town.scene.product.deps.tenants.csrfToken(token);
          const raw = new URLSearchParams([
            ...fields.map(([key, text]): [string, string] => [key.toWellFormed(), text.toWellFormed()]),
            ['csrf', csrf],
          ]).toString();
          const reply = await town.scene.call(route.method, target, {
            ...(route.method === 'POST' ? { raw } : {}),
            headers: {
              cookie: `carillon_session=${token}`,
              origin: town.scene.product.url,
              accept: 'text/html',
              'content-type': 'application/x-www-form-urlencoded',
              'x-forwarded-for': `198.18.0.${Math.floor(Math.random() * 250)}`,
            },
          });
          judged([route.method, target, fields], reply);
        },
      );
      await check(name, SLOW.test(name) ? Math.min(RUNS, 3) : Math.max(8, RUNS >> 1), property);
    },
    120_000,
  );
});

it('nothing was said of a fault of ours, in all that was logged', () => {
  const faults = town
    .log()
    .split('\n')
    .filter((line) => /"level":(50|60)/.test(line));
  expect(faults).toEqual([]);
});
