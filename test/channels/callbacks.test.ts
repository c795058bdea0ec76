/** What providers tell us, case by case: what each callback says, and that nobody else can say it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { channels } from '../../channels/index.ts';
import { type Credentials, createRegistry, type RawRequest } from '../../src/channel-kit/index.ts';
import { arrived, readBy } from '../support/adapters.ts';
import { snsCertificate } from '../support/providers/sns.ts';
import { type Recorded, recorded, samples } from './fixtures/callbacks.ts';

const registry = createRegistry(channels);
const AT = new Date('2026-08-01T10:00:00Z');
const context = { document: async () => snsCertificate };

function posted({ adapter: id, settings, request }: Recorded) {
  const { adapter, channel } = registry.adapter(id) ?? {};
  if (!adapter?.webhook || !channel) throw new Error(`${id} has no door`);
  const credentials: Credentials = { ...samples[id], ...settings };
  const callback = request({ url: `https://hooks.test/hooks/${id}/con_1`, credentials, at: AT });
  const verify = async (given: RawRequest, by = credentials) => adapter.webhook?.verify(given, by, context);
  return { adapter, channel, credentials, request: arrived(callback, AT), verify };
}

const cases = recorded.map((one) => [one.name, one] as const);

describe('a callback', () => {
  it.each(cases)('%s is genuine and says just that', async (_, one) => {
    const { adapter, credentials, request, verify } = posted(one);
    expect(await verify(request)).toBe(true);
    const events = await readBy(adapter, request);
    const account = adapter.account && credentials[adapter.account];
    const bare = events.map((event) => {
      if (event.type === 'ignored') return event;
      const { account: given, key, ...rest } = event;
      const begins = one.events.some((wanted) => wanted.key?.endsWith('…') && key.startsWith(wanted.key.slice(0, -1)));
      if (given !== undefined) expect(given).toBe(account);
      else expect([undefined, 'notice']).toContain(account && event.type);
      return { ...rest, key: begins ? `${key.split(':')[0]}:…` : key };
    });
    expect(bare).toEqual(one.events);
  });

  it('of which a byte was changed is refused, unless it says the same; with another secret, or none, it is refused', async () => {
    for (const one of recorded) {
      const { adapter, credentials, request, verify } = posted(one);
      const secrets = adapter.credentials.filter(({ secret, name }) => secret || name === 'sns_topic_arn');
      const said = await readBy(adapter, request);
      // Mailgun signs no body and the password of the two others proves who posts: what is changed there is not the body.
      if (!['mailgun', 'postmark', 'mime'].includes(String(credentials.callbacks)))
        for (let i = 0; i < request.body.length; i += 7) {
          const body = Buffer.from(request.body);
          body[i] = (body[i] as number) ^ 1;
          // The last sign of a signature has bits that mean nothing.
          if (await verify({ ...request, body }))
            expect(await readBy(adapter, { ...request, body }), one.name).toEqual(said);
        }
      for (const value of ['', 'another-secret-0000000'])
        expect(
          await verify(request, { ...credentials, ...Object.fromEntries(secrets.map(({ name }) => [name, value])) }),
          one.name,
        ).toBe(false);
      expect(await verify({ ...request, headers: {}, body: Buffer.from('{}') }), one.name).toBe(false);
    }
  });

  it('has one key however often it comes, and another than any other', async () => {
    const all = await Promise.all(
      recorded.map(async (one) => {
        const { adapter, request } = posted(one);
        const [first, second] = [await readBy(adapter, request), await readBy(adapter, request)];
        expect(second).toEqual(first);
        return first.flatMap((event) =>
          event.type === 'ignored' ? [] : [`${one.adapter}|${event.type}|${event.key}`],
        );
      }),
    );
    const keys = all.flat();
    const repeated = keys.filter((key, i) => keys.indexOf(key) !== i);
    // A mention that is told twice is one message; the cases of a report and of an answer are variants of one mail.
    expect(
      [...new Set(repeated)].filter((key) => !/mention|C024BE91L:1785578400.000003|report:|mail:ada/.test(key)),
    ).toEqual([]);
  });

  it('names people by recipient fields that their channel reads', () => {
    for (const one of recorded)
      for (const event of one.events) {
        const recipient = event.person?.recipient ?? event.recipient;
        if (!recipient) continue;
        const { channel } = posted(one);
        expect(channel.recipient.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(recipient)));
        expect(channel.address(recipient, {})).toBe(Object.values(recipient)[0]);
      }
  });

  it('mutilated in any way is still read to the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...recorded),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 20 }),
        fc.nat(),
        async (one, changes, cut) => {
          const { adapter, request } = posted(one);
          const body = Buffer.from(request.body.subarray(0, cut % (request.body.length + 1)));
          for (const [where, byte] of changes) if (body.length > 0) body[where % body.length] = byte;
          const events = await readBy(adapter, { ...request, body });
          expect(events.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('with any value of its JSON replaced is still read to the end', async () => {
    const json = recorded.filter((one) => posted(one).request.body.toString().startsWith('{'));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...json), fc.nat(), fc.jsonValue({ maxDepth: 2 }), async (one, where, value) => {
        const { adapter, request } = posted(one);
        const body = Buffer.from(JSON.stringify(replaced(JSON.parse(request.body.toString()), where, value)));
        expect((await readBy(adapter, { ...request, body })).length).toBeGreaterThan(0);
      }),
      { numRuns: 1_000 },
    );
  });
});

/** The same with the value at one of its places exchanged; the text of an SNS message is a document too. */
function replaced(whole: unknown, where: number, value: unknown): unknown {
  const places: (() => void)[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, inner] of Object.entries(node)) {
      places.push(() => {
        (node as Record<string, unknown>)[key] = value;
      });
      walk(inner);
    }
  };
  const root = whole as Record<string, unknown>;
  if (typeof root.Message === 'string' && root.Message.startsWith('{')) {
    root.Message = JSON.stringify(replaced(JSON.parse(root.Message), where, value));
    return root;
  }
  walk(root);
  places[where % places.length]?.();
  return root;
}
