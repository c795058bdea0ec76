/** What comes back by mail and by telephone, through the door of the product: judged, answered, and told of the message it means. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { report } from '../channels/fixtures/mail.ts';
import { mailgunPost, mimePost, sesPost, twilioPost } from '../channels/fixtures/signed.ts';
import { until } from '../support/product.ts';
import type { Json, SignedCallback } from '../support/providers/fake.ts';
import { CERTIFICATE_PATH, type SnsFake, startSns, TOPIC } from '../support/providers/sns.ts';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

const SECRET = 'fake-callback-secret-8888';
let scene: Scene;
let sns: SnsFake;
/** Another, that will have gone. */
let gone: SnsFake;
beforeAll(async () => {
  [sns, gone] = await Promise.all([startSns(), startSns()]);
  scene = await startScene({ egress: [sns, gone].map(({ url }) => new URL(url).host) });
}, 60_000);
afterAll(async () => {
  await sns?.close();
  await scene?.close();
});

const post = async ({ url, headers, body }: SignedCallback) => {
  const answer = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) });
  return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() };
};
const stored = () => scene.query<{ n: number; headers: string }>('select headers::text from inbound_requests');

/** A connection for mail that listens in one way, the message that went over it, and where its callbacks go. */
async function sentBy(settings: Record<string, string>) {
  const credentials = { ...scene.smtp.credentials, ...settings };
  const { id, callback_url: url } = await scene.connect('email', credentials);
  const person = `ada${id.slice(-6).toLowerCase()}@example.com`;
  const { notification_id, channels } = await scene.send({
    recipient: { email: person },
    notification: { channels: ['email'], subject: 'Order', body: 'It has shipped.' },
  });
  await scene.status(notification_id, 'sent');
  const reference: string = channels[0].message_id;
  return { id, url, notification_id, reference, wire: { url, credentials, at: new Date() } };
}

const remove = (id: string) => scene.call('DELETE', `/api/v1/connections/${id}`, { key: scene.liveKey });
const ses = () => ({ callbacks: 'ses', sns_topic_arn: TOPIC, sns_url: sns.url });
const bounced = (reference: string, feedbackId = 'fb-1') => ({
  eventType: 'Bounce',
  mail: { messageId: `ses-${reference}`, tags: { reference: [reference] } },
  bounce: {
    bounceType: 'Permanent',
    bounceSubType: 'General',
    feedbackId,
    timestamp: new Date().toISOString(),
    bouncedRecipients: [{ status: '5.1.1', diagnosticCode: 'smtp; 550 5.1.1 unknown' }],
  },
});

it('a text message that comes in is answered with a document that sends nothing back', async () => {
  const { callback_url: url } = await scene.connect('sms', scene.twilio.credentials);
  const wire = { url, credentials: scene.twilio.credentials, at: new Date() };
  const fields = { MessageSid: 'SM1', SmsStatus: 'received', From: newPhone(), To: '+15005550006', Body: 'STOP' };
  expect(await post(twilioPost(wire, fields))).toEqual({
    status: 200,
    type: expect.stringContaining('text/xml'),
    text: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
  });
});

it('a subscription is confirmed by one visit, the certificate fetched once, and a bounce fails the message', async () => {
  const { id, wire, reference, notification_id } = await sentBy(ses());
  expect(await post(sesPost(wire, {}, { type: 'SubscriptionConfirmation' }))).toMatchObject({ status: 200 });
  expect(sns.asked).toEqual([CERTIFICATE_PATH, expect.stringContaining('/?Action=ConfirmSubscription')]);
  expect(await post(sesPost(wire, bounced(reference)))).toMatchObject({ status: 200 });
  const { channels } = await scene.status(notification_id, 'failed');
  expect(channels[0].failure.code).toBe('bounced');
  expect(sns.asked).toHaveLength(2);
  await remove(id);
});

