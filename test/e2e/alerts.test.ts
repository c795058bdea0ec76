/** What goes wrong beyond a limit is told once, to people and to webhooks, and once more when it is over. */
import { afterAll, describe, expect, it } from 'vitest';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { startSmtp } from '../support/providers/smtp.ts';
import { startReceiver } from '../support/receiver.ts';
import { newPhone, startScene } from '../support/scene.ts';

const mailbox = await startSmtp();
const receiver = await startReceiver();
const { username = '', password = '' } = mailbox.credentials as Record<string, string>;
const who = username ? `${encodeURIComponent(username)}:${encodeURIComponent(password)}@` : '';
const scene = await startScene({
  egress: [receiver.host],
  timing: { alertsMs: 50 },
  env: {
    SIGNUP: 'open',
    SYSTEM_SMTP_URL: `smtp://${who}127.0.0.1:${mailbox.port}?from=bells@example.com`,
  },
});
afterAll(async () => {
  await scene.close();
  await Promise.all([mailbox.close(), receiver.close()]);
});

const RULES = '/api/v1/alert_rules';
const NOBODY = '+15005550009';
const at = (method: string, path: string, body?: unknown, key = scene.testKey) =>
  scene.call(method, path, { key, ...(body === undefined ? {} : { body }) });
const make = (body: object, key?: string): Promise<Json> =>
  scene.must(201, at('POST', RULES, { name: 'Too many', metric: 'failures', threshold: 1, ...body }, key));
const remove = ({ id }: Json, key?: string): Promise<Json> =>
  scene.must(204, at('DELETE', `${RULES}/${id}`, undefined, key));
const send = (phone: string, key = scene.testKey): Promise<Json> =>
  scene.send({ recipient: { phone }, notification: { channels: ['sms'], body: 'Hello' } }, key);
const alerts = async (query = '', key?: string): Promise<Json[]> =>
  (await scene.must(200, at('GET', `/api/v1/alerts${query}`, undefined, key))).data;
/** As if so much time had passed since what was counted. */
const later = (rule: Json, minutes: number) =>
  scene.query(
    `update alert_tallies t set minute = minute - make_interval(mins => $1) where rule_id =
       (select id from alert_rules where name = $2 limit 1)`,
    [minutes, rule.name],
  );
const open = (rule: Json, key?: string): Promise<Json> =>
  until(async () => (await alerts('?status=open', key)).find(({ alert_rule_id }) => alert_rule_id === rule.id), {
    what: `an alert of ${rule.name}`,
  });
const over = (rule: Json, key?: string): Promise<Json> =>
  until(async () => (await alerts('?status=recovered', key)).find(({ alert_rule_id }) => alert_rule_id === rule.id), {
    what: `the end of ${rule.name}`,
  });
/** So many messages of a kind were counted by now, of a rule that is alone. */
const counted = (kind: number, count: number): Promise<unknown> =>
  until(
    async () => {
      const sums = await scene.query('select sum(count)::int as n from alert_tallies where kind = $1', [kind]);
      return (sums as Json[])[0]?.n === count;
    },
    { what: `${count} of kind ${kind}` },
  );
/** Rules have been judged after this moment. */
const judged = async (): Promise<void> => {
  const [{ now }] = (await scene.query('select clock_now()::text as now')) as [{ now: string }];
  await until(async () => (await scene.query('select 1 from alert_watches where judged_at <= $1', [now])).length === 0);
};

