/** The portal as bytes: every page renders, says who may see it, escapes, and changes nothing without its own form. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';
import { HOSTILE, type Served, servePortal, UNFINISHED } from './fixtures.ts';
import { get, type Who } from './visits.ts';

let full: Served;
let empty: Served;
let hostile: Served;
beforeAll(async () => {
  [full, empty, hostile] = await Promise.all([
    servePortal(),
    servePortal({ empty: true }),
    servePortal({ hostile: true }),
  ]);
});
afterAll(async () => {
  await Promise.all([full.close(), empty.close(), hostile.close()]);
});

const paths = (served: Served): readonly [path: string, who: Who][] => {
  const { notifications, messages, connections } = served.fixtures;
  return [
    ['/portal', 'test'],
    ['/portal', 'live'],
    ['/portal/activity', 'test'],
    ['/portal/activity?recipient=nobody@example.com&status=failed', 'test'],
    ...notifications.map(({ notification_id }): [string, Who] => [`/portal/messages/${notification_id}`, 'test']),
    ['/portal/outbox', 'test'],
    ['/portal/outbox', 'live'],
    ...messages.flatMap(({ part }): [string, Who][] =>
      ['html', 'text', 'headers', 'source'].map((view) => [`/portal/outbox/${part.message_id}?view=${view}`, 'test']),
    ),
    ['/portal/campaigns', 'test'],
    ['/portal/campaigns/new', 'test'],
    ['/portal/campaigns/new?template_id=order_shipped', 'live'],
    ...served.fixtures.campaigns.bulks.map(({ bulk_id }): [string, Who] => [`/portal/campaigns/${bulk_id}`, 'test']),
    ...served.fixtures.campaigns.drafts
      .filter(({ bulk_id }) => !bulk_id)
      .flatMap(({ draft_id, mapped }): [string, Who][] => [
        [`/portal/campaigns/drafts/${draft_id}`, 'test'],
        ...(mapped ? ([[`/portal/campaigns/drafts/${draft_id}/preview`, 'live']] satisfies [string, Who][]) : []),
      ]),
    ['/portal/templates', 'test'],
    ['/portal/templates/new', 'test'],
    ...(served.fixtures.empty
      ? []
      : ([
          ['/portal/templates/order_shipped', 'test'],
          ['/portal/templates/order_shipped?version=3&part=sms/en', 'test'],
          ['/portal/templates/order_shipped/edit', 'test'],
          ['/portal/templates/order_shipped/compare?from=1&to=3', 'test'],
        ] satisfies [string, Who][])),
    ['/portal/channels', 'test'],
    ['/portal/channels', 'live'],
    ...['whatsapp', 'email', 'sms', 'slack', 'voice'].map((channel): [string, Who] => [
      `/portal/connections/new?channel=${channel}`,
      'live',
    ]),
    ...connections.map(({ id }): [string, Who] => [`/portal/connections/${id}`, 'live']),
    ['/portal/webhooks', 'test'],
    ['/portal/webhooks/new', 'test'],
    ...served.fixtures.webhooks.endpoints.map(({ id }): [string, Who] => [`/portal/webhooks/${id}`, 'test']),
    ['/portal/deliveries', 'test'],
    ['/portal/deliveries?status=failed&event_type=nothing', 'test'],
    ...served.fixtures.webhooks.deliveries.map(({ id }): [string, Who] => [`/portal/deliveries/${id}`, 'test']),
    ['/portal/rules', 'test'],
    ['/portal/rules/new', 'test'],
    ['/portal/rules/new?as=json', 'test'],
    ...served.fixtures.webhooks.rules.map(({ id }): [string, Who] => [`/portal/rules/${id}`, 'test']),
    ['/portal/rules/try', 'test'],
    ...(served.fixtures.empty
      ? []
      : ([
          ['/portal/rules/try?event_id=evt_1', 'test'],
          ['/portal/rules/try?event_type=message.received&text=refund', 'test'],
        ] satisfies [string, Who][])),
    ['/portal/inbox', 'test'],
    ['/portal/inbox', 'live'],
    ['/portal/inbox?status=all&assignee=me', 'test'],
    ...served.fixtures.people.conversations.flatMap(({ id }): [string, Who][] => [
      [`/portal/inbox/${id}`, 'test'],
      [`/portal/inbox/${id}?template_id=order_shipped`, 'test'],
    ]),
    ['/portal/auto-replies', 'test'],
    ['/portal/auto-replies/new', 'test'],
    ['/portal/auto-replies/new?as=json', 'test'],
    ...served.fixtures.people.autoReplies.map(({ id }): [string, Who] => [`/portal/auto-replies/${id}`, 'test']),
    ['/portal/alerts', 'test'],
    ['/portal/alerts/new', 'test'],
    ...served.fixtures.alerts.rules.map(({ id }): [string, Who] => [`/portal/alerts/${id}`, 'test']),
    ['/portal/contacts', 'test'],
    ['/portal/contacts?search=Mary', 'test'],
    ['/portal/contacts/new', 'test'],
    ...served.fixtures.people.contacts.map(({ id }): [string, Who] => [`/portal/contacts/${id}?like=all`, 'test']),
    ['/portal/suppressions', 'test'],
    ['/portal/suppressions?reason=complaint', 'test'],
    ['/portal/keys', 'test'],
    ...served.fixtures.keys.slice(0, 2).map(({ id }): [string, Who] => [`/portal/keys/${id}`, 'test']),
    ['/portal/how-to-use', 'test'],
    ['/portal/how-to-use', 'guest'],
    ['/portal/docs', 'guest'],
    ['/docs', 'guest'],
    ['/docs/errors', 'guest'],
    ['/portal/signup', 'guest'],
    ['/portal/login', 'guest'],
    ['/portal/enter?token=good-link', 'guest'],
    ['/portal/enter', 'guest'],
  ];
};

describe('every page', { timeout: 60_000 }, () => {
  test('renders whole, with a title, one main heading, labelled controls, and no script or style of its own', async () => {
    const faults: string[] = [];
    for (const served of [full, empty, hostile])
      for (const [path, who] of paths(served)) {
        const answer = await get(served, path, who);
        const text = await answer.text();
        const fault = (what: string) => faults.push(`${path}: ${what}`);
        if (answer.status !== 200) fault(`status ${answer.status}`);
        if (!/^<!doctype html>\n<html lang="en">/.test(text)) fault('no document');
        if (!/<title>[^<]+ · Carillon<\/title>/.test(text)) fault('no title');
        if (text.match(/<h1/g)?.length !== 1) fault(`${text.match(/<h1/g)?.length ?? 0} main headings`);
        if (/<style|<script(?![^>]*src="\/portal\/assets\/)|\son\w+="|\sstyle="|javascript:/.test(text))
          fault('script or style of its own');
        if (/\[object |undefined|NaN|\{\{(?!\w|#if|\/if|7\*7)/.test(text))
          fault(`a hole: ${/.{30}(\[object |undefined|NaN).{10}/.exec(text)?.[0]}`);
        for (const [form] of text.matchAll(/<form[^>]*method="post"[\s\S]*?<\/form>/g))
          if (!/name="csrf" value="[\w-]{20,}"/.test(form)) fault('a form without its token');
        const ids = [...text.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
        const twice = ids.find((id, index) => ids.indexOf(id) !== index);
        if (twice) fault(`the id ${twice} twice`);
        for (const [control] of text.matchAll(/<(?:input|select|textarea)\b[^>]*>/g)) {
          if (/type="(?:hidden|radio|checkbox)"/.test(control)) continue;
          const id = /\sid="([^"]+)"/.exec(control)?.[1];
          if (!id || !text.includes(`for="${id}"`)) fault(`no label for ${control}`);
        }
      }
    expect(faults).toEqual([]);
  });

  test('keeps what strangers wrote as text', async () => {
    for (const [path, who] of paths(hostile)) {
      const text = await (await get(hostile, path, who)).text();
      expect({ path, raw: text.includes(HOSTILE) || /<img src=x|<script>alert/.test(text) }).toEqual({
        path,
        raw: false,
      });
    }
    const text = await (await get(hostile, '/portal/keys')).text();
    expect(text).toContain('&lt;script&gt;alert');
  });

  test('shows nothing to a guest but the door, and remembers where they wanted to go', async () => {
    for (const [path, who] of paths(full).filter(([, known]) => known !== 'guest')) {
      if (path === '/portal/how-to-use') continue;
      const answer = await get(full, path, 'guest');
      expect({ path, status: answer.status, who }).toEqual({ path, status: 303, who });
      expect(answer.headers.get('location')).toMatch(/^\/portal\/login/);
    }
    const answer = await get(full, '/portal/keys?cursor=x', 'guest');
    expect(answer.headers.get('location')).toBe('/portal/login?next=%2Fportal%2Fkeys%3Fcursor%3Dx');
  });

  test('is not kept by caches, not framed, not sniffed, and may load only what is ours', async () => {
    const { headers } = await get(full, '/portal/keys');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('same-origin');
  });

  test('that is not there says so in the frame of the portal, without telling whose it is', async () => {
    const answer = await get(full, '/portal/messages/ntf_01KKP00000E00800000000009Z');
    expect(answer.status).toBe(404);
    expect(await answer.text()).toContain('There is nothing here');
  });
});

describe('activity', () => {
  test.each([
    ['from=2026-13-01', ['from']],
    ['to=9999-99-99', ['to']],
    ['from=2026-02-30&to=yesterday', ['from', 'to']],
    ['from=1969-12-31', ['from']],
    ['from=2026-03-14&to=2026-03-01', ['to']],
  ])('says beside the field what is wrong with %s, keeps the form and asks nothing', async (query, wrong) => {
    const before = full.calls.made.length;
    const answer = await get(full, `/portal/activity?recipient=ada@example.com&status=failed&${query}`);
    const text = await answer.text();
    expect(answer.status).toBe(422);
    expect([...text.matchAll(/class="error" id="e-(\w+)"/g)].map(([, name]) => name)).toEqual(wrong);
    for (const name of wrong) expect(text).toMatch(new RegExp(`id="${name}"[^>]*aria-invalid="true"`));
    expect(text).toContain('value="ada@example.com"');
    expect(text).toContain('name="status" value="failed"');
    for (const [, value = ''] of query.matchAll(/=([\w-]+)/g)) expect(text).toContain(`value="${value}"`);
    expect(full.calls.made.length).toBe(before);
  });

  test('takes real days, the last of February too', async () => {
    expect((await get(full, '/portal/activity?from=2024-02-29&to=2024-02-29')).status).toBe(200);
    expect((await get(full, '/portal/activity?to=9999-12-31')).status).toBe(200);
    expect(full.calls.made.at(-1)?.args[0]).toMatchObject({ to: '9999-12-31T23:59:59.999Z' });
  });

  test('leaves out a status that there is not, and carries it nowhere', async () => {
    const answer = await get(full, '/portal/activity?recipient=ada@example.com&status=foo');
    const text = await answer.text();
    expect(answer.status).toBe(200);
    expect(text).toContain('value="ada@example.com"');
    expect(text).not.toContain('foo');
    expect(full.calls.made.at(-1)?.args[0]).toEqual({ recipient: 'ada@example.com', limit: 50 });
  });
});

test('a message that could not be finished says why instead of showing its text', async () => {
  const text = await (await get(full, `/portal/messages/${full.fixtures.notifications[5]?.notification_id}`)).text();
  expect(text).toContain('because it could not be finished');
  expect(text).toContain(UNFINISHED);
});

test('the bare address leads to the portal', async () => {
  const answer = await get(full, '/', 'guest');
  expect([answer.status, answer.headers.get('location')]).toEqual([302, '/portal']);
});

test('the reference is one step from the guide and from every page', async () => {
  for (const [path, who] of [
    ['/portal/login', 'guest'],
    ['/portal/how-to-use', 'guest'],
    ['/portal/keys', 'test'],
  ] as const)
    expect(await (await get(full, path, who)).text()).toContain('href="/docs"');
});

describe('files', () => {
  test('carry a hash in their name and may be kept for a year', async () => {
    const text = await (await get(full, '/portal/login', 'guest')).text();
    const [css] = /\/portal\/assets\/portal\.[0-9a-f]{12}\.css/.exec(text) ?? [];
    const answer = await get(full, css ?? '', 'guest');
    expect(answer.headers.get('cache-control')).toContain('immutable');
    expect(answer.headers.get('content-type')).toContain('text/css');
    expect((await get(full, '/portal/assets/portal.css', 'guest')).status).toBe(404);
    expect((await get(full, '/portal/assets/..%2f..%2fpackage.json', 'guest')).status).toBe(404);
  });

  test('for robots name the public pages and no other', async () => {
    expect(await (await get(full, '/robots.txt', 'guest')).text()).toContain('Disallow: /portal\n');
    expect(await (await get(full, '/sitemap.xml', 'guest')).text()).toContain(
      `<loc>${full.url}/portal/how-to-use</loc>`,
    );
  });

  test('no template of the portal is unused', () => {
    const folder = join(projectRoot, 'templates', 'portal');
    const texts = ['pages', 'partials', 'layouts'].flatMap((kind) =>
      readdirSync(join(folder, kind)).map((name) => readFileSync(join(folder, kind, name), 'utf8')),
    );
    const source = readdirSync(join(projectRoot, 'src/features/portal'))
      .map((name) => readFileSync(join(projectRoot, 'src/features/portal', name), 'utf8'))
      .join('\n');
    const used = (kind: string, name: string) =>
      kind === 'partials' ? texts.some((text) => text.includes(`{{> ${name}`)) : source.includes(`'${name}'`);
    const unused = ['pages', 'partials', 'layouts'].flatMap((kind) =>
      readdirSync(join(folder, kind))
        .map((file) => file.replace('.hbs', ''))
        .filter((name) => !used(kind, name)),
    );
    expect(unused).toEqual([]);
  });
});
