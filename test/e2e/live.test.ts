/** A live key with real connections: each message reaches its provider in the provider's own form, and ends as far as that provider can tell. */
import PostalMime from 'postal-mime';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { newEmail, newPhone, ORDER, on, orderUpdate, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
  await scene.template(orderUpdate);
});
afterAll(() => scene.close());

/** What a provider of phone messages took for this person, once it has. */
const taken = (fake: { messages: readonly Json[] }, to: string): Promise<Json> =>
  until(() => fake.messages.find((message) => message.to === to), { what: `a message to ${to}` });

it('an e-mail arrives at a real mail server as it was written, and ends at sent, unreceipted', async () => {
  const email = newEmail();
  const file = Buffer.from('%PDF-1.4 not really');
  const { notification_id, status, livemode, channels } = await scene.send({
    recipient: { email },
    notification: {
      channels: ['email'],
      subject: 'Hello {{name}} 🔔',
      body: 'Dear {{name}},\n\nשלום — it works.\n',
      html: '<p>Dear <b>{{name}}</b></p>',
      attachments: [{ filename: 'a.pdf', content_type: 'application/pdf', content: file.toString('base64') }],
      data: { name: 'Ada <3' },
    },
  });
  expect({ status, livemode }).toEqual({ status: 'queued', livemode: true });

  const mail = await until(() => scene.smtp.mails.find(({ to }) => to.includes(email)), { what: 'the mail' });
  const read = await PostalMime.parse(mail.raw);
  expect(mail).toMatchObject({ from: 'hello@acme.example', to: [email], user: 'mailer' });
  expect(read.subject).toBe('Hello Ada <3 🔔');
  expect(read.text?.trim()).toBe('Dear Ada <3,\n\nשלום — it works.');
  expect(read.html?.trim()).toBe('<p>Dear <b>Ada &lt;3</b></p>');
  expect(read.attachments).toMatchObject([{ filename: 'a.pdf', mimeType: 'application/pdf' }]);
  expect(Buffer.from(read.attachments[0]?.content as ArrayBuffer)).toEqual(file);
  expect(read.messageId).toBe(`<${channels[0].message_id}@acme.example>`);

  const done = await scene.when(notification_id, 'is unreceipted', (one) => on(one, 'email').unreceipted === true);
  expect(done.status).toBe('sent');
  expect(on(done, 'email')).toMatchObject({ status: 'sent', attempts: [{ number: 1, outcome: 'accepted' }] });
});

it('a repeated e-mail keeps its Message-ID, so that a mailbox can tell the copies apart', async () => {
  const email = newEmail();
  scene.smtp.script(email, { do: 'refuse', reply: '451 4.3.0 try later', at: 'data' });
  const { notification_id, channels } = await scene.send({
    recipient: { email },
    notification: { channels: ['email'], subject: 'Twice', body: 'Once' },
  });
  await scene.when(
    notification_id,
    'waits for another attempt',
    (one) => on(one, 'email').next_attempt_at !== undefined,
  );
  await scene.hurry();
  await scene.status(notification_id, 'sent');
  const mails = scene.smtp.mails.filter(({ to }) => to.includes(email));
  expect(mails).toHaveLength(1);
  expect((await PostalMime.parse(mails[0]?.raw as Buffer)).messageId).toBe(`<${channels[0].message_id}@acme.example>`);
});

it('a WhatsApp template leaves with positional parameters and our reference, and signed statuses take it to read', async () => {
  const phone = newPhone();
  const { notification_id, channels } = await scene.send({
    recipient: { phone },
    notification: { channels: ['whatsapp'], template_id: 'order_update', data: ORDER },
  });
  const message = await taken(scene.meta, phone);
  expect(message.request.json()).toMatchObject({
    to: phone,
    type: 'template',
    biz_opaque_callback_data: channels[0].message_id,
    template: {
      name: 'order_update',
      language: { code: 'en' },
      components: [
        {
          type: 'body',
          parameters: [
            { type: 'text', text: 'Ada' },
            { type: 'text', text: 'A-1042' },
          ],
        },
      ],
    },
  });
  expect(message.request.json().definition).toBeUndefined();
  await scene.status(notification_id, 'sent');
  expect(await scene.meta.deliver(message.id, ['sent', 'delivered', 'read'])).toEqual([200, 200, 200]);
  const done = await scene.when(notification_id, 'is read', (one) => on(one, 'whatsapp').read_at !== undefined);
  expect(done.status).toBe('delivered');
  expect(on(done, 'whatsapp')).toMatchObject({ template_id: 'order_update', template_version: 1 });
});