it('while the certificate cannot be had a post is neither taken nor refused for good', async () => {
  const { id, wire, reference } = await sentBy({ ...ses(), sns_url: gone.url });
  await gone.close();
  const before = (await stored()).length;
  expect(await post(sesPost(wire, bounced(reference)))).toMatchObject({ status: 503 });
  expect((await stored()).length).toBe(before);
  await remove(id);
});

it('a certificate from elsewhere, and another topic, are refused without a look', async () => {
  const { id, wire, reference } = await sentBy(ses());
  const before = sns.asked.length;
  const certificateUrl = `http://127.0.0.1:1${CERTIFICATE_PATH}`;
  expect(await post(sesPost(wire, bounced(reference), { certificateUrl }))).toMatchObject({ status: 401 });
  expect(await post(sesPost(wire, bounced(reference), { topic: `${TOPIC}2` }))).toMatchObject({ status: 401 });
  expect(sns.asked).toHaveLength(before);
  await remove(id);
});

it('a bounce as a whole mail finds its message, and the password it came with is not kept', async () => {
  const { id, wire, reference, notification_id } = await sentBy({ callbacks: 'mime', callback_secret: SECRET });
  const view = await scene.get(notification_id);
  expect(view.channels[0].unreceipted).toBeUndefined();
  const mail = report('Action: failed\nStatus: 5.1.1', `Message-ID: <${reference}@acme.example>`);
  const wrong = { ...wire, credentials: { ...wire.credentials, callback_secret: 'not-the-secret-at-all' } };
  expect(await post(mimePost(wrong, mail))).toMatchObject({ status: 401 });
  expect(await post(mimePost(wire, mail))).toMatchObject({ status: 200 });
  const { channels } = await scene.status(notification_id, 'failed');
  expect(channels[0].failure.code).toBe('bounced');
  const kept = JSON.stringify(await stored());
  expect([kept.includes(SECRET), kept.includes('message/rfc822')]).toEqual([false, true]);
  await remove(id);
});

it('a message over plain SMTP is final when it is sent; over one that reports it is delivered', async () => {
  const plain = await sentBy({});
  expect((await scene.get(plain.notification_id)).channels[0]).toMatchObject({ status: 'sent', unreceipted: true });
  const receipts = async () => {
    const { data } = await scene.must(200, scene.call('GET', '/api/v1/channels/capabilities', { key: scene.liveKey }));
    return data.find(({ channel }: Json) => channel === 'email').delivery_receipts;
  };
  expect(await receipts()).toEqual([]);
  await remove(plain.id);
  const told = await sentBy({ callbacks: 'mailgun', mailgun_signing_key: 'fake-mailgun-signing-key-7777' });
  expect(await receipts()).toContain('delivered');
  const event = { event: 'delivered', id: 'mg1', 'user-variables': { reference: told.reference } };
  expect(await post(mailgunPost(told.wire, event))).toMatchObject({ status: 200 });
  await scene.status(told.notification_id, 'delivered');
  await remove(told.id);
});

it('whoever hides the number, and a room, can be written to; without either the field is named', async () => {
  const validate = (recipient: object, channel: string, content: object) =>
    scene.call('POST', '/api/v1/notifications/validate', {
      key: scene.liveKey,
      body: { recipient, notification: { channels: [channel], ...content } },
    });
  await scene.connect('slack', scene.slack.credentials);
  const fine = await validate({ slack_channel_id: 'C024BE91L' }, 'slack', { body: 'Hi' });
  expect(fine.body.errors ?? []).toEqual([]);
  const missing = JSON.stringify((await validate({ email: 'a@b.example' }, 'slack', { body: 'Hi' })).body);
  expect(missing).toContain('recipient_field_missing');
  expect(missing).toContain('recipient.slack_user_id');
  await until(async () => (await scene.query('select 1 from inbound_requests where applied_at is null')).length === 0);
  expect(await scene.query('select error from inbound_requests where error is not null')).toEqual([]);
});
