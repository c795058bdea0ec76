import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { BlockedAddress, createEgress } from '../../../src/lib/egress.ts';

const egress = createEgress(['10.0.0.5:25', '[fd00::1]:25', 'Mail.internal:587']);

describe('an address as written', () => {
  test.each([
    'localhost',
    'a.localhost',
    'db.internal',
    'printer.local',
    'intranet',
    'example.com.',
    'LOCALHOST',
    '127.0.0.1',
    '127.1',
    '0x7f.1',
    '0x7f000001',
    '017700000001',
    '2130706433',
    '0',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '198.18.0.1',
    '192.0.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '[::]',
    '::1',
    '[::1]',
    '::ffff:10.0.0.1',
    '[::ffff:10.0.0.1]',
    '[::ffff:7f00:1]',
    '2002:7f00:1::',
    '[2002:7f00:1::]',
    'fc00::1',
    '[fc00::1]',
    'fd12::1',
    'fe80::1',
    'ff02::1',
    '64:ff9b::7f00:1',
    '2001:db8::1',
    '::7f00:1',
    '[::7f00:1]',
    '::a00:1',
    '::127.0.0.1',
    '::2',
    '::ffff:0:7f00:1',
    '64:ff9b:1::7f00:1',
    '100::1',
    'fec0::1',
    '3ffe::1',
    '3fff::1',
    '2001::1',
    '2001:2::1',
    '2001:10::1',
    '4000::1',
    '5f00::1',
    '192.88.99.1',
    '',
  ])('%s is refused', (host) => expect(egress.refusal(host, 443)).toBeTypeOf('string'));

  test.each([
    'example.com',
    'xn--bcher-kva.example',
    '93.184.216.34',
    '[2606:2800:220:1:248:1893:25c8:1946]',
    '2606:4700::1111',
  ])('%s may be dialled', (host) => expect(egress.refusal(host, 443)).toBeUndefined());

  test('what the operator lists is open on that port alone', () => {
    expect(egress.refusal('10.0.0.5', 25)).toBeUndefined();
    expect(egress.refusal('10.0.0.5', 26)).toBeTypeOf('string');
    expect(egress.refusal('[fd00::1]', 25)).toBeUndefined();
    expect(egress.refusal('mail.INTERNAL', 587)).toBeUndefined();
    expect(egress.refusal('mail.internal', 25)).toBeTypeOf('string');
  });
});

describe('dialling', () => {
  const listen = () =>
    new Promise<{ port: number; close: () => void; seen: () => number }>((resolve) => {
      let count = 0;
      const server = createServer((socket) => {
        count++;
        socket.on('error', () => undefined).end();
      });
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve({
          port: typeof address === 'object' && address ? address.port : 0,
          close: () => server.close(),
          seen: () => count,
        });
      });
    });

  test('a private address is refused before a packet leaves', async () => {
    const { port, close, seen } = await listen();
    await expect(egress.dial('127.0.0.1', port)).rejects.toBeInstanceOf(BlockedAddress);
    expect(seen()).toBe(0);
    close();
  });
  test('a name is judged by every address it has', async () => {
    const { port, close, seen } = await listen();
    // The lookup is what a socket of somebody else's library uses: the name passes, its address does not.
    await new Promise<void>((resolve) =>
      egress.lookup(port)('localhost', { all: true }, (error) => {
        expect(error).toBeInstanceOf(BlockedAddress);
        resolve();
      }),
    );
    expect(seen()).toBe(0);
    close();
  });
  test('an allowed one is reached', async () => {
    const { port, close } = await listen();
    const socket = await createEgress([`127.0.0.1:${port}`]).dial('127.0.0.1', port);
    expect(socket.remotePort).toBe(port);
    socket.destroy();
    close();
  });
  test('a socket that breaks before its taker listens ends nothing but itself', async () => {
    const { port, close } = await listen();
    const socket = await createEgress([`127.0.0.1:${port}`]).dial('127.0.0.1', port);
    socket.destroy(new Error('broken'));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(socket.errored).toMatchObject({ message: 'broken' });
    close();
  });
  test("a timeout that the taker sets is the taker's", async () => {
    const { port, close } = await listen();
    const socket = await createEgress([`127.0.0.1:${port}`]).dial('127.0.0.1', port);
    expect(socket.listenerCount('timeout')).toBe(0);
    socket.destroy();
    close();
  });
  test('the peer of an open socket is judged again', async () => {
    const { port, close } = await listen();
    const socket = await createEgress([`127.0.0.1:${port}`]).dial('127.0.0.1', port);
    expect(() => createEgress([]).checkPeer(socket, 'rebound.example.com', port)).toThrow(BlockedAddress);
    expect(socket.destroyed).toBe(true);
    close();
  });
});