describe('a breach', () => {
  it('is one alert however long it lasts, and one word when it is over, to people, channels and webhooks', async () => {
    const email = 'operator@people.example';
    const made = await scene.product.deps.tenants.signUp({
      email,
      password: 'a bell for every window',
      name: 'Ada',
      organization: 'Shop',
    });
    await scene.query('update users set confirmed_at = clock_now() where email = $1', [email]);
    const { key } = made;
    const hook = await scene.must(
      201,
      at(
        'POST',
        '/api/v1/webhooks',
        { url: receiver.url('/alerts'), event_types: ['alert.fired', 'alert.recovered'] },
        key,
      ),
    );
    const rule = await make(
      {
        ...{
          name: 'Half of them',
          metric: 'failure_rate',
          threshold: 50,
          window_minutes: 5,
          min_messages: 4,
          channel: 'sms',
        },
        targets: [{ email }, { channel: 'slack', recipient: { slack_user_id: 'UDELIVERED' } }],
      },
      key,
    );
    for (let i = 0; i < 3; i++) await send(NOBODY, key);
    await counted(1, 3);
    await judged();
    // Three are too few to say anything.
    expect(await alerts('', key)).toEqual([]);
    await send(newPhone(), key);
    const fired = await open(rule, key);
    expect(fired).toMatchObject({
      ...{ object: 'alert', livemode: false, name: 'Half of them', metric: 'failure_rate', threshold: 50, value: 75 },
      ...{ status: 'open', recovered_at: null },
    });
    await send(NOBODY, key);
    await judged();
    await judged();
    expect(await alerts('', key)).toHaveLength(1);
    // 45 %: below the limit, and not well below it.
    for (let i = 0; i < 5; i++) await send(NOBODY, key);
    await counted(1, 9);
    for (let i = 0; i < 10; i++) await send(newPhone(), key);
    await counted(0, 20);
    await judged();
    expect((await alerts('', key)).map(({ status }) => status)).toEqual(['open']);
    await later(rule, 10);
    const ended = await over(rule, key);
    expect(ended).toMatchObject({ id: fired.id, status: 'recovered', fired_at: fired.fired_at });

    const told = await receiver.when('/alerts', 2);
    expect(told.map(({ body }) => [body.type, body.data.id, body.data.status])).toEqual([
      ['alert.fired', fired.id, 'open'],
      ['alert.recovered', fired.id, 'recovered'],
    ]);
    const letters = await until(() => {
      const found = mailbox.mails
        .filter(({ to }) => to.includes(email))
        .map(({ raw }) => raw.toString())
        .filter((raw) => raw.includes('Half of them'));
      return found.length >= 2 && found;
    });
    expect(letters.map((raw) => /^Subject: (.*)$/m.exec(raw)?.[1]?.trim())).toEqual([
      'Alert: Half of them (test mode)',
      'Over: Half of them (test mode)',
    ]);
    const words = await until(async () => {
      const rows = (await scene.query(
        `select input->>'body' as body from messages where channel = 'slack' order by id`,
      )) as Json[];
      return rows.length >= 2 && rows.map(({ body }) => body);
    });
    expect(words).toEqual([
      'Alert: Half of them (test mode). 75 % of messages failed; the limit is 50 %.',
      'Over: Half of them (test mode). It is well below the limit of 50 % again.',
    ]);
    expect(letters).toHaveLength(2);
    await remove(rule, key);
    await scene.must(204, at('DELETE', `/api/v1/webhooks/${hook.id}`, undefined, key));
  });

  it('that was told to the store and not yet to its targets is told after a crash, and once', async () => {
    const rule = await make({ name: 'Crash', targets: [{ channel: 'sms', recipient: { phone: '+14155557000' } }] });
    await send(NOBODY);
    const fired = await open(rule);
    const sent = () => scene.query(`select 1 from messages where address = '+14155557000'`);
    await until(async () => (await sent()).length === 1);
    await until(async () => (await scene.query('select 1 from alerts where untold is not null')).length === 0);
    await scene.query(`update alerts set untold = 'fired' where name = 'Crash'`);
    await until(async () => (await scene.query('select 1 from alerts where untold is not null')).length === 0);
    expect(await sent()).toHaveLength(1);
    // A rule that is deleted ends its alert, and nobody is told.
    await remove(rule);
    const [ended] = await alerts();
    expect([ended.id, ended.status]).toEqual([fired.id, 'recovered']);
    await judged();
    expect(await sent()).toHaveLength(1);
  });

  it('is judged over the messages of its channel, template, tenant and mode alone', async () => {
    const other = await scene.tenant();
    const rules = [
      await make({ name: 'Other channel', channel: 'email' }),
      await make({ name: 'Other template', template_id: 'news' }),
      await make({ name: 'Other mode' }, scene.liveKey),
      await make({ name: 'Other tenant' }, other.test_key),
      await make({ name: 'Off', enabled: false }),
    ];
    const mine = await make({ name: 'Mine', threshold: 2 });
    await send(NOBODY);
    await send(NOBODY);
    expect((await open(mine)).value).toBe(2);
    await judged();
    const names = new Set([
      ...(await alerts()).map(({ name }) => name),
      ...(await alerts('', scene.liveKey)).map(({ name }) => name),
      ...(await alerts('', other.test_key)).map(({ name }) => name),
    ]);
    for (const { name } of rules) expect(names).not.toContain(name);
    for (const rule of [...rules, mine])
      await remove(
        rule,
        rule.name === 'Other mode' ? scene.liveKey : rule.name === 'Other tenant' ? other.test_key : undefined,
      );
  });

  it('may be of how long messages take to arrive, and of a webhook that fails', async () => {
    const slow = await make({ name: 'Slow', metric: 'latency_p95', threshold: 30 });
    const broken = await make({ name: 'Broken', metric: 'endpoint_failures', threshold: 5 });
    await send(newPhone());
    await until(async () => (await scene.query('select 1 from alert_tallies where kind >= 2')).length > 0);
    await judged();
    expect((await alerts('?status=open')).map(({ name }) => name)).toEqual([]);
    await scene.query(
      `insert into alert_tallies (rule_id, minute, kind, count) select id, date_trunc('minute', clock_now()), 60, 40 from alert_rules where name = 'Slow'`,
    );
    expect((await open(slow)).value).toBeGreaterThan(30);
    const hook = await scene.must(201, at('POST', '/api/v1/webhooks', { url: receiver.url('/broken') }));
    await scene.query(`update endpoints set failures_in_row = 7 where url like '%/broken'`);
    expect((await open(broken)).value).toBe(7);
    await scene.query(`update endpoints set failures_in_row = 0 where url like '%/broken'`);
    await over(broken);
    for (const rule of [slow, broken]) await remove(rule);
    await scene.must(204, at('DELETE', `/api/v1/webhooks/${hook.id}`));
  });
});

