/** Templates through HTTP on a real PostgreSQL, and the door the pipeline uses. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { channels } from '../../channels/index.ts';
import { createRegistry } from '../../src/channel-kit/index.ts';
import { createAudit } from '../../src/features/audit/index.ts';
import { createTemplates, RenderError, type Templates, templateRoutes } from '../../src/features/templates/index.ts';
import { ApiError } from '../../src/lib/errors.ts';
import type { Principal, Scope } from '../../src/lib/http.ts';
import { newId } from '../../src/lib/ids.ts';
import { createLog } from '../../src/lib/log.ts';
import { validator } from '../../src/lib/schema.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type Answer, serve, type TestHttp } from '../support/server.ts';

const BASE = '/api/v1/templates';
const registry = createRegistry(channels);
const log = createLog('silent');
const keys = new Map<string, Principal>();
const audited: { action: string; target: unknown }[] = [];

let database: TestDatabase;
let templates: Templates;
/** The same product in another process. */
let elsewhere: Templates;
let http: TestHttp;
let nowMs = Date.now();
const clock = { now: () => new Date(nowMs) };
let tenantId: string;
let key: string;

async function newTenant(): Promise<string> {
  const id = newId();
  await database.query(`insert into tenants (id, name) values ($1, 'Acme')`, [id]);
  return id;
}

function newKey(tenant: string, scopes: readonly Scope[] = ['read', 'manage']): string {
  const name = `key-${newId()}`;
  keys.set(name, { tenantId: tenant, mode: 'sandbox', scopes, actor: { kind: 'key', id: 'key_TEST' } });
  return name;
}

beforeAll(async () => {
  database = await createTestDatabase();
  const deps = { db: database.db, registry, clock, log, audit: createAudit({ db: database.db, clock }) };
  templates = createTemplates(deps);
  elsewhere = createTemplates(deps);
  const refuse = () => Promise.reject(new ApiError('unauthorized'));
  http = await serve(templateRoutes(templates), {
    authenticate: {
      key: async ({ headers }) => keys.get(headers['x-api-key'] ?? '') ?? refuse(),
      session: refuse,
      admin: refuse,
      open: refuse,
    },
    audit: async (action, { params }) => void audited.push({ action, target: params }),
  });
});
afterAll(async () => {
  await http.close();
  await database.close();
});
beforeEach(async () => {
  tenantId = await newTenant();
  key = newKey(tenantId);
});

/** Every answer must be what its route promises. */
async function call(method: string, path: string, body?: unknown, as = key): Promise<Answer> {
  const answer = await http.call(method, path, { key: as, ...(body === undefined ? {} : { body }) });
  const asked = new URL(http.url + path).pathname;
  const route = templateRoutes(templates).find(
    (one) => one.method === method && new RegExp(`^${one.path.replace(/:\w+/g, '[^/]+')}$`).test(asked),
  );
  const schema = route?.replies[answer.status]?.schema;
  if (schema) expect(validator(schema).faults(answer.body)).toEqual([]);
  return answer;
}

const greeting = (body = 'Hi {{name}}', changes: object = {}) => ({
  template_id: 'greeting',
  content: { sms: { en: { body } } },
  ...changes,
});
const change = ({ template_id: _, ...rest }: ReturnType<typeof greeting>) => rest;

