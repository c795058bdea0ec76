/** Whom a stranger may name, and what else an e-mail could be made to carry: each has its answer, and leaves no row. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mail, refused, send } from '../support/refusals.ts';
import { newPhone, on, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(async () => {
  expect((await fetch(`${scene.product.url}/health/ready`)).status).toBe(200);
  await scene.close();
});

describe('recipients', () => {
  it.each<[string, string]>([
    ['60 no plus', '4155550123'],
    ['61 letters', '+1415CALLNOW'],
    ['62 a zero after the plus', '+04155550123'],
    ['63 sixteen digits', '+1234567890123456'],
    ['64 a short code', '+12345'],
    ['65 an extension', '+14155550123;ext=5'],
    ['66 a tel: address', 'tel:+14155550123'],
    ['68 Arabic digits', '+١٤١٥٥٥٥٠١٢٣'],
    ['69 a zero-width space inside', '+1415\u200b5550123'],
    ['70 a line break and a header', '+14155550123\r\nBcc: eve@evil.example'],
    ['spaces around', ' +14155550123 '],
    ['two of them', '+14155550123,+14155550124'],
    ['full-width plus', '＋14155550123'],
  ])('phone %s', async (_, phone) => {
    const error = await refused(scene, 422, 'invalid_recipient', send({ phone }, { channels: ['sms'], body: 'x' }));
    expect(error.param).toBe('recipient.phone');
    expect(error.message).toMatch(/\+/);
  });

  it('71 a number in a new or fictional range is possible and therefore taken', async () => {
    for (const phone of ['+14155550199', '+447700900123', '+491710000000'])
      await scene.send(send({ phone }, { channels: ['sms'], body: 'x' }), scene.testKey);
  });

  it.each<[string, string]>([
    ['73 two addresses', 'a@x.example,b@x.example'],
    ['73 two addresses, semicolon', 'a@x.example;b@x.example'],
    ['74 a display name', 'Ada <ada@x.example>'],
    ['75 a quoted local part', '"a@evil.example"@x.example'],
    ['77 a line break', 'a@x.example\r\nBcc: eve@evil.example'],
    [
      '79 more than 254 characters',
      `${'a'.repeat(60)}@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(20)}.example`,
    ],
    ['80 a local part of another script', 'адa@x.example'],
    ['a comment', 'ada(comment)@x.example'],
    ['a literal address', 'ada@[127.0.0.1]'],
    ['no domain', 'ada@'],
    ['no dot', 'ada@localhost'],
    ['spaces', ' ada@x.example '],
    ['zero width', 'a\u200bda@x.example'],
    ['a route', '@a.example:ada@x.example'],
    ['percent hack', 'a%b@evil.example@x.example'],
  ])('e-mail %s', async (_, email) => {
    const error = await refused(scene, 422, 'invalid_recipient', mail(email));
    expect(error.param).toBe('recipient.email');
  });

  it('e-mail 80 a domain in another script is shown as the punycode it is', async () => {
    const { notification_id: id } = await scene.send(mail('ada@gооgle.example'), scene.testKey);
    expect(on(await scene.get(id, scene.testKey), 'email').address).toMatch(/^ada@xn--/);
  });

  it.each<[string, string]>([
    ['lower case', 'u024be7lh'],
    ['a channel name', '#general'],
    ['a channel id', 'C024BE7LH'],
    ['a mention', '<!channel>'],
  ])('Slack member: %s', async (_, slack_user_id) => {
    const error = await refused(
      scene,
      422,
      'invalid_recipient',
      send({ slack_user_id }, { channels: ['slack'], body: 'x' }),
    );
    expect(error.param).toBe('recipient.slack_user_id');
  });

  it('an address is compared in its canonical form', async () => {
    const { notification_id: id } = await scene.send(mail('Ada@Example.COM'), scene.testKey);
    expect(on(await scene.get(id, scene.testKey), 'email').address).toMatch(/@example\.com$/);
    await scene.send(send({ phone: newPhone() }, { channels: ['sms'], body: 'x' }), scene.testKey);
  });
});

describe('e-mail fields', () => {
  it.each<[string, object, string]>([
    ['77 a line break in the subject', { subject: 'a\r\nBcc: eve@evil.example' }, 'notification.subject'],
    ['77 a line break in the sender', { from: 'a@x.example\r\nBcc: eve@evil.example' }, 'notification.from'],
    ['77 a reply address of its own', { reply_to: 'a@x.example' }, 'notification.reply_to'],
    ['77 a header of its own', { headers: { Bcc: 'eve@evil.example' } }, 'notification.headers'],
    ['78 an envelope', { envelope: { to: 'eve@evil.example' } }, 'notification.envelope'],
    ['78 a raw message', { raw: 'From: x' }, 'notification.raw'],
    ['78 dsn', { dsn: {} }, 'notification.dsn'],
    [
      '78 a file of ours',
      { attachments: [{ filename: 'a', content_type: 'a/b', path: '/etc/passwd' }] },
      'notification.attachments.0.path',
    ],
    [
      '78 an address to fetch',
      { attachments: [{ filename: 'a', content_type: 'a/b', href: 'http://169.254.169.254/' }] },
      'notification.attachments.0.href',
    ],
    [
      'a path as file name',
      { attachments: [{ filename: '../../x', content_type: 'a/b', content: 'eA==' }] },
      'notification.attachments.0.filename',
    ],
    [
      'what is not base64',
      { attachments: [{ filename: 'x', content_type: 'a/b', content: '***' }] },
      'notification.attachments.0.content',
    ],
  ])('%s', async (_, more, path) => {
    const error = await refused(scene, 422, 'validation_failed', mail('ada@x.example', more));
    expect(error.details.fields.map((field: { path: string }) => field.path)).toContain(path);
  });

  it('a value with a line break cannot begin a header', async () => {
    const body = mail('ada@x.example', { subject: 'Hi {{name}}', data: { name: 'Ada\r\nBcc: eve@evil.example' } });
    const { notification_id: id } = await scene.send(body, scene.testKey);
    await scene.status(id, 'delivered', scene.testKey);
    const [row] = await scene.query<{ content: { subject: string } }>(
      `select content from outbox where channel = 'email' order by message_id desc limit 1`,
    );
    expect(row?.content.subject).toBe('Hi Ada Bcc: eve@evil.example');
  });
});
