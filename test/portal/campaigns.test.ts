/** The forms of campaigns: what they ask of the doors, and what they say when it cannot be. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Served, servePortal } from './fixtures.ts';
import { cookieOf, get, post, type Who } from './visits.ts';

let full: Served;
let empty: Served;
beforeAll(async () => {
  [full, empty] = await Promise.all([servePortal(), servePortal({ empty: true })]);
});
afterAll(async () => {
  await Promise.all([full.close(), empty.close()]);
});

const last = (verb: string) => full.calls.made.filter((call) => call.verb === verb).at(-1)?.args;
const drafted = (n: number) => `/portal/campaigns/drafts/${full.fixtures.campaigns.drafts[n]?.draft_id}`;
const campaign = (n: number) => `/portal/campaigns/${full.fixtures.campaigns.bulks[n]?.bulk_id}`;

async function upload(fields: [string, string][], file?: string, who: Who = 'test', token?: string): Promise<Response> {
  const body = new FormData();
  body.append('csrf', token ?? full.fixtures.csrfToken(`${who}-session`));
  for (const [name, value] of fields) body.append(name, value);
  if (file !== undefined) body.append('file', new Blob([file]), 'C:\\people "new".csv');
  return fetch(`${full.url}/portal/campaigns/new`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: full.url, ...cookieOf(who) },
    body,
  });
}
const FORM: [string, string][] = [
  ['template_id', 'order_shipped'],
  ['name', ' Spring '],
  ['channels', 'email'],
  ['channels', 'sms'],
  ['priority', 'urgent'],
];

describe('an upload', () => {
  test('reaches the door with the name of its file, whole, and with a priority there is', async () => {
    const answer = await upload(FORM, 'email,name\r\n"a\r\nb",Ada\r\n');
    expect(answer.headers.get('location')).toBe(drafted(0));
    expect(last('campaigns.draft')).toEqual([
      {
        name: 'Spring',
        template_id: 'order_shipped',
        channels: ['email', 'sms'],
        priority: 'low',
        file: 'people "new".csv',
      },
      'email,name\r\n"a\r\nb",Ada\r\n',
    ]);
  });
  test('is refused without the token of this session, and changes nothing', async () => {
    const before = full.calls.made.length;
    expect((await upload(FORM, 'a\n1\n', 'test', full.fixtures.csrfToken('live-session'))).status).toBe(403);
    expect(full.calls.made.length).toBe(before);
  });
  test('of a guest leads to the door', async () => {
    expect((await upload(FORM, 'a\n1\n', 'guest', 'x')).headers.get('location')).toBe('/portal/login');
  });
  test('of both a file and pasted rows keeps what was typed and asks which', async () => {
    const answer = await upload([...FORM, ['rows', 'a\tb\n1\t2']], 'a\n1\n');
    const text = await answer.text();
    expect(answer.status).toBe(422);
    expect(text).toContain('id="e-rows"');
    expect(text).toContain('value=" Spring "');
    expect(text).toContain('a\tb\n1\t2</textarea>');
  });
  test('without a template to send names the next step', async () => {
    expect(await (await get(empty, '/portal/campaigns/new')).text()).toContain('There is no active template');
  });
  test('offers only channels that are connected', async () => {
    const text = await (await get(full, '/portal/campaigns/new?template_id=order_shipped', 'live')).text();
    expect(text).toMatch(/value="email" checked>/);
    expect(text).toMatch(/value="sms" disabled>/);
    expect(text).toContain('href="/portal/connections/new?channel=sms"');
  });
});

describe('a draft', () => {
  test('is not looked at before somebody has said what its columns are', async () => {
    expect((await get(full, `${drafted(0)}/preview`)).headers.get('location')).toBe(drafted(0));
    expect((await post(full, `${drafted(0)}/send`, {})).headers.get('location')).toBe(drafted(0));
    expect(last('campaigns.send')).toBeUndefined();
  });
  test('its columns are taken by their place', async () => {
    await post(full, drafted(1), {
      column_0: 'field:email',
      column_4: 'data:day',
      column_9: 'data:name',
      language: 'de',
    });
    expect(last('campaigns.assign')?.slice(1)).toEqual([['field:email', '', '', '', 'data:day'], 'de']);
  });
  test('its time: now, at a time there, and quiet hours with both ends', async () => {
    const send = (fields: Record<string, string>) => post(full, `${drafted(1)}/schedule`, fields);
    await send({ when: 'now', date: '2026-04-01', time: '09:00' });
    expect(last('campaigns.schedule')?.[1]).toEqual({});
    await send({ when: 'at', date: '2026-04-01', time: '09:00', zone: '', quiet_from: '21:00', quiet_to: '08:00' });
    expect(last('campaigns.schedule')?.[1]).toEqual({
      at: '2026-04-01T09:00',
      time_zone: 'recipient',
      quiet_from: '21:00',
      quiet_to: '08:00',
    });
    const text = await (await send({ when: 'at', date: '', time: 'noon', quiet_to: '08:00' })).text();
    expect([...text.matchAll(/class="error" id="e-(\w+)"/g)].map(([, name]) => name)).toEqual([
      'date',
      'time',
      'quiet_from',
    ]);
    expect(text).toContain('value="noon"');
  });
  test('is sent by the button, in the mode that is looked at, and leads to its campaign', async () => {
    const answer = await post(full, `${drafted(1)}/send`, {}, { who: 'live' });
    expect(answer.headers.get('location')).toBe(`${campaign(0)}?note=campaign_sent`);
    expect(last('campaigns.send')).toEqual(['live', full.fixtures.campaigns.drafts[1]?.draft_id]);
  });
  test('that was sent leads to its campaign from every page, and sends nothing more', async () => {
    const before = full.calls.made.length;
    for (const page of ['', '/preview'])
      expect((await get(full, drafted(3) + page)).headers.get('location')).toBe(campaign(0));
    for (const action of ['', '/schedule', '/send'])
      expect((await post(full, drafted(3) + action, {})).headers.get('location')).toBe(campaign(0));
    expect(full.calls.made.slice(before).filter(({ verb }) => !verb.startsWith('audit '))).toEqual([]);
  });
  test('of which no row can be sent has no button to send it', async () => {
    const text = await (await get(full, `${drafted(2)}/preview`)).text();
    expect(text).toContain('No row can be sent');
    expect(text).not.toContain(`action="${drafted(2)}/send"`);
  });
  test('the letter of a row stands alone in a sandbox', async () => {
    const answer = await get(full, `${drafted(1)}/letter?row=0&channel=email`);
    expect(answer.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/);
    expect(await answer.text()).toContain('Hello Ada');
    expect((await get(full, `${drafted(1)}/letter?row=x&channel=email`)).status).toBe(404);
  });
});

describe('a campaign', () => {
  test('offers what can be done in its state, and no more', async () => {
    const offers = async (n: number) => {
      const text = await (await get(full, campaign(n))).text();
      return ['pause', 'resume', 'cancel'].filter((verb) => text.includes(`action="${campaign(n)}/${verb}"`));
    };
    expect(await offers(0)).toEqual(['pause', 'cancel']);
    expect(await offers(1)).toEqual([]);
    expect(await offers(2)).toEqual(['pause', 'cancel']);
    expect(await offers(3)).toEqual(['resume', 'cancel']);
    expect(await offers(4)).toEqual([]);
  });
  test('refreshes itself without scripts while it moves, and never after', async () => {
    const text = async (n: number) => (await get(full, campaign(n))).text();
    expect(await text(0)).toContain('<noscript><meta http-equiv="refresh" content="5"></noscript>');
    expect(await text(1)).not.toContain('http-equiv="refresh"');
    expect(await text(1)).toContain('data-over');
  });
  test('leads to its failed messages, and to the results as a file', async () => {
    const text = (await (await get(full, campaign(0))).text()).replaceAll('&#x3D;', '=');
    const id = full.fixtures.campaigns.bulks[0]?.bulk_id;
    expect(text).toContain(`href="/portal/activity?bulk_id=${id}&amp;status=failed"`);
    const results = await get(full, `${campaign(0)}/results`);
    expect(results.headers.get('content-disposition')).toBe(`attachment; filename="${id}.csv"`);
    await get(full, `/portal/activity?bulk_id=${id}&status=failed`);
    expect(last('list')).toEqual([{ bulk_id: id, status: 'failed', limit: 50 }]);
  });
  test('is paused, resumed and cancelled by its forms', async () => {
    for (const verb of ['pause', 'resume', 'cancel']) {
      const answer = await post(full, `${campaign(0)}/${verb}`, {});
      expect(answer.headers.get('location')).toMatch(new RegExp(`^${campaign(0)}\\?note=campaign_${verb}`));
      expect(last(`bulks.${verb}`)).toEqual([full.fixtures.campaigns.bulks[0]?.bulk_id]);
    }
  });
});
