/**
 * What must never be written down: keys, passwords, tokens and cookies anywhere; people's addresses and words in no log.
 * The product runs at its most talkative through all that happens and all that goes wrong, and then everything it has
 * written is searched, and everything it has stored.
 */
import { PassThrough } from 'node:stream';
import PostalMime from 'postal-mime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/lib/log.ts';
import { ADMIN_KEY, ENCRYPTION_KEYS, until } from '../support/product.ts';
import { behave } from '../support/providers/fake.ts';
import { type SmtpFake, startSmtp } from '../support/providers/smtp.ts';
import { type Scene, startScene } from '../support/scene.ts';
import { createVisitor } from '../support/visitor.ts';

let scene: Scene;
let system: SmtpFake;
let written = '';

/** By what it is. A secret may be neither in a log nor in the store; what is somebody's own, in no log. */
const secrets = new Map<string, string>();
const personal = new Map<string, string>();

const PASSWORD = 'pelicans dive at noon';
const NEXT_PASSWORD = 'pelicans sleep at dusk';
const PHONE = '+14155550177';
const EMAIL = 'pelican.guest@people.example';
const OWNER = 'pelican.owner@people.example';
const WORDS = 'cormorant-in-a-body';
const SUBJECT = 'cormorant-in-a-subject';
const DATA = 'cormorant-in-data';
const KEY = 'order-of-the-cormorant-0001';

beforeAll(async () => {
  system = await startSmtp();
  const log = new PassThrough();
  log.on('data', (chunk) => {
    written += chunk;
  });
  const { username, password } = system.credentials;
  scene = await startScene({
    log: createLog('trace', log),
    env: {
      SIGNUP: 'open',
      TRUSTED_PROXIES: '1',
      SYSTEM_SMTP_URL: `smtp://${username}:${encodeURIComponent(String(password))}@127.0.0.1:${system.port}?from=bells@example.com`,
    },
  });
  await scene.connectAll();
  const keep = (credentials: object) => {
    for (const [name, value] of Object.entries(credentials))
      if (/token|secret|password/.test(name)) secrets.set(`${name} ${secrets.size}`, String(value));
  };
  for (const { credentials } of [scene.twilio, scene.slack, scene.meta, scene.smtp, system]) keep(credentials);
  secrets.set('the live key', scene.liveKey);
  secrets.set('the secret part of the live key', scene.liveKey.slice(16, 59));
  secrets.set('the secret part of the test key', scene.testKey.slice(16, 59));
  secrets.set("the operator's key", ADMIN_KEY);
  secrets.set('the encryption key', ENCRYPTION_KEYS.split(':')[1] ?? '');
  secrets.set('the password', PASSWORD);
  secrets.set('the next password', NEXT_PASSWORD);
  for (const [name, text] of Object.entries({ PHONE, EMAIL, OWNER, WORDS, SUBJECT, DATA, KEY }))
    personal.set(name, text);
}, 60_000);
afterAll(async () => {
  await scene?.close();
  await system?.close();
});

const found = (texts: ReadonlyMap<string, string>, where: string): string[] =>
  [...texts].flatMap(([name, text]) => {
    const forms = [
      text,
      encodeURIComponent(text),
      ...[0, 1, 2].map((shift) =>
        Buffer.from(`${'x'.repeat(shift)}${text}`)
          .toString('base64')
          .slice(shift + 1, -4),
      ),
    ];
    return forms.some((form) => form.length > 5 && where.includes(form)) ? [name] : [];
  });

const message = (channels: readonly string[], more: object = {}, recipient: object = {}) => ({
  recipient: { phone: PHONE, email: EMAIL, ...recipient },
  notification: { channels, body: `Dear {{name}}, ${WORDS}`, data: { name: DATA }, ...more },
});
/** Sends, whatever comes of it. */
const send = (body: object, key = scene.liveKey, headers: Record<string, string> = {}) =>
  scene.call('POST', '/api/v1/notifications/send', { key, body, headers });

describe('while all goes well', () => {
  it('on every channel, with either key, and with a key of its own', async () => {
    await scene.template({
      template_id: 'cormorant',
      content: { email: { en: { subject: `${SUBJECT} {{name}}`, body: WORDS } } },
    });
    for (const key of [scene.liveKey, scene.testKey])
      for (const [channel, more] of [
        ['sms', {}],
        ['voice', {}],
        ['slack', {}],
        ['email', { subject: SUBJECT, html: `<p>${WORDS}</p>`, attachments: undefined }],
      ] as const) {
        const reply = await send(
          {
            recipient:
              channel === 'email'
                ? { email: EMAIL }
                : channel === 'slack'
                  ? { slack_user_id: 'U0123ABCD' }
                  : { phone: PHONE },
            notification: message([channel], more).notification,
          },
          key,
          { 'idempotency-key': `${KEY}-${channel}` },
        );
        if (channel !== 'slack') expect([channel, reply.status]).toEqual([channel, 202]);
      }
    await until(async () => (await scene.query(`select 1 from due`)).length === 0, { what: 'that all went out' });
    await scene.call('GET', `/api/v1/notifications?recipient=${encodeURIComponent(PHONE)}`, { key: scene.liveKey });
    await scene.call('GET', `/api/v1/notifications?recipient=${encodeURIComponent(EMAIL)}`, { key: scene.liveKey });
  });
});