describe('a template over HTTP', () => {
  test('is created, read, listed, changed, and archived', async () => {
    const created = await call(
      'POST',
      BASE,
      greeting('Hi {{name}}{{#if order_id}}, {{order_id}}{{/if}}', { name: 'Greeting' }),
    );
    expect(created).toMatchObject({
      status: 201,
      body: {
        object: 'template',
        template_id: 'greeting',
        name: 'Greeting',
        category: 'transactional',
        version: 1,
        latest_version: 1,
        channels: { sms: ['en'] },
        variables: {},
        inferred_variables: [
          { name: 'name', required: true, kind: 'text', channels: ['sms'] },
          { name: 'order_id', required: false, kind: 'text', channels: ['sms'] },
        ],
      },
    });
    expect((await call('GET', `${BASE}/greeting`)).body).toEqual(created.body);

    const changed = await call('PUT', `${BASE}/greeting`, { ...change(greeting('Hello {{name}}')), category: 'otp' });
    expect(changed).toMatchObject({
      status: 200,
      body: { version: 2, latest_version: 2, name: 'Greeting', category: 'otp' },
    });
    expect((await call('GET', BASE)).body).toMatchObject({
      data: [{ template_id: 'greeting', version: 2 }],
      has_more: false,
    });

    expect((await call('DELETE', `${BASE}/greeting`)).status).toBe(204);
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['GET', '/versions'],
      ['GET', '/versions/1'],
    ] as const)
      expect((await call(method, `${BASE}/greeting${path}`)).status).toBe(404);
    expect((await call('GET', BASE)).body.data).toEqual([]);
  });

  test('every write is audited, no read is', async () => {
    audited.length = 0;
    await call('POST', BASE, greeting());
    await call('PUT', `${BASE}/greeting`, change(greeting('Hello')));
    await call('POST', `${BASE}/greeting/versions/1/activate`);
    await call('GET', `${BASE}/greeting`);
    await call('POST', `${BASE}/greeting/preview`, {});
    await call('DELETE', `${BASE}/greeting`);
    await call('POST', BASE, { nonsense: true });
    expect(audited.map(({ action }) => action)).toEqual([
      'template.created',
      'template.updated',
      'template.activated',
      'template.archived',
    ]);
  });

  test('a name is taken once per tenant, also by two at the same time, and free again after the archive', async () => {
    const both = await Promise.all([call('POST', BASE, greeting()), call('POST', BASE, greeting())]);
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);
    expect(both.find(({ status }) => status === 409)?.body.error).toMatchObject({
      code: 'conflict',
      param: 'template_id',
    });
    expect((await call('POST', BASE, greeting(), newKey(await newTenant()))).status).toBe(201);
    await call('DELETE', `${BASE}/greeting`);
    expect((await call('POST', BASE, greeting('Back'))).body).toMatchObject({ version: 2, latest_version: 2 });
  });

  test('what was written comes back as written, and can be put back', async () => {
    const content = {
      whatsapp: {
        en_US: {
          type: 'template',
          template: { name: 'order_update' },
          definition: {
            variables: ['name', 'order_id'],
            components: [{ type: 'BODY', text: 'Hi {{1}}, order {{2}} is here.' }],
          },
        },
      },
    };
    const { body } = await call('POST', BASE, { template_id: 'wa', content });
    expect(body.content).toEqual(content);
    expect(body.inferred_variables.map(({ name }: { name: string }) => name)).toEqual(['name', 'order_id']);
    const { variables, content: again } = body;
    expect((await call('PUT', `${BASE}/wa`, { variables, content: again })).body.latest_version).toBe(1);
    const version = await templates.resolve(tenantId, 'wa');
    const rendered =
      version && templates.render(version, { channel: 'whatsapp', language: 'en_US' }, { name: 'Ada', order_id: 7 });
    expect(rendered?.template).toMatchObject({
      language: { code: 'en_US' },
      components: [
        {
          type: 'body',
          parameters: [
            { type: 'text', text: 'Ada' },
            { type: 'text', text: '7' },
          ],
        },
      ],
    });
  });

  test('lists go page by page, newest first', async () => {
    for (const name of ['a', 'b', 'c']) await call('POST', BASE, { ...greeting(), template_id: name });
    const first = await call('GET', `${BASE}?limit=2`);
    expect(first.body.data.map((one: { template_id: string }) => one.template_id)).toEqual(['c', 'b']);
    const second = await call('GET', `${BASE}?limit=2&cursor=${first.body.next_cursor}`);
    expect(second.body).toMatchObject({ data: [{ template_id: 'a' }], has_more: false, next_cursor: null });
    for (const query of ['limit=0', 'limit=101', 'limit=1e9', 'cursor=nonsense', 'sort=name', "cursor='--"])
      expect((await call('GET', `${BASE}?${query}`)).status).toBe(422);
  });
});

