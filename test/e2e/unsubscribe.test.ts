/** One click in a mailbox ends marketing (RFC 8058): without a sign-in, a cookie or a redirect, and no look at the page does it. */
import PostalMime from 'postal-mime';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Json } from '../support/providers/fake.ts';
import { newEmail, newPhone, type Scene, startScene } from '../support/scene.ts';

const BASE = 'https://mail.bakery.example';
let scene: Scene;
beforeAll(async () => {
  scene = await startScene({ env: { PUBLIC_URL: BASE } });
  await scene.connect('email', scene.smtp.credentials);
  await scene.connect('sms', scene.twilio.credentials);
});
afterAll(() => scene.close());

/** A mail of this category, as it arrived. */
async function mail(email: string, category: string): Promise<Json> {
  const { notification_id } = await scene.send({
    recipient: { email },
    notification: { channels: ['email'], subject: 'Buns', body: 'Fresh', category },
  });
  await scene.status(notification_id, 'sent');
  return PostalMime.parse(scene.smtp.mails.filter(({ to }) => to.includes(email)).at(-1)?.raw as Buffer);
}
const headerOf = (one: Json, name: string): string | undefined =>
  one.headers.find(({ key }: Json) => key === name.toLowerCase())?.value;
/** The path of the link in a mail of marketing. */
async function linkTo(email: string): Promise<string> {
  const [, url = ''] = /^<(.+)>$/.exec(headerOf(await mail(email, 'marketing'), 'List-Unsubscribe') ?? '') ?? [];
  expect(url.startsWith(`${BASE}/u/`)).toBe(true);
  return url.slice(BASE.length);
}
const codeOf = async (email: string, category: string): Promise<string | undefined> => {
  const { notification_id } = await scene.send({
    recipient: { email },
    notification: { channels: ['email'], subject: 'Buns', body: 'Fresh', category },
  });
  const { channels } = await scene.when(notification_id, 'ended', ({ status }) => status !== 'queued');
  return channels[0].failure?.code;
};
/** As a mailbox posts: no cookie, no origin. */
const click = (path: string, body = 'List-Unsubscribe=One-Click') =>
  fetch(scene.product.url + path, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body,
  });

it('marketing carries both headers, anything else none', async () => {
  const marketing = await mail(newEmail(), 'marketing');
  expect(headerOf(marketing, 'List-Unsubscribe-Post')).toBe('List-Unsubscribe=One-Click');
  expect(headerOf(marketing, 'List-Unsubscribe')).toMatch(/^<https:\/\/mail\.bakery\.example\/u\/[\w.-]+>$/);
  const other = await mail(newEmail(), 'transactional');
  expect([headerOf(other, 'List-Unsubscribe'), headerOf(other, 'List-Unsubscribe-Post')]).toEqual([
    undefined,
    undefined,
  ]);
});

it('one POST ends marketing, and marketing alone; a second changes nothing; undo takes it back', async () => {
  const email = newEmail();
  const path = await linkTo(email);
  for (let press = 0; press < 2; press++) {
    const answer = await click(path);
    expect([answer.status, answer.headers.get('set-cookie')]).toEqual([200, null]);
    const page = await answer.text();
    expect(page).toContain('Bakery');
    expect(page).not.toContain(email);
  }
  const { data } = await scene.must(
    200,
    scene.call('GET', `/api/v1/suppressions?address=${email}`, { key: scene.liveKey }),
  );
  expect(data).toMatchObject([{ reason: 'unsubscribe', scope: 'marketing', address: email, created_by: null }]);
  expect(data[0].message_id).toMatch(/^msg_/);
  expect(await codeOf(email, 'marketing')).toBe('recipient_opted_out');
  expect(await codeOf(email, 'transactional')).toBeUndefined();
  expect((await click(`${path}/undo`, '')).status).toBe(200);
  expect(await codeOf(email, 'marketing')).toBeUndefined();
});

it('looking at the page changes nothing', async () => {
  const email = newEmail();
  const path = await linkTo(email);
  for (const method of ['GET', 'HEAD']) {
    const { status } = await fetch(scene.product.url + path, { method });
    expect(status).toBe(200);
  }
  expect(await codeOf(email, 'marketing')).toBeUndefined();
});

it('a link that somebody has changed, cut off or made up does nothing', async () => {
  const path = await linkTo(newEmail());
  const before = await scene.query('select count(*) from suppressions');
  const other = (letter: string) => (letter === 'A' ? 'B' : 'A');
  const changed = [path.replace(/(?<=\/u\/)./, other), path.replace(/(?<=\.)[^.]/, other)];
  for (const bad of [path.slice(0, -3), ...changed, '/u/x', '/u/%00'])
    expect([404, 400]).toContain((await click(bad)).status);
  expect(await scene.query('select count(*) from suppressions')).toEqual(before);
});

it('an SMS of marketing has no link', async () => {
  const phone = newPhone();
  const { notification_id } = await scene.send({
    recipient: { phone },
    notification: { channels: ['sms'], body: 'Fresh', category: 'marketing' },
  });
  await scene.status(notification_id, 'sent');
  expect(JSON.stringify(scene.twilio.messages.filter(({ to }: Json) => to === phone))).not.toContain('/u/');
});
