/**
 * Everything our providers send, each callback twice, in any order: the same rows. Forty orders as a rule; SHUFFLES asks for more,
 * SHUFFLE_SEED repeats a failure, which prints its seed.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { recorded, samples } from '../channels/fixtures/callbacks.ts';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { type Scene, startScene } from '../support/scene.ts';

const SHUFFLES = Number(process.env.SHUFFLES ?? 40);
const SEED = Number(process.env.SHUFFLE_SEED ?? 1_042);

let scene: Scene;
let callbacks: { readonly adapter: string; readonly id: string; request(): Json }[];

beforeAll(async () => {
  scene = await startScene();
  const channels = new Map(
    scene.product.deps.registry.channels.flatMap(({ id, adapters }) => adapters.map((one) => [one.id, id] as const)),
  );
  const connections = new Map<string, Json>();
  const seen = new Map<string, string>();
  callbacks = [];
  for (const { adapter, settings = {}, request, events } of recorded) {
    // The certificates of one provider are fetched from it, which is shown elsewhere.
    if ('sns_topic_arn' in settings) continue;
    const credentials = { ...samples[adapter], ...settings };
    const name = JSON.stringify([adapter, credentials]);
    // One event cannot say two things: of recordings that name the same one and differ, the first.
    const said = events.map((event) => [`${name} ${event.key}`, JSON.stringify(event)] as const);
    if (said.some(([key, text]) => (seen.get(key) ?? text) !== text)) continue;
    for (const [key, text] of said) seen.set(key, text);
    const connection =
      connections.get(name) ?? (await scene.connect(channels.get(adapter) ?? '', credentials, { adapter }));
    connections.set(name, connection);
    const url = connection.callback_url as string;
    callbacks.push({
      adapter,
      id: connection.id,
      request: () => request({ url, credentials, at: new Date(Date.now()) }),
    });
  }
  expect(callbacks.length).toBeGreaterThan(30);
});
afterAll(() => scene.close());

/** So many come in at the same moment. */
const AT_ONCE = 16;
const receive = ({ adapter, id, request }: (typeof callbacks)[number]) => {
  const { url, ...rest } = request();
  const query = Object.fromEntries(new URL(url).searchParams);
  return scene.product.deps.inbound.receive(adapter, id, { ...rest, url, query, at: new Date(Date.now()) });
};

/** What there is, but for ids and the times that are ours. */
async function rows(): Promise<Json> {
  const recent = (column: string) =>
    `case when ${column} < now() - interval '10 minutes' then ${column} end as ${column.replace(/\W/g, '_')}`;
  const [messages, conversations, contacts, media, receipts, events] = await Promise.all(
    [
      `select i.connection_id, i.provider_id, i.key, c.address, i.kind, i.text, i.data, i.origin, i.own, i.reply_to from inbound_messages i
       join conversations c on c.id = i.conversation_id order by 1, 3`,
      `select connection_id, address, recipient, status, unread, ${recent('last_inbound_at')} from conversations order by 1, 2`,
      `select array_agg(i.kind || ' ' || i.value || ' ' || i.scope order by i.kind, i.value, i.scope) as names from contact_identities i
       join contacts c on c.id = i.contact_id group by coalesce(c.merged_into, c.id) order by 1`,
      `select i.key, m.position, m.mime, m.filename, m.provider_id, m.url, m.size from inbound_media m join inbound_messages i on i.id = m.message_id order by 1, 2`,
      `select connection_id, key, receipt, fault from receipts order by 1, 2`,
      `select type, count(*)::int as count from events group by 1 order by 1`,
    ].map((sql) => scene.query<Json>(sql)),
  );
  return { messages, conversations, contacts, media, receipts, events };
}

it(`the callbacks of every provider, sent twice and in ${SHUFFLES} seeded orders, end in the same rows`, async () => {
  const twice = [...callbacks, ...callbacks];
  const orders = fc.sample(fc.shuffledSubarray(twice, { minLength: twice.length }), { numRuns: SHUFFLES, seed: SEED });
  let first: Json;
  for (const [nth, order] of orders.entries()) {
    await scene.query(
      'truncate inbound_requests, inbound_messages, inbound_media, conversations, contacts, contact_identities, contact_merges, told_notices, receipts, events',
    );
    for (let from = 0; from < order.length; from += AT_ONCE)
      await Promise.all(order.slice(from, from + AT_ONCE).map(receive));
    await until(
      async () => (await scene.query('select 1 from inbound_requests where applied_at is null')).length === 0,
    );
    expect(await scene.query('select error from inbound_requests where error is not null')).toEqual([]);
    const found = await rows();
    first ??= found;
    expect(found, `order ${nth} of seed ${SEED}`).toEqual(first);
  }
  expect(first.messages.length).toBeGreaterThan(20);
  expect(first.events).toContainEqual({ type: 'message.received', count: expect.any(Number) });
}, 120_000);