describe('versions', () => {
  test('are numbered without gaps, and the same content makes none', async () => {
    await call('POST', BASE, greeting());
    await Promise.all([1, 2, 3, 4].map((n) => call('PUT', `${BASE}/greeting`, change(greeting(`Hi ${n} {{name}}`)))));
    const { data } = (await call('GET', `${BASE}/greeting/versions`)).body;
    expect(data.map(({ number }: { number: number }) => number)).toEqual([5, 4, 3, 2, 1]);
    expect(data.filter(({ status }: { status: string }) => status === 'active')).toHaveLength(1);
    const now = (await call('GET', `${BASE}/greeting`)).body;
    await call('PUT', `${BASE}/greeting`, { content: now.content, name: 'Renamed' });
    expect((await call('GET', `${BASE}/greeting`)).body).toMatchObject({ latest_version: 5, name: 'Renamed' });
    const page = (await call('GET', `${BASE}/greeting/versions?limit=2`)).body;
    expect(page).toMatchObject({ has_more: true, next_cursor: '4' });
    expect((await call('GET', `${BASE}/greeting/versions?limit=3&cursor=4`)).body.data).toHaveLength(3);
    expect((await call('GET', `${BASE}/greeting/versions?cursor=x`)).status).toBe(422);
  });

  test('a draft waits until it is activated; one call rolls back', async () => {
    await call('POST', BASE, greeting('one'));
    expect((await call('PUT', `${BASE}/greeting`, { ...change(greeting('two')), draft: true })).body).toMatchObject({
      version: 1,
      latest_version: 2,
      content: { sms: { en: { body: 'one' } } },
    });
    expect((await call('GET', `${BASE}/greeting/versions/2`)).body).toMatchObject({
      number: 2,
      status: 'draft',
      created_by: 'key:key_TEST',
      content: { sms: { en: { body: 'two' } } },
    });
    expect((await call('POST', `${BASE}/greeting/versions/2/activate`)).body).toMatchObject({
      version: 2,
      content: { sms: { en: { body: 'two' } } },
    });
    expect((await call('POST', `${BASE}/greeting/versions/1/activate`)).body).toMatchObject({
      version: 1,
      latest_version: 2,
    });
    const states = (await call('GET', `${BASE}/greeting/versions`)).body.data;
    expect(states.map(({ status }: { status: string }) => status)).toEqual(['archived', 'active']);
    expect((await call('PUT', `${BASE}/greeting`, change(greeting('two')))).body).toMatchObject({
      version: 2,
      latest_version: 2,
    });
    for (const number of ['3', '0', 'x', '99999999999', '-1'])
      expect((await call('POST', `${BASE}/greeting/versions/${number}/activate`)).status).toBe(404);
  });

  test('a template of drafts alone cannot be sent yet', async () => {
    expect((await call('POST', BASE, greeting('Hi', { draft: true }))).body).toMatchObject({
      version: null,
      latest_version: 1,
    });
    expect(await templates.resolve(tenantId, 'greeting')).toBeUndefined();
    expect((await call('GET', BASE)).body.data).toMatchObject([{ version: null, channels: { sms: ['en'] } }]);
    await call('POST', `${BASE}/greeting/versions/1/activate`);
    expect(await templates.resolve(tenantId, 'greeting')).toMatchObject({ number: 1 });
  });
});