describe('an alert rule', () => {
  it.each<[string, object, RegExp]>([
    ['a metric that is none', { metric: 'balance' }, /metric/],
    ['a rate beyond all', { metric: 'failure_rate', threshold: 101 }, /per cent/],
    ['a limit of nothing', { threshold: 0 }, /threshold/],
    ['a window without end', { window_minutes: 1_441 }, /window_minutes/],
    ['a channel that is none', { channel: 'pigeon' }, /is no channel/],
    ['a channel of webhooks', { metric: 'endpoint_failures', channel: 'sms' }, /about webhooks/],
    [
      'a stranger as target',
      { targets: [{ email: 'stranger@people.example' }] },
      /targets\.0: is not the confirmed address/,
    ],
    ['a target that is two', { targets: [{ email: 'a@b.example', channel: 'sms' }] }, /targets\.0: is an email, or/],
    ['a recipient that is none', { targets: [{ channel: 'sms', recipient: { phone: 'nobody' } }] }, /targets\.0/],
    [
      'a channel that takes no free text',
      { targets: [{ channel: 'whatsapp', recipient: { phone: '+14155550123' } }] },
      /targets\.0: .*template/i,
    ],
  ])('is refused for %s', async (_, body, message) => {
    const { status, body: answer } = await at('POST', RULES, { name: 'x', metric: 'failures', threshold: 1, ...body });
    expect([status, answer.error.code]).toEqual([422, 'validation_failed']);
    expect(answer.error.message).toMatch(message);
  });

  it('is read, changed, listed and deleted by its own tenant and mode, and each change is audited', async () => {
    const rule = await make({ name: 'Mine' });
    const other = await scene.tenant();
    for (const key of [scene.liveKey, other.test_key])
      for (const [method, body] of [['GET'], ['PATCH', { name: 'x' }], ['DELETE']] as const)
        expect((await at(method, `${RULES}/${rule.id}`, body, key)).status).toBe(404);
    const changed = await scene.must(200, at('PATCH', `${RULES}/${rule.id}`, { threshold: 5, window_minutes: 60 }));
    expect(changed).toMatchObject({ name: 'Mine', threshold: 5, window_minutes: 60, min_messages: 1, targets: [] });
    expect((await scene.must(200, at('GET', `${RULES}?limit=1`))).data).toEqual([changed]);
    await remove(rule);
    expect((await at('GET', `${RULES}/${rule.id}`)).status).toBe(404);
    const { data } = await scene.must(200, at('GET', '/api/v1/audit'));
    const actions = data.filter(({ target }: Json) => target === rule.id).map(({ action }: Json) => action);
    expect(actions).toEqual(['alert_rule.deleted', 'alert_rule.updated', 'alert_rule.created']);
  });
});
