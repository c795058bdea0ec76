/** A campaign as a new user sends one: sign up, take a starter template, upload, say what the columns are, confirm, watch. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unescaped } from '../support/html.ts';
import { type Product, startProduct, until } from '../support/product.ts';
import { createVisitor, type Page, type Visitor } from '../support/visitor.ts';

const NEW = '/portal/campaigns/new';
const FORM: [string, string][] = [
  ['template_id', 'appointment_reminder'],
  ['name', 'Reminders for March'],
  ['channels', 'sms'],
  ['priority', 'low'],
];
const words = ({ text }: Page): string => unescaped(text.replace(/<[^>]+>/g, ' ')).replace(/\s+/g, ' ');
const draftOf = ({ to = '' }: Page): string =>
  /^\/portal\/campaigns\/drafts\/(drf_\w+)$/.exec(to)?.[1] ?? `none: ${to}`;

async function signedUp(product: Product, email: string): Promise<Visitor> {
  const visitor = createVisitor(product.url);
  const answer = await visitor.post('/portal/signup', {
    organization: 'Northwind Books',
    name: 'Ada',
    email,
    password: 'a bell for every book',
  });
  expect(answer.to).toBe('/portal/welcome');
  return visitor;
}

describe('a campaign from the portal', () => {
  let product: Product;
  let visitor: Visitor;
  const upload = (bytes: string | Uint8Array<ArrayBuffer>, fields = FORM) =>
    visitor.upload(NEW, fields, { name: 'people.csv', bytes }, `${NEW}?template_id=appointment_reminder`);
  const draft = async (csv: string): Promise<string> => {
    const answer = await upload(csv);
    expect(draftOf(answer), words(answer)).toMatch(/^drf_/);
    return `/portal/campaigns/drafts/${draftOf(answer)}`;
  };

  beforeAll(async () => {
    product = await startProduct({ env: { SIGNUP: 'open' } });
    visitor = await signedUp(product, 'ada@northwind.example');
  });
  afterAll(() => product?.stop());

  test('is named by the empty page, uploaded, mapped, looked at, confirmed once, and watched until it is delivered', async () => {
    const empty = await visitor.get('/portal/campaigns');
    expect(words(empty)).toContain('No campaign yet');
    expect(empty.text).toContain(`href="${NEW}"`);
    expect(words(await visitor.get(NEW))).toContain('Appointment reminder');

    const people = [
      'Customer;Mobile number;date;at;Shoe size',
      'Ada;+14155550101;Monday;9:30;38',
      'Grace;+14155550102;Tuesday;=1+1;39',
      'Nobody;not a number;Friday;8:00;40',
      '"Broken;+14155550104;Friday;8:00;41',
      'Joan;+14155550105;Friday;8:15;42',
    ].join('\r\n');
    const path = await draft(`\ufeff${people}\r\n`);
    const map = await visitor.get(path);
    expect(words(map)).toContain('Still missing: name , time');
    expect(map.text).toMatch(/<option value="field:phone" selected>/);
    expect(map.text).toMatch(/<option value="data:date" selected>/);
    expect(words(map)).toContain('Ada Grace Nobody');
    // Whoever skips the step is led back to it.
    expect((await visitor.get(`${path}/preview`)).to).toBe(path);

    const columns = {
      column_0: 'data:name',
      column_1: 'field:phone',
      column_2: 'data:date',
      column_3: 'data:time',
      column_4: '',
    };
    const twice = await visitor.post(path, { ...columns, column_4: 'data:name' });
    expect(twice.status).toBe(422);
    expect(twice.text).toContain('id="e-column_4"');
    const mapped = await visitor.post(path, columns);
    expect(mapped.to).toBe(`${path}/preview`);

    const look = await visitor.get(`${path}/preview`);
    expect(words(look)).toContain('3 good rows');
    expect(words(look)).toContain('2 bad rows');
    expect(words(look)).toMatch(/4 phone .*5 – A quote is opened/);
    expect(words(look)).toContain('Ada');
    expect(words(look)).toContain('Monday');
    expect(words(look)).toContain('=1+1');
    expect(words(look)).toContain('no one pays');
    expect((await product.api('/api/v1/notifications')).body.data).toEqual([]);

    // A form that comes twice, at once and later, sends once.
    const csrf = visitor.csrf(look);
    const send = () => visitor.send(`${path}/send`, { csrf });
    const both = await Promise.all([send(), send(), send(), send()]);
    const again = await send();
    const campaign = (again.to ?? '').split('?')[0] ?? '';
    expect(campaign).toMatch(/^\/portal\/campaigns\/blk_\w+$/);
    for (const { to = '' } of both) expect([campaign, `${path}/preview`]).toContain(to.split('?')[0]);
    expect((await visitor.get(path)).to).toBe(campaign);
    expect((await visitor.get('/portal/campaigns')).text.match(/class="row-link"/g)).toHaveLength(1);

    const watched = await until(
      async () => {
        const page = await visitor.get(campaign);
        return words(page).includes('3 delivered') ? page : undefined;
      },
      { what: 'the campaign to be delivered' },
    );
    expect(words(watched)).toContain('Finished.');
    expect(words(watched)).toContain('100 % handed over');
    expect(words(watched)).toContain('3 accepted, 2 rejected');
    expect(watched.text).toContain('data-over');

    const results = await visitor.get(`${campaign}/results`);
    expect(results.headers.get('content-type')).toContain('text/csv');
    expect(results.headers.get('content-disposition')).toContain('attachment');
    expect(
      results.text
        .trim()
        .split('\r\n')
        .map((line) => line.split(',')[5]),
    ).toEqual(['status', 'delivered', 'delivered', 'rejected', 'rejected', 'delivered']);
    const all = await visitor.get(`/portal/activity?bulk_id=${campaign.split('/').at(-1)}`);
    expect(all.text.match(/class="row-link"/g)).toHaveLength(3);
    const failed = await visitor.get(`/portal/activity?bulk_id=${campaign.split('/').at(-1)}&status=failed`);
    expect(words(failed)).toContain('Nothing matches');
  });

  test('at a time waits for it, and can be paused, resumed and cancelled', async () => {
    const path = await draft('phone,name,date,time\n+14155550101,Ada,Monday,9:30\n+14155550102,Joan,Friday,8:00\n');
    await visitor.post(path, {
      column_0: 'field:phone',
      column_1: 'data:name',
      column_2: 'data:date',
      column_3: 'data:time',
    });
    const schedule = (fields: Record<string, string>) =>
      visitor.post(
        `${path}/schedule`,
        { when: 'at', zone: '', quiet_from: '', quiet_to: '', ...fields },
        `${path}/preview`,
      );
    const past = await schedule({ date: '2001-01-01', time: '09:00', zone: 'Europe/Berlin' });
    expect([past.status, words(past)]).toEqual([422, expect.stringMatching(/Lies in the past/)]);
    const nowhere = await schedule({ date: '2001-01-01', time: '09:00', zone: 'Middle/Earth' });
    expect(nowhere.text).toContain('id="e-zone"');
    const half = await schedule({ date: '', time: '', quiet_from: '21:00' });
    expect([...half.text.matchAll(/id="e-(\w+)"/g)].map(([, name]) => name).sort()).toEqual([
      'date',
      'quiet_to',
      'time',
    ]);
    const day = new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10);
    expect((await schedule({ date: day, time: '09:00', zone: 'UTC' })).to).toContain(`${path}/preview`);
    expect(words(await visitor.get(`${path}/preview`))).toContain(`Sent ${day} 09:00:00 UTC`);

    const sent = await visitor.post(`${path}/send`, {}, `${path}/preview`);
    const campaign = (sent.to ?? '').split('?')[0] ?? '';
    expect(words(await visitor.get(campaign))).toContain('scheduled');
    expect((await visitor.post(`${campaign}/pause`, {}, campaign)).to).toContain('note=campaign_paused');
    expect(words(await visitor.get(campaign))).toContain('when it is resumed');
    expect((await visitor.post(`${campaign}/resume`, {}, campaign)).to).toContain('note=campaign_resumed');
    expect((await visitor.post(`${campaign}/cancel`, {}, campaign)).to).toContain('note=campaign_cancelled');
    await until(async () => words(await visitor.get(campaign)).includes('2 failed'), { what: 'it to be cancelled' });
    expect((await visitor.post(`${campaign}/pause`, {}, campaign)).to).toContain('note=campaign_moved_on');
  });

  test('is refused beside the field when the file is none to be sent', async () => {
    const refused = async (bytes: string | Uint8Array<ArrayBuffer>, what: RegExp) => {
      const answer = await upload(bytes);
      expect(answer.status, words(answer)).toBe(422);
      expect(answer.text).toContain('id="e-file"');
      expect(unescaped(answer.text)).toMatch(what);
      expect(answer.text).toContain('value="Reminders for March"');
    };
    await refused('', /This file is empty/);
    await refused('\r\n\r\n', /There is no row/);
    await refused('phone,name\n', /There is no row/);
    await refused('"phone,name\n+14155550101,Ada\n', /A quote is opened/);
    await refused(`${'x,'.repeat(100_000)}\n1\n`, /longer than 64 KB/);
    await refused(`${'x,'.repeat(20_000)}\n1\n`, /columns; at most/);
    await refused(new Uint8Array([0xff, 0xfe, 0x70, 0x0a, 0x31, 0x0a]), /not valid UTF-8/);
    const nothing = await visitor.upload(NEW, FORM, undefined, `${NEW}?template_id=appointment_reminder`);
    expect(nothing.text).toContain('id="e-file"');
    const none = await upload('phone\n1\n', [
      ['template_id', 'appointment_reminder'],
      ['name', ''],
    ]);
    expect([...none.text.matchAll(/id="e-(\w+)"/g)].map(([, name]) => name).sort()).toEqual(['channels', 'name']);
  });

  test('takes names of columns that are empty or come twice, and rows that were pasted from a spreadsheet', async () => {
    const answer = await visitor.upload(
      NEW,
      [...FORM, ['rows', 'phone\tname\tname\t\tdate\ttime\n+14155550101\tAda\tLovelace\t\tMonday\t9:30\n']],
      undefined,
      `${NEW}?template_id=appointment_reminder`,
    );
    const map = await visitor.get(answer.to ?? '');
    expect(words(map)).toContain('Column 4');
    expect(words(map)).not.toContain('Still missing');
  });

  test('of more than 20 MB is told where to send it instead', async () => {
    const answer = await upload('x'.repeat(21 * 1_048_576));
    expect(answer.status).toBe(413);
    expect(words(answer)).toContain('carillon bulk send people.csv');
    expect(words(answer)).toContain('POST /api/v1/notifications/bulk');
  });

  test('is nobody else’s: neither a draft nor a campaign is found by another account, or in the other mode', async () => {
    const path = await draft('phone,name,date,time\n+14155550101,Ada,Monday,9:30\n');
    const stranger = await signedUp(product, 'eve@elsewhere.example');
    for (const page of [path, `${path}/preview`, `${path}/letter?row=0&channel=sms`])
      expect([page, (await stranger.get(page)).status]).toEqual([page, 404]);
    for (const action of ['', '/schedule', '/send', '/discard'])
      expect([action, (await stranger.post(path + action, {}, '/portal/keys')).status]).toEqual([action, 404]);
    expect((await stranger.get('/portal/campaigns/blk_01KKP00000E00800000000009Z')).status).toBe(404);
    await visitor.post('/portal/mode', { mode: 'live', next: '/portal' }, '/portal');
    expect((await visitor.get(path)).status).toBe(404);
    await visitor.post('/portal/mode', { mode: 'test', next: '/portal' }, '/portal');
    expect((await visitor.post(`${path}/discard`, {}, path)).to).toBe('/portal/campaigns?note=draft_discarded');
    expect((await visitor.get(path)).status).toBe(404);
  });
});