describe('while it goes wrong', () => {
  it('requests that are refused, with keys where they do not belong', async () => {
    const { call } = scene;
    await send(message(['sms'], { priority: WORDS, bodi: WORDS }), scene.liveKey);
    await send(message(['email', 'nothing']), scene.liveKey);
    await call('POST', '/api/v1/notifications/send', { key: scene.liveKey, raw: `{"recipient":{"phone":"${PHONE}"` });
    await call('GET', `/api/v1/keys?api_key=${scene.liveKey}&token=${scene.testKey}`);
    await call('GET', '/api/v1/keys', { key: `${scene.liveKey.slice(0, -1)}x` });
    await call('GET', '/api/v1/keys', {
      headers: { authorization: `Basic ${Buffer.from(scene.liveKey).toString('base64')}` },
    });
    await call('GET', '/api/admin/tenants', { key: ADMIN_KEY.slice(0, -1) });
    await call('POST', '/api/v1/connections', {
      key: scene.liveKey,
      body: {
        channel: 'sms',
        credentials: { ...scene.twilio.credentials, base_url: 'https://127.0.0.1', extra: secrets.get('the live key') },
      },
    });
    await call('POST', '/hooks/twilio/con_00000000000000000000000000?token=x', { raw: WORDS });
  });

  it('providers that repeat in their refusal whatever they were sent', async () => {
    const { account_sid, auth_token } = scene.twilio.credentials as Record<string, string>;
    const basic = Buffer.from(`${account_sid}:${auth_token}`).toString('base64');
    const all = `Authorization: Basic ${basic} To=${encodeURIComponent(PHONE)} Body=${WORDS} token ${auth_token} ${DATA}`;
    const said = (status: number, code: number | string) =>
      behave.answer(status, JSON.stringify({ ok: false, code, error: all, message: all }));
    scene.twilio.script(
      PHONE,
      said(401, 20_003),
      said(400, 21_211),
      said(500, 20_500),
      behave.resetBefore(),
      behave.malformed(),
    );
    for (let n = 0; n < 5; n++)
      await send({ recipient: { phone: PHONE }, notification: message(['sms']).notification });
    const { password, username } = scene.smtp.credentials as Record<string, string>;
    const plain = Buffer.from(`\0${username}\0${password}`).toString('base64');
    scene.smtp.script(EMAIL, {
      do: 'refuse',
      at: 'rcpt',
      reply: `550 5.1.1 <${EMAIL}> unknown; AUTH PLAIN ${plain} (${password})`,
    } as never);
    const mail = await scene.must(
      202,
      send({ recipient: { email: EMAIL }, notification: { channels: ['email'], subject: SUBJECT, body: WORDS } }),
    );
    await scene.status(mail.notification_id, 'failed');
    await until(
      async () => (await scene.query(`select 1 from attempts where result in ('refused', 'not_sent')`)).length >= 2,
    );
    const { data } = await scene.must(200, scene.call('GET', '/api/v1/connections', { key: scene.liveKey }));
    for (const { id } of data) {
      scene.twilio.script('*', said(401, 20_003));
      await scene.call('POST', `/api/v1/connections/${id}/test`, { key: scene.liveKey });
    }
    const told = JSON.stringify(await scene.query('select provider_message, provider_code from attempts'));
    expect(told).toContain('[redacted]');
    expect(found(secrets, told)).toEqual([]);
  });

  it('statements that the store refuses, quoting the row', async () => {
    const rule = `check (address not in ('${PHONE}', '${EMAIL}')) not valid`;
    await scene.query(`alter table messages add constraint no_cormorants ${rule}`);
    await scene.query(`alter table templates rename to templates_gone`);
    try {
      for (const key of [scene.liveKey, scene.testKey]) {
        const { status, text } = await send(
          { recipient: { phone: PHONE }, notification: message(['sms']).notification },
          key,
        );
        expect([status, found(personal, text)]).toEqual([500, []]);
        const reply = await scene.call('GET', '/api/v1/templates', { key });
        expect([reply.status, /templates|relation|select/.test(reply.text.replace(/doc_url.*/, ''))]).toEqual([
          500,
          false,
        ]);
        const bulk = { channels: ['sms'], body: WORDS, recipients: [{ phone: PHONE }] };
        expect((await scene.call('POST', '/api/v1/notifications/bulk', { key, body: bulk })).status).toBe(500);
      }
    } finally {
      await scene.query(`alter table messages drop constraint no_cormorants`);
      await scene.query(`alter table templates_gone rename to templates`);
    }
    expect(written).toContain('no_cormorants');
  });

  it('a message that its adapter cannot bear', async () => {
    // A row that another hand has left: the content cannot be rendered.
    const { notification_id: id } = await scene.must(
      202,
      send(message(['sms'], { send_at: new Date(Date.now() + 3_600_000).toISOString() })),
    );
    await scene.query(`update messages set input = '{"body": {"${WORDS}": "${DATA}"}}' where send_at is not null`);
    const mark = written.length;
    await scene.hurry();
    await until(async () => (await scene.get(id)).status === 'failed' || /"level":50/.test(written.slice(mark)), {
      what: 'that it failed, or was complained about',
    });
  });
});

