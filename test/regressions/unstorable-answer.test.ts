/** A provider's words that the store could not hold once kept the refusal they came with from being written down. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fromWire } from '../../src/lib/ids.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { newPhone, on, type Scene, startScene } from '../support/scene.ts';

/** Of a provider's words, this many UTF-16 units are kept. */
const KEPT = 1_000;

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

async function refusedWith(body: string): Promise<Json> {
  const phone = newPhone();
  scene.twilio.script(phone, behave.answer(400, body));
  const { notification_id: id } = await scene.send({
    recipient: { phone },
    notification: { channels: ['sms'], body: 'A word' },
  });
  return on(await scene.status(id, 'failed'), 'sms');
}
const wordsOf = async ({ message_id }: Json): Promise<Json> =>
  (
    await scene.query<Json>(
      `select provider_code as code, provider_message as words from attempts a
       where a.message_id = $1`,
      [fromWire('message', message_id)],
    )
  )[0];

it('a refusal whose text has an emoji exactly at the cut is recorded as the refusal it was', async () => {
  const head = '{"code":21610,"message":"';
  const filler = 'x'.repeat(KEPT - 1 - head.length);
  const message = await refusedWith(`${head}${filler}😀 and so on"}`);
  expect(message).toMatchObject({
    status: 'failed',
    failure: { code: 'recipient_opted_out' },
    attempts: [{ number: 1, outcome: 'refused' }],
  });
  expect(await wordsOf(message)).toEqual({ code: '21610', words: `${head}${filler}\uFFFD` });
});

it('a refusal whose text has a NUL is recorded as the refusal it was', async () => {
  const message = await refusedWith('no\u0000thing doing');
  expect(message).toMatchObject({
    status: 'failed',
    failure: { code: 'provider_rejected' },
    attempts: [{ number: 1, outcome: 'refused' }],
  });
  expect(await wordsOf(message)).toEqual({ code: '400', words: 'nothing doing' });
});

it('a refusal whose code is no text the store can hold is recorded as the refusal it was', async () => {
  const message = await refusedWith(`{"code":"a\\u0000b\\ud800","message":"odd"}`);
  expect(message).toMatchObject({ status: 'failed', failure: { code: 'provider_rejected' } });
  expect((await wordsOf(message)).code).toBe('ab\uFFFD');
});
