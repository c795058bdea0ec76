/**
 * Names that lead inside. The resolver is the test's own, and answers as an attacker's would; the sockets and the server
 * that must not be reached are real. What is refused as written is in test/e2e/egress.test.ts.
 */
import type { LookupAddress } from 'node:dns';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createEgress, type Egress } from '../../src/lib/egress.ts';
import { createFetch, type Fetch } from '../../src/lib/fetch.ts';
import { until } from '../support/product.ts';

let server: Server;
let port = 0;
let reached = 0;
let asked: string[] = [];
/** The next answers, one a question; the last one stays. An error is one, too. */
let answers: (readonly string[] | Error)[] = [];

const resolve: Parameters<typeof createEgress>[1] = (hostname, _options, callback) => {
  asked.push(hostname);
  const answer = (answers.length > 1 ? answers.shift() : answers[0]) ?? [];
  setImmediate(() =>
    answer instanceof Error
      ? callback(answer, [])
      : callback(
          null,
          answer.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
        ),
  );
};
/** Nothing that is public is dialled here: each answer below has at least one address that must stop it before. */
const PUBLIC = '93.184.216.34';
const PUBLIC6 = '2606:2800:220:1:248:1893:25c8:1946';

beforeAll(async () => {
  server = createServer((_, response) => {
    reached++;
    response.end('{}');
  });
  server.on('connection', () => {
    reached++;
  });
  server.listen(0, '127.0.0.1');
  await until(() => server.listening);
  port = (server.address() as AddressInfo).port;
});
afterAll(() => server.close());

let egress: Egress;
let fetch: Fetch;
beforeEach(() => {
  [reached, asked, answers] = [0, [], []];
  egress = createEgress([], resolve);
  fetch = createFetch(egress);
});
afterEach(() => fetch.close());

const INSIDE: readonly [string, readonly string[]][] = [
  ['a private address', ['127.0.0.1']],
  ['this network', ['0.0.0.0']],
  ['the metadata of a cloud', ['169.254.169.254']],
  ['its IPv6', ['fd00:ec2::254']],
  ['a public address and a private one', [PUBLIC, '127.0.0.1']],
  ['a private address and a public one', ['10.0.0.1', PUBLIC]],
  ['a private AAAA beside a public A', [PUBLIC, '::1']],
  ['a private A beside a public AAAA', [PUBLIC6, '192.168.0.1']],
  ['IPv4 inside IPv6', ['::ffff:127.0.0.1']],
  ['NAT64 of a private address', ['64:ff9b::7f00:1']],
  ['6to4 of a private address', ['2002:7f00:1::']],
  ['shared address space', ['100.64.0.1']],
  ['a link-local address with a zone', ['fe80::1%lo']],
];

describe('a name that leads to', () => {
  it.each(INSIDE)('%s is not dialled, by either of the two who dial', async (_, addresses) => {
    answers = [addresses];
    await expect(fetch({ url: `http://api.provider.example:${port}/` })).rejects.toMatchObject({
      sent: false,
      code: 'BLOCKED_ADDRESS',
    });
    await expect(egress.dial('mail.provider.example', port)).rejects.toMatchObject({ code: 'BLOCKED_ADDRESS' });
    expect([reached, asked]).toEqual([0, ['api.provider.example', 'mail.provider.example']]);
  });

  it.each([
    ['nothing', Object.assign(new Error('queryA ENOTFOUND'), { code: 'ENOTFOUND' })],
    ['no answer in time', Object.assign(new Error('queryA ETIMEOUT'), { code: 'ETIMEOUT' })],
    ['an empty list', [] as string[]],
    ['what is no address', ['not-an-address']],
  ])('%s is not dialled: what cannot be judged is refused', async (_, answer) => {
    answers = [answer];
    await expect(fetch({ url: `http://api.provider.example:${port}/` })).rejects.toMatchObject({ sent: false });
    await expect(egress.dial('mail.provider.example', port)).rejects.toThrow();
    expect(reached).toBe(0);
  });
});

describe('a name that changes its mind', () => {
  it('between the look and the dial: there is one look for each dial, and what was looked at is dialled', async () => {
    answers = [['127.0.0.1'], [PUBLIC]];
    await expect(fetch({ url: `http://api.provider.example:${port}/` })).rejects.toMatchObject({
      code: 'BLOCKED_ADDRESS',
    });
    expect(asked).toHaveLength(1);
    // The other way about, without a network: what is handed to the socket is what was judged, all of it.
    answers = [[PUBLIC, PUBLIC6], ['127.0.0.1']];
    const handed = await new Promise((done) =>
      egress.lookup(443)('api.provider.example', { all: true }, (error, addresses) => done([error, addresses])),
    );
    expect(handed).toEqual([
      null,
      [
        { address: PUBLIC, family: 4 },
        { address: PUBLIC6, family: 6 },
      ],
    ]);
    expect(asked).toHaveLength(2);
  });

  it('after a first good answer: the socket that is open goes on, and the next one is judged anew', async () => {
    const own = createEgress([`127.0.0.1:${port}`], resolve);
    const through = createFetch(own);
    const url = `http://api.provider.example:${port}/`;
    try {
      answers = [['127.0.0.1'], ['10.0.0.1']];
      for (let n = 0; n < 3; n++) expect((await through({ url })).status).toBe(200);
      expect(asked).toHaveLength(1);
      server.closeIdleConnections();
      await until(
        async () => (await through({ url }).catch((error: unknown) => error as { code?: string })) && asked.length > 1,
      );
      await expect(through({ url })).rejects.toMatchObject({ sent: false, code: 'BLOCKED_ADDRESS' });
    } finally {
      await through.close();
    }
  });

  it('for a name on a port that the operator has listed by address: the port beside it stays shut', async () => {
    const through = createFetch(createEgress([`127.0.0.1:${port + 1}`], resolve));
    answers = [['127.0.0.1']];
    await expect(through({ url: `http://api.provider.example:${port}/` })).rejects.toMatchObject({
      code: 'BLOCKED_ADDRESS',
    });
    await through.close();
    expect(reached).toBe(0);
  });
});

it('no proxy of the environment is asked to go there instead', async () => {
  const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'];
  const before = names.map((name) => process.env[name]);
  for (const name of names) process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : `http://127.0.0.1:${port}`;
  try {
    const through = createFetch(createEgress([], resolve));
    answers = [['10.0.0.1']];
    await expect(through({ url: 'http://api.provider.example/' })).rejects.toMatchObject({ code: 'BLOCKED_ADDRESS' });
    await expect(through({ url: 'https://api.provider.example/' })).rejects.toMatchObject({ code: 'BLOCKED_ADDRESS' });
    await through.close();
    expect(reached).toBe(0);
  } finally {
    names.forEach((name, n) => {
      if (before[n] === undefined) delete process.env[name];
      else process.env[name] = before[n];
    });
  }
});