describe('what cannot be saved', () => {
  const email = (changes: object) => ({ email: { en: { subject: 'S', body: 'B', ...changes } } });
  test.each<[string, object, string, RegExp]>([
    ['an unknown channel', { fax: { en: { body: 'x' } } }, 'content.fax', /not a channel; there are whatsapp/],
    ['no language', { sms: {} }, 'content.sms', /no language/],
    [
      'a strange language',
      { sms: { 'English please': { body: 'x' } } },
      'content.sms.English please',
      /not a language/,
    ],
    ['an unknown field', { sms: { en: { body: 'x', subject: 'y' } } }, 'content.sms.en.subject', /not a field/],
    ['a missing field', { sms: { en: {} } }, 'content.sms.en.body', /required/],
    ['a field of the wrong kind', { sms: { en: { body: 1 } } }, 'content.sms.en.body', /string/],
    [
      'a text that is too long without its variables',
      { sms: { en: { body: `${'x'.repeat(1_601)}{{name}}` } } },
      'content.sms.en.body',
      /1600/,
    ],
    ['a subject of two lines', email({ subject: 'a\n{{b}}' }), 'content.email.en.subject', /form/],
    ['a broken tag', email({ subject: 'Hi {{name' }), 'content.email.en.subject', /broken or not closed/],
    ['an unescaped value in HTML', email({ html: '<p>{{{x}}}</p>' }), 'content.email.en.html', /always escaped/],
    [
      'a broken definition',
      {
        whatsapp: {
          en: {
            type: 'template',
            template: { name: 'x' },
            definition: { components: [{ type: 'FOOTER', text: 'x' }] },
          },
        },
      },
      'content.whatsapp.en.definition.components',
      /needs a BODY/,
    ],
    ['a date style that is none', { sms: { en: { body: '{{date at "huge"}}' } } }, 'content.sms.en', /style/],
    [
      'one name, two kinds, over two channels',
      { sms: { en: { body: '{{items}}' } }, voice: { en: { body: '{{#each items}}{{this}}{{/each}}' } } },
      'content.voice.en.body',
      /used as a list here and as a text elsewhere/,
    ],
  ])('%s', async (_, content, path, message) => {
    const answer = await call('POST', BASE, { template_id: 'bad', content });
    expect(answer).toMatchObject({
      status: 422,
      body: {
        error: { code: 'template_invalid', details: { fields: [{ path, message: expect.stringMatching(message) }] } },
      },
    });
    expect(await database.query('select from templates where tenant_id = $1', [tenantId])).toEqual([]);
  });

  test('faults of every content come at once', async () => {
    const { body } = await call('POST', BASE, {
      template_id: 'bad',
      content: { sms: { en: { body: '{{' }, de: {} } },
      variables: { 'a b': {} },
    });
    expect(body.error.details.fields.map(({ path }: { path: string }) => path)).toEqual([
      'variables.a b',
      'content.sms.en.body',
      'content.sms.de.body',
    ]);
  });

  test('what would cost too much has its own code', async () => {
    const body = '{{#each a}}{{#each b}}{{#each c}}x{{/each}}{{/each}}{{/each}}';
    expect((await call('POST', BASE, greeting(body))).body.error.code).toBe('template_too_expensive');
    expect(
      (
        await call('POST', BASE, {
          template_id: 'big',
          content: { email: { en: { subject: 's', html: 'x'.repeat(70_000) } } },
        })
      ).body.error.code,
    ).toBe('template_too_expensive');
  });

  test.each(['Greeting', 'a b', '', '-a', 'a'.repeat(65), '../x', "a'--", 'ä'])('the name %j', async (template_id) => {
    expect((await call('POST', BASE, { ...greeting(), template_id })).body.error).toMatchObject({
      code: 'validation_failed',
      param: 'template_id',
    });
  });

  test('fields of ours, unknown fields, names that reach into prototypes', async () => {
    for (const extra of [{ tenant_id: newId() }, { version: 7 }, { status: 'active' }])
      expect((await call('POST', BASE, greeting('x', extra))).status).toBe(422);
    const answer = await fetch(http.url + BASE, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: '{"template_id":"x","content":{"sms":{"en":{"body":"x","__proto__":{"a":1}}}}}',
    });
    expect(answer.status).toBe(422);
  });
});

describe('who may', () => {
  test('readers read, managers write, strangers see nothing', async () => {
    await call('POST', BASE, greeting());
    const reader = newKey(tenantId, ['read']);
    const sender = newKey(tenantId, ['send']);
    const stranger = newKey(await newTenant());
    for (const [method, path, body] of [
      ['POST', BASE, greeting()],
      ['PUT', `${BASE}/greeting`, change(greeting('x'))],
      ['POST', `${BASE}/greeting/versions/1/activate`, undefined],
      ['DELETE', `${BASE}/greeting`, undefined],
    ] as const) {
      expect((await call(method, path, body, reader)).body.error.code).toBe('insufficient_scope');
      if (path !== BASE) expect((await call(method, path, body, stranger)).status).toBe(404);
    }
    for (const path of ['', '/greeting', '/greeting/versions', '/greeting/versions/1']) {
      expect((await call('GET', BASE + path, undefined, reader)).status).toBe(200);
      expect((await call('GET', BASE + path, undefined, sender)).status).toBe(403);
      const seen = await call('GET', BASE + path, undefined, stranger);
      if (path === '') expect(seen.body.data).toEqual([]);
      else expect(seen.status).toBe(404);
    }
    expect((await call('POST', `${BASE}/greeting/preview`, {}, stranger)).status).toBe(404);
    expect((await call('GET', BASE, undefined, 'nobody')).status).toBe(401);
  });
});