describe('at the portal', () => {
  it('signing up and in, failing to, forgetting, resetting, and what the mail server says of it', async () => {
    const visitor = createVisitor(scene.product.url);
    const refused = system;
    const form = { organization: 'Pelican', name: 'Pelican', email: OWNER, password: PASSWORD };
    expect((await visitor.post('/portal/signup', form)).status).toBe(303);
    const welcome = await visitor.get('/portal/welcome');
    const key = /ak_test_\w+/.exec(welcome.text)?.[0] ?? '';
    secrets.set('the key of a sign-up', key.slice(16, 59));
    for (const [name, value] of visitor.cookies) secrets.set(`cookie ${name}`, value);
    refused.script(OWNER, { do: 'refuse', at: 'rcpt', reply: `550 5.1.1 <${OWNER}> no such user` } as never);
    await visitor.post('/portal/confirm/resend', {}, '/portal/settings');
    await visitor.post('/portal/logout', {}, '/portal');
    const guest = createVisitor(scene.product.url);
    expect((await guest.post('/portal/login', { email: OWNER, password: NEXT_PASSWORD })).status).toBe(401);
    await guest.get(`/portal/login?email=${encodeURIComponent(OWNER)}&password=${encodeURIComponent(PASSWORD)}`);
    expect((await guest.post('/portal/forgot', { email: OWNER })).status).toBe(303);
    const link = await until(
      async () => {
        for (const { raw } of system.mails) {
          const text = (await PostalMime.parse(raw)).text ?? '';
          const path = /\/portal\/reset\?token=(\S+)/.exec(text);
          if (path) return path;
        }
        return undefined;
      },
      { what: 'the letter' },
    );
    secrets.set('the token of a reset', link[1] ?? '');
    await guest.get(link[0]);
    expect((await guest.post('/portal/reset', { token: link[1] ?? '', password: NEXT_PASSWORD }, link[0])).status).toBe(
      303,
    );
    for (const [name, value] of guest.cookies) secrets.set(`another cookie ${name}`, value);
    expect(secrets.size).toBeGreaterThan(14);
  }, 60_000);
});

describe('afterwards', () => {
  it('no line of the log holds a secret, an address or a word of anybody', () => {
    expect(written.split('\n').length).toBeGreaterThan(40);
    expect(written).toContain('"msg":"attempt"');
    expect(found(secrets, written)).toEqual([]);
    expect(found(personal, written)).toEqual([]);
  });

  it('no line of the log is two: what came with line ends or terminal codes in it stays within its quotes', async () => {
    const evil = encodeURIComponent('x\r\n{"level":60,"msg":"forged"}\u001b[2J');
    await scene.call('GET', `/api/v1/${evil}`, {
      key: scene.liveKey,
      headers: { 'x-request-id': 'forged"}{"level":60' },
    });
    for (const line of written.trim().split('\n')) expect(() => JSON.parse(line)).not.toThrow();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    expect(written).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });

  it('no column of any table holds a secret in clear, the audit log among them', async () => {
    const tables = await scene.query<{ name: string }>(
      `select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`,
    );
    expect(tables.length).toBeGreaterThan(20);
    for (const { name } of tables) {
      const rows = await scene.query<{ row: string }>(`select t::text as row from "${name}" t`);
      const text = rows.map(({ row }) => row).join('\n');
      // Bytes are written as hexadecimal digits there.
      const bytes = [...text.matchAll(/\\\\x((?:[0-9a-f]{2})+)/g)].map(([, hex = '']) =>
        Buffer.from(hex, 'hex').toString('latin1'),
      );
      expect([name, found(secrets, text), found(secrets, bytes.join('\n'))]).toEqual([name, [], []]);
    }
    const audit = JSON.stringify(await scene.query('select * from audit_log'));
    expect(found(personal, audit)).toEqual([]);
  });
});
