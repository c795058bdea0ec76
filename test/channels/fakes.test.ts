/** The stand-ins themselves: what other suites build on when they ask a provider to misbehave. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { twilioSms } from '../../channels/sms/twilio.ts';
import { cloud } from '../../channels/whatsapp/cloud.ts';
import type { RawRequest } from '../../src/channel-kit/index.ts';
import { closing, readBy, using } from '../support/adapters.ts';
import { behave } from '../support/providers/fake.ts';
import { startMeta } from '../support/providers/meta.ts';
import { startTwilio } from '../support/providers/twilio.ts';

const { keep, closeAll } = closing();
afterEach(closeAll);

/** Our door, reduced to remembering what came. */
async function startDoor() {
  const got: RawRequest[] = [];
  let url = '';
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const at = new URL(incoming.url ?? '/', url);
    const query = Object.fromEntries(at.searchParams);
    const headers = incoming.headers as Record<string, string>;
    const request = { method: incoming.method ?? '', url: at.href, query, headers, body: Buffer.concat(chunks) };
    got.push(request);
    const answer = cloud.webhook?.handshake?.(request, { verify_token: 'fake-verify-token-2222' });
    response.writeHead(answer === false ? 403 : 200).end(answer || '');
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`;
  return keep({
    got,
    url,
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  });
}

const text = { type: 'text', text: { body: 'Hi' } };

describe('Meta', () => {
  it('posts statuses by itself, genuine ones, after a send', async () => {
    const door = await startDoor();
    const fake = keep(await startMeta({ webhookUrl: door.url, auto: ['sent', 'delivered'] }));
    fake.openWindow('+14155550123');
    await keep(using(cloud, fake.credentials)).send({ address: '+14155550123', content: text });
    await fake.settled();
    expect(await readBy(cloud, ...door.got)).toMatchObject([{ receipt: 'sent' }, { receipt: 'delivered' }]);
    expect(door.got.every((r) => cloud.webhook?.verify(r, fake.credentials))).toBe(true);
  });

  it('takes a message back when told to', async () => {
    const door = await startDoor();
    const fake = keep(await startMeta({ webhookUrl: door.url, auto: ['sent', 'delivered'] }));
    fake.script('+14155550123', behave.fail(131026));
    await keep(using(cloud, fake.credentials)).send({ address: '+14155550123', content: text });
    await fake.settled();
    expect(await readBy(cloud, ...door.got)).toMatchObject([{ fault: { kind: 'recipient_invalid' } }]);
  });

  it('asks the challenge', async () => {
    const door = await startDoor();
    const fake = keep(await startMeta({ webhookUrl: door.url }));
    expect(await fake.subscribe()).toEqual({ status: 200, text: '1158201444' });
    expect((await fake.subscribe('wrong')).status).toBe(403);
  });
});

describe('Twilio', () => {
  const sent = async (auto?: { messages: string[]; calls: string[] }) => {
    const door = await startDoor();
    const fake = keep(await startTwilio(auto ? { auto } : {}));
    const adapter = keep(using(twilioSms, fake.credentials));
    const callbackUrl = `${door.url}?ref=msg_1`;
    const { providerId = '' } = await adapter.send(
      { address: '+14155550123', content: { body: 'Hi' } },
      { callbackUrl },
    );
    const receipts = async () =>
      (await readBy(twilioSms, ...door.got)).map((event) => (event.type === 'receipt' ? event.receipt : event));
    return { fake, door, providerId, receipts };
  };

  it('posts to the address the request named', async () => {
    const { fake, receipts } = await sent({ messages: ['sent', 'delivered'], calls: [] });
    await fake.settled();
    expect(await receipts()).toEqual(['sent', 'delivered']);
  });

  it('can repeat, reorder and hold back its posts', async () => {
    const { fake, providerId, receipts } = await sent();
    const options = { duplicate: true, reorder: true, delayMs: 5 };
    expect(await fake.deliver(providerId, ['sent', 'delivered'], options)).toEqual([200, 200, 200, 200]);
    expect(await receipts()).toEqual(['delivered', 'delivered', 'sent', 'sent']);
  });

  it('can sign wrongly', async () => {
    const { fake, door, providerId } = await sent();
    await fake.deliver(providerId, ['delivered'], { badSignature: true });
    await fake.deliver(providerId, ['delivered']);
    expect(door.got.map((r) => twilioSms.webhook?.verify(r, fake.credentials))).toEqual([false, true]);
  });
});
