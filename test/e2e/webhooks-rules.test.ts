/** Rules send events to endpoints, one or several, and say beforehand what they would do. */
import { afterAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/lib/ids.ts';
import { startHooked } from '../support/hooked.ts';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { newPhone } from '../support/scene.ts';

const { scene, receiver, at, create, archive, send, close } = await startHooked();
afterAll(close);

const RULES = '/api/v1/webhook_rules';
const byRules = (path: string, key?: string) => create(path, { routing: 'rules' }, key);
const make = (body: object, key?: string): Promise<Json> => scene.must(201, at('POST', RULES, body, key));
const remove = ({ id }: Json): Promise<Json> => scene.must(204, at('DELETE', `${RULES}/${id}`));
const tryThem = (body: object): Promise<Json> => scene.must(200, at('POST', `${RULES}/test`, body));

/** A message that came in, as the feed has it. */
const written = (text: string, kind = 'text', from = '+6281234567890'): Promise<unknown> =>
  scene.query(
    `insert into events (id, tenant_id, mode, type, data) values ($1, $2, 'sandbox', 'message.received', $3)`,
    [
      newId(),
      scene.product.tenantId,
      {
        ...{ channel: 'whatsapp', from, content: { kind, text }, message_id: 'msg_1', provider_id: 'wamid.1' },
        conversation_id: 'cnv_1',
      },
    ],
  );

describe('an event', () => {
  it('goes to every endpoint that rules send it to, to no other, and as far as the first that stops', async () => {
    const [sales, support, log, rest] = await Promise.all(
      ['/sales', '/support', '/log', '/rest'].map((path) => byRules(path)),
    );
    const told = await create('/told', { event_types: ['message.received'] });
    const rules = [
      await make({ priority: 1, conditions: { all: [{ event_type: ['message.received'] }] }, targets: [log.id] }),
      await make({
        priority: 2,
        conditions: { all: [{ keyword: ['harga', 'price'] }, { sender: ['+62'] }] },
        targets: [sales.id, support.id],
        stop: true,
      }),
      await make({
        priority: 3,
        conditions: { any: [{ message_type: ['image'] }, { regex: ['(?i)^order #\\d+'] }] },
        targets: [support.id],
      }),
      await make({ priority: 4, enabled: false, conditions: { all: [] }, targets: [rest.id] }),
    ];
    await written('Berapa HARGA?');
    await written('Price', 'text', '+491511234567');
    await written('Order #42');
    await written('', 'image');
    const texts = (path: string) => receiver.of(path).map(({ body }) => body.data.content.text);
    await receiver.when('/log', 4);
    await receiver.when('/told', 4);
    await receiver.when('/support', 3);
    expect(texts('/sales')).toEqual(['Berapa HARGA?']);
    expect(texts('/support').sort()).toEqual(['', 'Berapa HARGA?', 'Order #42']);
    expect(
      receiver
        .of('/support')
        .map(({ body }) => body.sequence)
        .sort(),
    ).toEqual([1, 2, 3]);
    expect(receiver.of('/rest')).toEqual([]);
    // One and the same event, wherever it goes.
    const [one] = receiver.of('/sales');
    for (const path of ['/support', '/log', '/told']) expect(receiver.of(path).map(({ id }) => id)).toContain(one?.id);

    const { facts, rules: why, endpoints } = await tryThem({ event_id: one?.id });
    expect(facts).toEqual({
      ...{ event_type: 'message.received', channel: 'whatsapp', message_type: 'text' },
      ...{ sender: '+6281234567890', text: 'Berapa HARGA?' },
    });
    expect(why.map(({ matches, reached }: Json) => [matches, reached])).toEqual([
      [true, true],
      [true, true],
      [false, false],
      [true, false],
    ]);
    expect(why[1].conditions[0]).toEqual({
      ...{ path: 'all.0', condition: { keyword: ['harga', 'price'] }, found: 'Berapa HARGA?', matches: true },
    });
    const gets = Object.fromEntries(endpoints.map(({ endpoint_id, gets: it }: Json) => [endpoint_id, it]));
    expect(gets).toEqual({ [sales.id]: true, [support.id]: true, [log.id]: true, [rest.id]: false, [told.id]: true });
    for (const rule of rules) await remove(rule);
    for (const endpoint of [sales, support, log, rest, told]) await archive(endpoint);
  });

  it('of a message that goes out is routed too, and a rule that changes is asked anew', async () => {
    const endpoint = await byRules('/out');
    const rule = await make({ conditions: { all: [{ event_type: ['message.delivered'] }] }, targets: [endpoint.id] });
    await send();
    const [first] = await receiver.when('/out', 1);
    expect(first?.body.type).toBe('message.delivered');
    await scene.must(
      200,
      at('PATCH', `${RULES}/${rule.id}`, { conditions: { all: [{ event_type: ['message.sent'] }] } }),
    );
    await send();
    expect((await receiver.when('/out', 2)).map(({ body }) => body.type)).toEqual([
      'message.delivered',
      'message.sent',
    ]);
    await archive(endpoint);
    // What is archived is no target any more.
    expect((await scene.must(200, at('GET', `${RULES}/${rule.id}`))).targets).toEqual([]);
    await remove(rule);
  });

  it('that tells of the end of a bulk is written once, as the bulk is read then', async () => {
    const endpoint = await create('/bulk', { event_types: ['bulk.completed'] });
    const recipients = [{ phone: newPhone() }, { phone: newPhone() }, { phone: 'nobody' }];
    const bulk = await scene.must(
      202,
      at('POST', '/api/v1/notifications/bulk', { channels: ['sms'], body: 'Hi', name: 'Spring', recipients }),
    );
    const [ended] = await receiver.when('/bulk', 1);
    expect(ended?.body.data).toMatchObject({
      ...{ bulk_id: bulk.bulk_id, name: 'Spring', status: 'completed', accepted: 2, rejected: 1 },
      counts: { queued: 0 },
    });
    const later = await scene.must(
      202,
      at('POST', '/api/v1/notifications/bulk', {
        ...{ channels: ['sms'], body: 'Hi', send_at: new Date(Date.now() + 3_600_000).toISOString() },
        recipients: [{ phone: newPhone() }],
      }),
    );
    await scene.must(200, at('POST', `/api/v1/notifications/bulk/${later.bulk_id}/cancel`));
    const [, cancelled] = await receiver.when('/bulk', 2);
    expect(cancelled?.body.data).toMatchObject({ bulk_id: later.bulk_id, status: 'cancelled', counts: { failed: 1 } });
    const { data } = await scene.must(200, at('GET', '/api/v1/events?type=bulk.completed'));
    expect(data.map((event: Json) => event.data.bulk_id)).toEqual([bulk.bulk_id, later.bulk_id]);
    await archive(endpoint);
  });
});

describe('a rule', () => {
  const fault = async (body: object): Promise<string> => {
    const { status, body: answer } = await at('POST', RULES, body);
    expect([status, answer.error.code]).toEqual([422, 'validation_failed']);
    return answer.error.message;
  };
  const all = (leaf: object) => ({ conditions: { all: [leaf] }, targets: [] });

  it.each<[string, object, RegExp]>([
    ['a pattern that is none', all({ regex: ['('] }), /conditions\.all\.0\.regex: is not a regular expression/],
    ['one that looks around', all({ regex: ['(?=x)'] }), /RE2/],
    ['one that is too large', all({ regex: ['x{1,900}'] }), /too large/],
    [
      'patterns that are too large together',
      all({
        regex: Array(5)
          .fill(0)
          .map((_, i) => `x{${60 + i}}`),
      }),
      /too many patterns/,
    ],
    ['one that is too long', all({ regex: ['x'.repeat(201)] }), /200/],
    [
      'a type that no event has',
      all({ event_type: ['message.flown'] }),
      /conditions\.all\.0\.event_type\.0: is no type/,
    ],
    ['a channel that is none', all({ channel: ['pigeon'] }), /is no channel; there are/],
    ['two things in one condition', all({ channel: ['sms'], keyword: ['x'] }), /conditions\.all\.0/],
    ['nothing in one', all({}), /conditions\.all\.0/],
    ['three levels', all({ any: [{ any: [{ keyword: ['x'] }] }] }), /is not a field/],
    ['all and any at once', { conditions: { all: [], any: [{ keyword: ['x'] }] }, targets: [] }, /conditions/],
    [
      'a target that is none',
      { conditions: { all: [] }, targets: ['whk_1'] },
      /targets\.0: is not the id of a webhook/,
    ],
  ])('is refused for %s', async (_, body, message) => {
    expect(await fault(body)).toMatch(message);
  });

  it('names webhooks that take what rules send, of its own tenant and mode', async () => {
    const mine = await create('/subscribed');
    const other = await scene.tenant();
    const theirs = await byRules('/theirs', other.test_key);
    const live = await byRules('/live', scene.liveKey);
    const targets = (id: string) => ({ conditions: { all: [] }, targets: [id] });
    expect(await fault(targets(mine.id))).toMatch(/set its `routing` to `rules` first/);
    for (const { id } of [theirs, live]) expect(await fault(targets(id))).toMatch(/is not the id of a webhook/);
    await scene.must(200, at('PATCH', `/api/v1/webhooks/${mine.id}`, { routing: 'rules' }));
    const rule = await make(targets(mine.id));
    for (const key of [other.test_key, scene.liveKey])
      expect((await at('GET', `${RULES}/${rule.id}`, undefined, key)).status).toBe(404);
    await remove(rule);
    expect((await at('GET', `${RULES}/${rule.id}`)).status).toBe(404);
    for (const [endpoint, key] of [[mine], [theirs, other.test_key], [live, scene.liveKey]] as const)
      await archive(endpoint, key);
  });

  it('may be tried before it is kept, against a sample; and is listed, also at the address of the gateway', async () => {
    const endpoint = await byRules('/tried');
    const draft = { name: 'Orders', conditions: { any: [{ regex: ['\\border\\b'] }] }, targets: [endpoint.id] };
    const tried = await tryThem({ sample: { event_type: 'message.received', text: 'my order' }, rules: [draft] });
    expect(tried.rules).toMatchObject([{ rule_id: null, name: 'Orders', matches: true, reached: true }]);
    expect(tried.endpoints).toEqual([{ endpoint_id: endpoint.id, name: '', gets: true, why: 'Sent by Orders.' }]);
    expect((await at('POST', `${RULES}/test`, {})).status).toBe(422);
    expect((await at('POST', `${RULES}/test`, { event_id: 'evt_00000000000000000000000000' })).status).toBe(404);
    const rule = await make(draft);
    const { data } = await scene.must(200, at('GET', '/v1/webhook_rules?limit=1'));
    expect(data).toEqual([rule]);
    const { data: audit } = await scene.must(200, at('GET', '/api/v1/audit'));
    expect(audit.find(({ action }: Json) => action === 'webhook_rule.created').detail.after).toMatchObject(draft);
    await remove(rule);
    await archive(endpoint);
  });

  it('is one of fifty, and all of them together have a bounded price', async () => {
    const { test_key: key } = await scene.tenant();
    const one = (priority: number) => ({ ...all({ regex: [`x{${150 + priority}}`] }), priority });
    const made = [];
    for (let i = 0; i < 6; i++) made.push(await make(one(i), key));
    const beyond = await at('POST', RULES, one(7), key);
    expect([beyond.status, beyond.body.error.code]).toEqual([409, 'conflict']);
    const off = await make({ ...one(7), enabled: false }, key);
    expect((await at('PATCH', `${RULES}/${off.id}`, { enabled: true }, key)).status).toBe(409);
    for (let i = 0; i < 43; i++) await make(all({ channel: ['sms'] }), key);
    const { body } = await at('POST', RULES, all({ channel: ['sms'] }), key);
    expect(body.error.message).toMatch(/There are 50 rules already/);
    await until(async () => made.length === 6);
  });
});
