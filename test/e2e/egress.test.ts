/** No socket of ours reaches what is not public: addresses are judged as they are written, as they resolve, and no redirect leads elsewhere. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/product.ts';
import { newEmail, newPhone, on, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
/** A server on this machine that nothing may reach, and one that only redirects to it. */
let inner: Server;
let redirecting: Server;
const reached: string[] = [];
const portOf = (server: Server): number => (server.address() as AddressInfo).port;

beforeAll(async () => {
  inner = createServer((request, response) => {
    reached.push(`${request.method} ${request.url}`);
    response.end('{}');
  }).listen(0, '127.0.0.1');
  redirecting = createServer((_, response) => {
    response.writeHead(302, { location: `http://127.0.0.1:${portOf(inner)}/metadata` }).end();
  }).listen(0, '127.0.0.1');
  await until(() => inner.listening && redirecting.listening);
  scene = await startScene({ env: { EGRESS_ALLOW: `127.0.0.1:${portOf(redirecting)}` } });
});
afterAll(async () => {
  await scene.close();
  inner.close();
  redirecting.close();
});

const save = (channel: string, credentials: object) =>
  scene.call('POST', '/api/v1/connections', { key: scene.liveKey, body: { channel, credentials } });

describe('an address that is not public is refused when it is saved', () => {
  it.each([
    'http://api.example.com',
    'https://localhost',
    'https://api.localhost',
    'https://db.internal',
    'https://printer.local',
    'https://intranet',
    'https://api.example.com.',
    'https://127.0.0.1',
    'https://127.1',
    'https://0x7f.1',
    'https://0177.0.0.1',
    'https://2130706433',
    'https://0',
    'https://[::]',
    'https://[::1]',
    'https://[::ffff:10.0.0.1]',
    'https://[::ffff:7f00:1]',
    'https://[2002:7f00:1::]',
    'https://[64:ff9b::7f00:1]',
    'https://[fc00::1]',
    'https://[fe80::1]',
    'https://10.0.0.1',
    'https://172.16.0.1',
    'https://192.168.1.1',
    'https://169.254.169.254',
    'https://100.64.0.1',
    'https://198.18.0.1',
    'https://192.0.2.1',
    'https://224.0.0.1',
    'https://255.255.255.255',
  ])('%s', async (base_url) => {
    const { status, body } = await save('sms', { ...scene.twilio.credentials, base_url });
    expect([status, body.error.code, body.error.param]).toEqual([422, 'url_not_allowed', 'credentials.base_url']);
  });

  it.each([
    'file:///etc/passwd',
    'ftp://example.com',
    'gopher://example.com',
    'data:text/plain,x',
    'javascript:alert(1)',
    'https://user:pass@example.com',
    'https://good.example@evil.example',
    'https:///example.com',
    '//example.com',
    'https://example.com\\@evil.example',
    'https://exa mple.com',
    'https://example.com?x=1',
    'https://example.com#x',
  ])('%s is no address at all', async (base_url) => {
    const { status, body } = await save('sms', { ...scene.twilio.credentials, base_url });
    expect(status).toBe(422);
    expect(['validation_failed', 'url_not_allowed']).toContain(body.error.code);
  });

  it.each([
    '127.0.0.1',
    'localhost',
    '10.1.2.3',
    '::1',
    'mail',
    'mail.internal',
    '0x7f.1',
    '2130706433',
    '169.254.169.254',
  ])('the mail server %s', async (host) => {
    const { status, body } = await save('email', { ...scene.smtp.credentials, host, port: 25 });
    expect([status, body.error.code]).toEqual([422, 'url_not_allowed']);
  });

  it('the port beside one that the operator allows', async () => {
    const { status } = await save('sms', {
      ...scene.twilio.credentials,
      base_url: `http://127.0.0.1:${portOf(inner)}`,
    });
    expect(status).toBe(422);
  });

  it('and when it is changed later', async () => {
    const { id } = await scene.connect('slack', { ...scene.slack.credentials, base_url: 'https://slack.com/api' });
    const body = { credentials: { base_url: 'https://169.254.169.254', bot_token: 'xoxb-1', signing_secret: 'x' } };
    const reply = await scene.call('PATCH', `/api/v1/connections/${id}`, { key: scene.liveKey, body });
    expect([reply.status, reply.body.error.code]).toEqual([422, 'url_not_allowed']);
  });
});

