/** Erasing a person erased whoever's address or number contained theirs. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { needlesOf } from '../../src/features/erasure/needles.ts';
import { type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

const erase = (recipient: object) =>
  scene.call('POST', '/api/v1/recipients/erase', { key: scene.testKey, body: { recipient } });

it('an erasure leaves people alone whose addresses and numbers are longer', async () => {
  const people = ['aa@x.example', 'b.a@x.example', 'a@x.example.org', 'a-x.example@y.example', 'not_a@x.example'].map(
    (email) => ({ email }),
  );
  const phones = ['+4915112345678', '+49151123456789'].map((phone) => ({ phone, email: 'somebody@x.example' }));
  const sent = [];
  for (const recipient of [...people, ...phones])
    sent.push(
      await scene.send(
        {
          recipient,
          notification: {
            channels: ['email'],
            subject: 'S',
            body: 'to {{to}}',
            data: { to: JSON.stringify(recipient) },
          },
        },
        scene.testKey,
      ),
    );
  const { body } = await erase({ email: 'a@x.example', phone: '+491511234567' });
  expect(body.counts).toMatchObject({ messages: 0, mentions: 0 });
  for (const [index, { notification_id }] of sent.entries())
    expect((await scene.get(notification_id, scene.testKey)).recipient).toEqual([...people, ...phones][index]);
  // Known by another field of theirs, whole: that is the person.
  const { body: found } = await erase({ phone: '+4915112345678' });
  expect(found.counts.messages).toBe(1);
}, 30_000);

it('what means something to a pattern is taken as it stands, and a name finds nobody', async () => {
  const sent = await scene.send(
    { recipient: { email: 'axb@x.example' }, notification: { channels: ['email'], subject: 'S', body: 'Smith' } },
    scene.testKey,
  );
  expect((await erase({ email: 'a.b@x.example' })).body.counts.messages).toBe(0);
  expect((await erase({ email: 'a_b@x.example' })).body.counts.messages).toBe(0);
  expect((await erase({ email: 'gone@x.example', name: 'Smith' })).status).toBe(422);
  expect((await scene.get(sent.notification_id, scene.testKey)).recipient).toEqual({ email: 'axb@x.example' });
}, 30_000);

it.each([
  [
    'ada@x.test',
    ['ada@x.test', '\\nada@x.test', 'x%20ada%40x.test%3e', '联系ADA@x.test吧'],
    ['aada@x.test', 'éada@x.test', 'x%2bada%40x.test', 'ada@x.test.org'],
  ],
  ['(415) 555-0123', ['(415) 555-0123', '=4155550123&', '%28415%29+555-0123'], ['44155550123', '41555501234']],
  ['a%_b\\c@x.test', ['a%_b\\c@x.test'], ['aXYb\\c@x.test', 'a%_bc@x.test']],
])('the store reads the pattern of %s as we do', async (value, whole, part) => {
  const { pattern } = needlesOf([value]);
  const rows = await scene.query('select t, t ~* $2 as found from unnest($1::text[]) t', [
    [...whole, ...part],
    pattern,
  ]);
  expect(rows).toEqual([...whole.map((t) => ({ t, found: true })), ...part.map((t) => ({ t, found: false }))]);
  for (const { t, found } of rows as { t: string; found: boolean }[])
    expect(new RegExp(pattern, 'i').test(t)).toBe(found);
});