it('an SMS leaves with the callback address of its connection, and its signed callback makes it delivered', async () => {
  const phone = newPhone();
  const { notification_id, channels } = await scene.send({
    recipient: { phone },
    notification: { channels: ['sms'], body: 'Your code is {{code}}', data: { code: '0042' } },
  });
  const message = await taken(scene.twilio, phone);
  const form = message.request.form();
  expect(form).toMatchObject({ To: [phone], Body: ['Your code is 0042'] });
  expect(new URL(form.StatusCallback[0]).searchParams.get('ref')).toBe(channels[0].message_id);
  await scene.status(notification_id, 'sent');
  expect(await scene.twilio.deliver(message.id, ['sent', 'delivered'])).toEqual([200, 200]);
  const done = await scene.status(notification_id, 'delivered');
  expect(on(done, 'sms').timeline.map(({ type }: Json) => type)).toEqual(
    expect.arrayContaining(['accepted', 'attempt_started', 'attempt_accepted', 'receipt_sent', 'receipt_delivered']),
  );
});

it('a call says the text, with what would be markup escaped, and is delivered when it was completed', async () => {
  const phone = newPhone();
  const { notification_id } = await scene.send({
    recipient: { phone },
    notification: { channels: ['voice'], body: 'Bell & Co says <hello>' },
  });
  const message = await taken(scene.twilio, phone);
  expect(message.request.form().Twiml[0]).toContain('Bell &amp; Co says &lt;hello&gt;');
  await scene.status(notification_id, 'sent');
  expect(await scene.twilio.deliver(message.id, ['initiated', 'completed'])).toEqual([200, 200]);
  await scene.status(notification_id, 'delivered');
});

it('a Slack message is delivered as soon as Slack says ok, in plain text that stays plain', async () => {
  const { notification_id } = await scene.send({
    recipient: { slack_user_id: 'U024BE7LH' },
    notification: { channels: ['slack'], body: 'a <!channel> & b' },
  });
  const done = await scene.status(notification_id, 'delivered');
  expect(on(done, 'slack').unreceipted).toBeUndefined();
  const sent = (await taken(scene.slack, 'U024BE7LH')).request.json();
  expect(sent.text).toBe('a &lt;!channel&gt; &amp; b');
});

it('one notification goes out on all five channels at once, and the most hopeful of them names its status', async () => {
  const [email, phone] = [newEmail(), newPhone()];
  const { notification_id, channels } = await scene.send({
    recipient: { email, phone, slack_user_id: 'UALL5' },
    notification: {
      channels: ['whatsapp', 'email', 'sms', 'slack', 'voice'],
      template_id: 'order_update',
      body: 'Order {{order_id}}',
      data: ORDER,
    },
  });
  expect(channels.map(({ channel }: Json) => channel)).toEqual(['whatsapp', 'email', 'sms', 'slack', 'voice']);
  const done = await scene.when(notification_id, 'has left everywhere', (one) =>
    one.channels.every(({ status }: Json) => status !== 'queued'),
  );
  expect(done.status).toBe('delivered');
  expect(on(done, 'slack').status).toBe('delivered');
  const mail = scene.smtp.mails.find(({ to }) => to.includes(email));
  expect((await PostalMime.parse(mail?.raw as Buffer)).text?.trim()).toBe('Hi Ada, order A-1042 has shipped.');
});

it('a national number is sent in international form when the tenant has a country', async () => {
  const owner = { tenantId: scene.product.tenantId, mode: 'live', scopes: ['manage'] } as const;
  const settings = (defaultCountry: string | null) =>
    scene.product.deps.tenants.updateTenant({ ...owner, actor: { kind: 'operator', id: 'test' } }, { defaultCountry });
  await settings('DE');
  const { notification_id } = await scene.send({
    recipient: { phone: '0171 2345678' },
    notification: { channels: ['sms'], body: 'Hallo' },
  });
  await settings(null);
  expect((await taken(scene.twilio, '+491712345678')).request.form().Body).toEqual(['Hallo']);
  expect(on(await scene.get(notification_id), 'sms').address).toBe('+491712345678');
});