describe('previews', () => {
  const content = {
    sms: {
      en: { body: 'Hi {{name}}, {{currency total "EUR"}}' },
      de: { body: 'Hallo {{name}}, {{currency total "EUR"}}' },
    },
    email: { en: { subject: 'For {{name}}', html: '<b>{{name}}</b>' } },
  };

  test('show each channel with the given data, and what is missing or unexpected', async () => {
    await call('POST', BASE, { template_id: 'p', content });
    const { body } = await call('POST', `${BASE}/p/preview`, { language: 'en', data: { name: '<Ada>', spare: 1 } });
    expect(body).toMatchObject({ missing: ['total'], unexpected: ['spare'], faults: [] });
    expect(body.channels).toMatchObject([
      { channel: 'email', content: { subject: 'For <Ada>', html: '<b>&lt;Ada&gt;</b>' }, preview: { kind: 'mail' } },
      {
        channel: 'sms',
        content: { body: 'Hi <Ada>, {{total}}' },
        preview: { kind: 'bubble', segments: 1 },
        faults: [],
      },
    ]);
  });

  test('without data use examples, or made-up values', async () => {
    const variables = { name: { example: 'Grace' } };
    const { body } = await call('POST', `${BASE}/preview`, { content, variables, channel: 'sms', language: 'de_AT' });
    expect(body).toMatchObject({ missing: [], unexpected: [], data: { name: 'Grace', total: 2 } });
    expect(body.channels).toEqual([
      expect.objectContaining({ channel: 'sms', language: 'de', content: { body: 'Hallo Grace, 2,00 €' } }),
    ]);
  });

  test('say what a channel would refuse once it is filled in', async () => {
    const { body } = await call('POST', `${BASE}/preview`, {
      content,
      data: { name: 'x'.repeat(2_000), total: 'much' },
    });
    expect(body.faults).toEqual([{ path: 'data.total', message: expect.stringMatching(/number/) }]);
    expect(body.channels[1].faults).toEqual([{ path: 'body', message: expect.stringMatching(/1600/) }]);
    expect(body.channels[1].preview.segments).toBeGreaterThan(10);
  });

  test('of another version, of a channel or language that is not there, of nonsense', async () => {
    await call('POST', BASE, greeting('one {{name}}'));
    await call('PUT', `${BASE}/greeting`, change(greeting('two')));
    expect(
      (await call('POST', `${BASE}/greeting/preview`, { version: 1, data: { name: 'x' } })).body.channels[0].content
        .body,
    ).toBe('one x');
    expect((await call('POST', `${BASE}/greeting/preview`, { version: 9 })).status).toBe(404);
    expect((await call('POST', `${BASE}/greeting/preview`, { channel: 'email' })).body.error.code).toBe(
      'template_channel_missing',
    );
    expect((await call('POST', `${BASE}/greeting/preview`, { language: 'fr' })).body.error.code).toBe(
      'template_language_missing',
    );
    expect((await call('POST', `${BASE}/preview`, { content: { sms: { en: { body: '{{' } } } })).body.error.code).toBe(
      'template_invalid',
    );
  });
});

