/** The forms of webhooks: what they ask of the doors, and what they say when it cannot be. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Served, servePortal } from './fixtures.ts';
import { get, post } from './visits.ts';

let full: Served;
let empty: Served;
beforeAll(async () => {
  [full, empty] = await Promise.all([servePortal(), servePortal({ empty: true })]);
});
afterAll(async () => {
  await Promise.all([full.close(), empty.close()]);
});

const last = (verb: string) => full.calls.made.filter((call) => call.verb === verb).at(-1)?.args;
const hook = (n: number) => full.fixtures.webhooks.endpoints[n]?.id ?? '';
const delivery = (n: number) => full.fixtures.webhooks.deliveries[n]?.id ?? '';
const text = async (path: string) => (await (await get(full, path)).text()).replaceAll('&#x3D;', '=');

describe('a new webhook', () => {
  const url = 'https://shop.example/hooks';

  test('is told of the types that were ticked, and its secret is shown once, with the check and a test', async () => {
    const made = await post(full, '/portal/webhooks', [
      ['url', ` ${url} `],
      ['name', 'Shop'],
      ['event_types', 'message.sent'],
      ['event_types', 'message.failed'],
      ['heartbeat_seconds', '60'],
    ]);
    expect(last('webhooks.create')).toEqual([
      'sandbox',
      { url, name: 'Shop', event_types: ['message.sent', 'message.failed'], heartbeat_seconds: 60 },
    ]);
    const shown = made.headers.get('location') ?? '';
    expect(shown).toBe(`/portal/webhooks/${hook(0)}/shown`);
    const cookies = made.headers.getSetCookie().map((one) => one.split(';')[0]);
    expect(cookies.join()).not.toContain('SECRET');
    const headers = { cookie: ['carillon_session=test-session', ...cookies].join('; ') };
    const page = await fetch(full.url + shown, { headers });
    const words = await page.text();
    expect(words).toContain('whsec_SECRET');
    expect(words).toContain('timingSafeEqual');
    expect(words).toContain(`action="${shown.replace('/shown', '/test')}"`);
    expect(page.headers.getSetCookie()[0]).toMatch(/^carillon_once=; .*Max-Age=0/);
    expect((await get(full, shown)).headers.get('location')).toBe(`/portal/webhooks/${hook(0)}?note=secret_gone`);
  });

  test('with no box ticked is told of everything, and of no heartbeat', async () => {
    await post(full, '/portal/webhooks', { url, name: '', heartbeat_seconds: ' ' });
    expect(last('webhooks.create')?.[1]).toEqual({ url, name: '', event_types: null, heartbeat_seconds: null });
  });

  test.each([
    [{ url: 'http://shop.example' }, 'url', 'It must begin with https://'],
    [{ url: '' }, 'url', 'fewer than 1 characters'],
    [{ url, heartbeat_seconds: '5' }, 'heartbeat_seconds', 'must be &gt;&#x3D; 60'],
    [{ url, heartbeat_seconds: 'often' }, 'heartbeat_seconds', 'must be integer'],
    [{ url, event_types: 'message.dreamt' }, 'event_types', 'must be'],
    [{ url, name: 'x'.repeat(201) }, 'name', 'more than 200'],
  ])('%j is refused beside its field, and what was typed stays', async (fields, name, words) => {
    const before = full.calls.made.length;
    const answer = await post(full, '/portal/webhooks', fields as Record<string, string>);
    const page = await answer.text();
    expect(answer.status).toBe(422);
    expect(page).toContain(`id="e-${name}"`);
    expect(page.toLowerCase()).toContain(words.toLowerCase());
    if (fields.url) expect(page).toContain(`value="${fields.url}"`);
    expect(full.calls.made.length).toBe(before);
  });
});

describe('a webhook', () => {
  test('is changed, and an emptied heartbeat is none', async () => {
    const fields = { url: 'https://new.example/', name: 'New', heartbeat_seconds: '' };
    const saved = await post(full, `/portal/webhooks/${hook(0)}`, fields);
    expect(saved.headers.get('location')).toBe(`/portal/webhooks/${hook(0)}?note=webhook_saved`);
    expect(last('webhooks.patch')).toEqual([hook(0), { ...fields, event_types: null, heartbeat_seconds: null }]);
    const wrong = await post(full, `/portal/webhooks/${hook(0)}`, { ...fields, url: 'ftp://new.example' });
    const page = await wrong.text();
    expect([wrong.status, page.includes('id="e-url"'), page.includes('value="ftp://new.example"')]).toEqual([
      ...[422, true, true],
    ]);
  });

  test('is paused, resumed as fast as is asked for, rotated and archived, each by a plain form', async () => {
    await post(full, `/portal/webhooks/${hook(0)}/pause`, {});
    expect(last('webhooks.pause')).toEqual([hook(0)]);
    await post(full, `/portal/webhooks/${hook(2)}/resume`, { drain_per_second: '25' });
    expect(last('webhooks.resume')).toEqual([hook(2), { drain_per_second: 25 }]);
    await post(full, `/portal/webhooks/${hook(2)}/resume`, { drain_per_second: '' });
    expect(last('webhooks.resume')).toEqual([hook(2), {}]);
    const wrong = await post(full, `/portal/webhooks/${hook(2)}/resume`, { drain_per_second: '0' });
    expect([wrong.status, (await wrong.text()).includes('id="e-drain_per_second"')]).toEqual([422, true]);
    const rotated = await post(full, `/portal/webhooks/${hook(0)}/rotate`, {});
    expect(rotated.headers.get('location')).toBe(`/portal/webhooks/${hook(0)}/shown`);
    expect(rotated.headers.getSetCookie().join()).not.toContain('SECRET');
    const gone = await post(full, `/portal/webhooks/${hook(0)}/archive`, {});
    expect(gone.headers.get('location')).toBe('/portal/webhooks?note=webhook_archived');
  });

  test('that is disabled says why and how to resume it, on its page, in the list and on Home', async () => {
    const why = 'It answered 410 Gone';
    expect(await text(`/portal/webhooks/${hook(3)}`)).toContain(why);
    expect(await text(`/portal/webhooks/${hook(3)}`)).toContain(`action="/portal/webhooks/${hook(3)}/resume"`);
    expect(await text('/portal/webhooks')).toContain(why);
    const home = await text('/portal');
    expect(home).toContain(`<a href="/portal/webhooks/${hook(3)}">Old helpdesk</a> is disabled`);
    expect(home).toContain('For five days it has done nothing but fail');
    expect(home).not.toContain(`/portal/webhooks/${hook(2)}`);
  });

  test('is tested by a button that leads to what was sent and answered; too many tests are refused in words', async () => {
    const heard = await post(full, `/portal/webhooks/${hook(0)}/test`, {});
    expect(heard.headers.get('location')).toBe(`/portal/deliveries/${delivery(0)}?note=webhook_heard`);
    const unheard = await post(full, `/portal/webhooks/${hook(1)}/test`, {});
    expect(unheard.headers.get('location')).toContain('note=webhook_unheard');
    const often = await post(full, `/portal/webhooks/${hook(3)}/test`, {});
    expect(await often.text()).toContain('Twenty tests a minute are enough.');
  });

  test('is sent again what lies in a time, read as UTC', async () => {
    const range = { since: '2026-03-01T08:30', until: '2026-03-02T00:00:30', status: 'all' };
    const sent = await post(full, `/portal/webhooks/${hook(0)}/replay`, range);
    expect(sent.headers.get('location')).toBe(`/portal/deliveries?endpoint_id=${hook(0)}&note=replayed`);
    expect(last('deliveries.replayAll')).toEqual([
      hook(0),
      { since: '2026-03-01T08:30:00Z', until: '2026-03-02T00:00:30Z', status: 'all' },
    ]);
    const none = await post(full, `/portal/webhooks/${hook(0)}/replay`, { since: '', until: '' });
    expect(none.headers.get('location')).toBe(`/portal/webhooks/${hook(0)}?note=replayed_none`);
    expect(last('deliveries.replayAll')).toEqual([hook(0), { status: 'failed' }]);
    const wrong = await post(full, `/portal/webhooks/${hook(0)}/replay`, { since: 'last Monday' });
    expect([wrong.status, (await wrong.text()).includes('id="e-since"')]).toEqual([422, true]);
  });
});

describe('deliveries', () => {
  test('are filtered by a plain form, and the filters stay in the links', async () => {
    const page = await text(`/portal/deliveries?endpoint_id=${hook(1)}&status=failed&event_type=message.failed`);
    expect(last('deliveries.list')).toEqual([
      { limit: 50, endpoint_id: hook(1), status: 'failed', event_type: 'message.failed' },
    ]);
    expect(page.match(/<tr>\s*<td class="main">/g)).toHaveLength(1);
    expect(page).toContain('<option value="message.failed" selected>');
    expect(await text('/portal/deliveries')).toContain(`cursor=${delivery(5)}`);
    await text('/portal/deliveries?status=lost');
    expect(last('deliveries.list')).toEqual([{ limit: 50 }]);
  });

  test('show what was sent and each answer with what to do, and lead to their message', async () => {
    const failed = await text(`/portal/deliveries/${delivery(1)}`);
    expect(failed).toContain('Bad gateway.');
    expect(failed).toContain('It did not come in time, or broke off.');
    expect(failed).toContain('Redirects are not followed.');
    expect(failed).toContain('Gone: the webhook is disabled.');
    expect(failed).toContain(`webhook-timestamp</dt><dd class="id">${Date.parse('2026-03-14T10:17:40Z') / 1_000}`);
    expect(failed).toContain(`href="/portal/messages/${full.fixtures.notifications[0]?.notification_id}"`);
    // Of an archived webhook nothing can be sent again.
    expect(await text(`/portal/deliveries/${delivery(5)}`)).not.toContain('/replay"');
  });

  test('are sent again one by one, unless they are on their way', async () => {
    const again = await post(full, `/portal/deliveries/${delivery(1)}/replay`, {});
    expect(again.headers.get('location')).toBe(`/portal/deliveries/${delivery(4)}?note=replayed_one`);
    expect(await text(`/portal/deliveries/${delivery(2)}`)).not.toContain('/replay"');
    const early = await post(full, `/portal/deliveries/${delivery(2)}/replay`, {});
    expect(await early.text()).toContain('still on its way');
  });

  test('and webhooks there are none of yet name the call that makes one, with the key of the reader', async () => {
    const page = await (await get(empty, '/portal/webhooks')).text();
    expect(page).toContain('/api/v1/webhooks');
    expect(page).toContain('ak_test_4fK9xQ2b…');
    expect(await (await get(empty, '/portal/deliveries')).text()).toContain('Nothing was sent to a webhook yet');
  });
});