describe('what got past the first look is refused when it is dialled', () => {
  /** A row as an older version, or another hand, could have left it. */
  const move = (id: string, base_url: string) =>
    scene.query(`update connections set settings = settings || $2 where channel = $1`, [
      id,
      JSON.stringify({ base_url }),
    ]);

  it.each([
    ['a private literal', () => `http://127.0.0.1:${portOf(inner)}`],
    ['a name that leads to a private address', () => `http://localhost:${portOf(inner)}`],
    ['a number in disguise', () => `http://2130706433:${portOf(inner)}`],
    ['IPv4 inside IPv6', () => `http://[::ffff:127.0.0.1]:${portOf(inner)}`],
  ])('%s: nothing is reached, and the message was never sent', async (_, address) => {
    const allowed = `http://127.0.0.1:${portOf(redirecting)}`;
    const { id } = await scene.connect('sms', { ...scene.twilio.credentials, base_url: allowed }, { is_default: true });
    await move('sms', address());
    const tested = await scene.call('POST', `/api/v1/connections/${id}/test`, { key: scene.liveKey });
    expect([tested.status, tested.body.error.code]).toEqual([422, 'connection_failed']);
    const { notification_id: sent } = await scene.send({
      recipient: { phone: newPhone() },
      notification: { channels: ['sms'], body: 'Where to?' },
    });
    const message = on(
      await scene.when(sent, 'was attempted', (one) => on(one, 'sms').attempts[0]?.failure !== undefined),
      'sms',
    );
    expect(message.attempts).toMatchObject([{ outcome: 'refused' }]);
    expect(message.outcome_unknown).toBeUndefined();
    expect(reached).toEqual([]);
  });

  it('a mail server that has moved to a private address is not dialled', async () => {
    const mails = createServer((_, response) => response.end()).listen(0, '127.0.0.1');
    let dialled = 0;
    mails.on('connection', () => {
      dialled += 1;
    });
    await until(() => mails.listening);
    await scene.connect('email', { ...scene.smtp.credentials, host: 'mail.example.com', port: 25 });
    await scene.query(`update connections set settings = settings || $1 where channel = 'email'`, [
      JSON.stringify({ host: '127.0.0.1', port: portOf(mails) }),
    ]);
    const { notification_id: id } = await scene.send({
      recipient: { email: newEmail() },
      notification: { channels: ['email'], subject: 's', body: 'b' },
    });
    await scene.when(id, 'was attempted', (one) => on(one, 'email').attempts[0]?.failure !== undefined);
    expect(dialled).toBe(0);
    mails.close();
  });

  it('an open port and a closed one look the same to who may only ask', async () => {
    const allowed = `http://127.0.0.1:${portOf(redirecting)}`;
    const { id } = await scene.connect('sms', { ...scene.twilio.credentials, base_url: allowed });
    const answers: string[] = [];
    const closed = createServer().listen(0, '127.0.0.1');
    await until(() => closed.listening);
    const nobody = portOf(closed);
    await new Promise((resolve) => closed.close(resolve));
    for (const port of [portOf(inner), nobody]) {
      await move('sms', `http://127.0.0.1:${port}`);
      const reply = await scene.call('POST', `/api/v1/connections/${id}/test`, { key: scene.liveKey });
      answers.push(reply.text.replace(/req_\w+/, '').replaceAll(String(port), 'PORT'));
    }
    expect(answers[0]).toBe(answers[1]);
  });
});

it('a redirect is not followed: it is an answer that says no', async () => {
  const credentials = { ...scene.twilio.credentials, base_url: `http://127.0.0.1:${portOf(redirecting)}` };
  await scene.query(`update connections set archived_at = clock_now() where channel = 'voice'`);
  await scene.connect('voice', credentials);
  const { notification_id: id } = await scene.send({
    recipient: { phone: newPhone() },
    notification: { channels: ['voice'], body: 'Follow me' },
  });
  const done = on(await scene.status(id, 'failed'), 'voice');
  expect(done.attempts).toHaveLength(1);
  expect(reached).toEqual([]);
});