describe('the door', () => {
  test('a change is seen at once here and within five seconds elsewhere; versions stay what they were', async () => {
    await call('POST', BASE, greeting('one {{name}}'));
    const first = await templates.resolve(tenantId, 'greeting');
    expect(await elsewhere.resolve(tenantId, 'greeting')).toEqual(first);
    await call('PUT', `${BASE}/greeting`, change(greeting('two {{name}}')));
    expect((await templates.resolve(tenantId, 'greeting'))?.number).toBe(2);
    expect((await elsewhere.resolve(tenantId, 'greeting'))?.number).toBe(1);
    nowMs += 5_000;
    expect((await elsewhere.resolve(tenantId, 'greeting'))?.number).toBe(2);
    await call('DELETE', `${BASE}/greeting`);
    expect(await templates.resolve(tenantId, 'greeting')).toBeUndefined();

    const id = first?.versionId ?? '';
    for (const door of [templates, elsewhere]) {
      const loaded = await door.versions([id, id, newId()]);
      expect([...loaded.keys()]).toEqual([id]);
      const version = loaded.get(id);
      expect(version && door.render(version, { channel: 'sms', language: 'en' }, { name: 'Ada' })).toEqual({
        body: 'one Ada',
      });
    }
  });

  test('a name that is not there is not remembered', async () => {
    expect(await elsewhere.resolve(tenantId, 'greeting')).toBeUndefined();
    await call('POST', BASE, greeting());
    expect(await elsewhere.resolve(tenantId, 'greeting')).toBeDefined();
    expect(await elsewhere.resolve(await newTenant(), 'greeting')).toBeUndefined();
  });

  test.each<[string[], (string | undefined)[], string | undefined]>([
    [['en', 'de'], ['de'], 'de'],
    [['en_US', 'de'], ['en-us'], 'en_US'],
    [['en', 'en_GB'], ['en_US'], 'en'],
    [['en_US', 'en_GB'], ['en'], 'en_GB'],
    [['en_GB'], ['en_US'], 'en_GB'],
    [['en', 'de'], [undefined, 'fr', 'de'], 'de'],
    [['en', 'de'], ['fr'], undefined],
    [['en'], ['fr'], undefined],
    [['en'], [undefined, undefined], 'en'],
    [['en', 'de'], [], undefined],
    [[], ['en'], undefined],
  ])('of %j, %j gives %s', (have, wanted, expected) => {
    const content = { sms: Object.fromEntries(have.map((language) => [language, {}])) };
    expect(templates.pickLanguage({ content } as never, 'sms', wanted)).toBe(expected);
  });

  test('data is judged over all the contents that will be used', async () => {
    await call('POST', BASE, {
      template_id: 'both',
      variables: { shop: { default: 'us' }, note: { optional: true }, later: { description: 'not used yet' } },
      content: {
        sms: { en: { body: '{{name}} {{shop}} {{note}}' } },
        voice: { en: { body: '{{name}} {{#each items}}{{id}}{{/each}}' } },
      },
    });
    const version = await templates.resolve(tenantId, 'both');
    if (!version) throw new Error('not found');
    const sms = { channel: 'sms', language: 'en' };
    const voice = { channel: 'voice', language: 'en' };
    const judge = (uses: (typeof sms)[], data: object, known?: string[]) =>
      templates.judgeData(version, uses, data as never, known);
    expect(judge([sms], { name: 'A' })).toEqual({ missing: [], unexpected: [], faults: [] });
    expect(judge([sms], { items: [], extra: 1, raw: 1, later: 1 }, ['raw'])).toEqual({
      missing: ['name'],
      unexpected: ['items', 'extra'],
      faults: [],
    });
    expect(judge([sms, voice], { name: 'A', items: [{ id: 1 }, {}] })).toEqual({
      missing: ['items.1.id'],
      unexpected: [],
      faults: [],
    });
    expect(judge([voice], { name: {}, items: 'x' })).toMatchObject({
      missing: [],
      faults: [{ path: 'data.name' }, { path: 'data.items' }],
    });
    expect(templates.render(version, sms, { name: 'A' })).toEqual({ body: 'A us ' });
    expect(() => templates.render(version, sms, {})).toThrow(RenderError);
  });

  test('raw content is filled from data alone, written as each channel wants it', () => {
    const data = { name: '<!channel> & co', user: { id: 7 }, lines: 'a\r\nBcc: x@y.z' };
    expect(templates.renderRaw('slack', { text: 'Hi {{name}}' }, data)).toEqual({
      text: 'Hi &lt;!channel&gt; &amp; co',
    });
    expect(templates.renderRaw('sms', { body: 'Hi {{name}} {{#if x}}' }, data)).toEqual({
      body: 'Hi <!channel> & co {{#if x}}',
    });
    const mail = templates.renderRaw('email', { subject: '{{lines}}', html: '<p>{{name}}</p>' }, data);
    expect(mail.html).toBe('<p>&lt;!channel&gt; &amp; co</p>');
    expect(mail.subject).not.toMatch(/[\r\n]/);
    expect(templates.judgeRaw('sms', { body: '{{user.id}} {{user}} {{gone}} {{gone}}' }, data)).toEqual({
      wanted: ['user', 'gone'],
      missing: ['gone'],
      faults: [{ path: 'data.user', message: expect.any(String) }],
    });
    expect(templates.contentFaults('sms', { body: 'x'.repeat(1_601) })).toHaveLength(1);
    expect(templates.contentFaults('sms', { body: 'x' })).toEqual([]);
  });

  test('starters are given once and leave what is there alone', async () => {
    await call('POST', BASE, { ...greeting('mine'), template_id: 'welcome' });
    for (let i = 0; i < 2; i++) await database.db.transaction((trx) => templates.installStarters(trx, tenantId));
    const { data } = (await call('GET', BASE)).body;
    expect(data).toHaveLength(7);
    expect(data.every(({ version }: { version: number }) => version === 1)).toBe(true);
    expect((await call('GET', `${BASE}/welcome`)).body.content.sms.en.body).toBe('mine');
    expect(
      (await call('POST', `${BASE}/wa_order_update/preview`, { data: { name: 'Ada', order_id: 'A1' } })).body,
    ).toMatchObject({
      missing: [],
      unexpected: [],
      channels: [{ preview: { kind: 'bubble', text: expect.stringContaining('Hi Ada') } }],
    });
  });
});
