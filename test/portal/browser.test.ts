/** The portal in a real Chromium: nothing logs an error, nothing scrolls sideways, everything can be read and reached. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';
import { HOSTILE, type Served, servePortal } from './fixtures.ts';

const CHROMIUM = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path && existsSync(path));
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const IN_PAGE = readFileSync(join(import.meta.dirname, 'in-page.js'), 'utf8').replace(/;\s*$/, '');
const ask = <T>(page: Page, question: string): Promise<T> => page.evaluate(`(${IN_PAGE}).${question}()`);
const SHOTS = join(projectRoot, 'test', 'screenshots');

interface Look {
  readonly name: string;
  readonly path: string;
  readonly as?: 'test' | 'live' | 'guest';
  readonly dark?: boolean;
  readonly empty?: boolean;
}

describe.skipIf(!CHROMIUM)('the portal in a browser', () => {
  let browser: Browser;
  let full: Served;
  let empty: Served;
  let hostile: Served;

  beforeAll(async () => {
    mkdirSync(SHOTS, { recursive: true });
    browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args: ARGS });
    [full, empty, hostile] = await Promise.all([
      servePortal(),
      servePortal({ empty: true }),
      servePortal({ hostile: true }),
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all([full?.close(), empty?.close(), hostile?.close()]);
  });

  const open = async (
    served: Served,
    options: { width: number; as?: Look['as']; dark?: boolean; scripts?: boolean },
  ) => {
    const context = await browser.newContext({
      viewport: { width: options.width, height: options.width < 500 ? 844 : 900 },
      colorScheme: options.dark ? 'dark' : 'light',
      javaScriptEnabled: options.scripts ?? true,
      reducedMotion: 'reduce',
    });
    if (options.as !== 'guest')
      await context.addCookies([
        { name: 'carillon_session', value: `${options.as ?? 'test'}-session`, url: served.url },
      ]);
    return context;
  };
  /** Everything the browser complained about. */
  const listen = (page: Page): string[] => {
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('dialog', (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    return complaints;
  };

  const looks = (f: Served['fixtures']): readonly Look[] => {
    const message = (n: number) => `/portal/messages/${f.notifications[n]?.notification_id}`;
    const out = (channel: string) =>
      `/portal/outbox/${f.messages.find(({ part }) => part.channel === channel)?.part.message_id}`;
    const campaign = (n: number) => `/portal/campaigns/${f.campaigns.bulks[n]?.bulk_id}`;
    const talk = (n: number) => `/portal/inbox/${f.people.conversations[n]?.id}`;
    const hook = (n: number) => `/portal/webhooks/${f.webhooks.endpoints[n]?.id}`;
    const delivered = (n: number) => `/portal/deliveries/${f.webhooks.deliveries[n]?.id}`;
    const drafted = (n: number) => `/portal/campaigns/drafts/${f.campaigns.drafts[n]?.draft_id}`;
    return [
      { name: 'home', path: '/portal' },
      { name: 'home-live', path: '/portal', as: 'live', dark: true },
      { name: 'home-empty', path: '/portal', empty: true },
      { name: 'activity', path: '/portal/activity' },
      { name: 'activity-dark', path: '/portal/activity', dark: true },
      { name: 'activity-empty', path: '/portal/activity', empty: true },
      { name: 'activity-no-such-day', path: '/portal/activity?from=2026-03-14&to=2026-03-01' },
      { name: 'message-unfinished', path: message(5) },
      { name: 'message-failed', path: message(1) },
      { name: 'message-mail', path: message(0) },
      { name: 'message-two', path: message(2), dark: true },
      { name: 'message-queued', path: message(4) },
      { name: 'outbox', path: '/portal/outbox' },
      { name: 'outbox-mail', path: out('email') },
      { name: 'outbox-mail-narrow', path: `${out('email')}?width=narrow`, dark: true },
      { name: 'outbox-mail-headers', path: `${out('email')}?view=headers` },
      { name: 'outbox-whatsapp', path: out('whatsapp') },
      { name: 'outbox-sms', path: out('sms'), dark: true },
      { name: 'outbox-slack', path: out('slack') },
      { name: 'outbox-voice', path: out('voice') },
      { name: 'outbox-live', path: '/portal/outbox', as: 'live' },
      { name: 'settings', path: '/portal/settings' },
      { name: 'campaigns', path: '/portal/campaigns' },
      { name: 'campaigns-empty', path: '/portal/campaigns', empty: true },
      { name: 'campaign-choose', path: '/portal/campaigns/new' },
      { name: 'campaign-new', path: '/portal/campaigns/new?template_id=order_shipped' },
      { name: 'campaign-new-live', path: '/portal/campaigns/new?template_id=order_shipped', as: 'live', dark: true },
      { name: 'campaign-map', path: drafted(0) },
      { name: 'campaign-map-dark', path: drafted(1), dark: true },
      { name: 'campaign-preview', path: `${drafted(1)}/preview` },
      { name: 'campaign-preview-live', path: `${drafted(1)}/preview`, as: 'live', dark: true },
      { name: 'campaign-preview-none', path: `${drafted(2)}/preview` },
      { name: 'campaign', path: campaign(0) },
      { name: 'campaign-done', path: campaign(1), dark: true },
      { name: 'campaign-paused', path: campaign(3) },
      { name: 'templates', path: '/portal/templates' },
      { name: 'template', path: '/portal/templates/order_shipped' },
      { name: 'template-edit', path: '/portal/templates/order_shipped/edit?part=email/en' },
      { name: 'template-edit-sms', path: '/portal/templates/order_shipped/edit?part=sms/en', dark: true },
      { name: 'template-new', path: '/portal/templates/new' },
      { name: 'template-compare', path: '/portal/templates/order_shipped/compare?from=2&to=3' },
      { name: 'channels', path: '/portal/channels', as: 'live' },
      { name: 'channels-dark', path: '/portal/channels', as: 'live', dark: true },
      { name: 'channels-test', path: '/portal/channels' },
      { name: 'connection', path: `/portal/connections/${f.connections[2]?.id}`, as: 'live' },
      { name: 'connection-resting', path: `/portal/connections/${f.connections[3]?.id}`, as: 'live', dark: true },
      { name: 'connection-new', path: '/portal/connections/new?channel=email', as: 'live', dark: true },
      { name: 'webhooks', path: '/portal/webhooks' },
      { name: 'webhooks-dark', path: '/portal/webhooks', dark: true },
      { name: 'webhooks-empty', path: '/portal/webhooks', empty: true },
      { name: 'webhook-new', path: '/portal/webhooks/new' },
      { name: 'webhook', path: hook(0) },
      { name: 'webhook-failing', path: hook(1), dark: true },
      { name: 'webhook-paused', path: hook(2) },
      { name: 'webhook-disabled', path: hook(3), dark: true },
      { name: 'deliveries', path: '/portal/deliveries' },
      { name: 'deliveries-dark', path: '/portal/deliveries', dark: true },
      { name: 'deliveries-empty', path: '/portal/deliveries', empty: true },
      { name: 'delivery', path: delivered(0) },
      { name: 'delivery-failed', path: delivered(1), dark: true },
      { name: 'delivery-waiting', path: delivered(2) },
      { name: 'inbox', path: '/portal/inbox?status=all' },
      { name: 'inbox-dark', path: '/portal/inbox?status=all', dark: true },
      { name: 'inbox-empty', path: '/portal/inbox', empty: true },
      { name: 'conversation', path: talk(0) },
      { name: 'conversation-dark', path: talk(0), dark: true },
      { name: 'conversation-late', path: talk(1) },
      { name: 'conversation-template', path: `${talk(2)}?template_id=order_shipped` },
      { name: 'auto-replies', path: '/portal/auto-replies' },
      { name: 'auto-reply', path: `/portal/auto-replies/${f.people.autoReplies[0]?.id}` },
      { name: 'contacts', path: '/portal/contacts' },
      { name: 'contacts-empty', path: '/portal/contacts', empty: true },
      { name: 'contact', path: `/portal/contacts/${f.people.contacts[0]?.id}?like=all` },
      { name: 'contact-new', path: '/portal/contacts/new', dark: true },
      { name: 'suppressions', path: '/portal/suppressions' },
      { name: 'suppressions-dark', path: '/portal/suppressions', dark: true },
      { name: 'suppressions-empty', path: '/portal/suppressions', empty: true },
      { name: 'rules', path: '/portal/rules' },
      { name: 'rules-empty', path: '/portal/rules', empty: true },
      { name: 'rule', path: `/portal/rules/${f.webhooks.rules[0]?.id}` },
      { name: 'rule-json', path: `/portal/rules/${f.webhooks.rules[1]?.id}`, dark: true },
      { name: 'rules-try', path: '/portal/rules/try?event_type=message.received&text=refund' },
      { name: 'alerts', path: '/portal/alerts' },
      { name: 'alerts-empty', path: '/portal/alerts', empty: true },
      { name: 'alert', path: `/portal/alerts/${f.alerts.rules[0]?.id}`, dark: true },
      { name: 'keys', path: '/portal/keys' },
      { name: 'key', path: `/portal/keys/${f.keys[1]?.id}` },
      { name: 'key-dark', path: `/portal/keys/${f.keys[1]?.id}`, dark: true },
      { name: 'keys-dark', path: '/portal/keys', dark: true },
      { name: 'guide', path: '/portal/how-to-use' },
      { name: 'guide-guest', path: '/portal/how-to-use', as: 'guest', dark: true },
      { name: 'reference-guest', path: '/docs', as: 'guest' },
      { name: 'signup', path: '/portal/signup', as: 'guest' },
      { name: 'login', path: '/portal/login', as: 'guest', dark: true },
      { name: 'enter', path: '/portal/enter?token=good-link', as: 'guest' },
      { name: 'error', path: '/portal/messages/ntf_nothing' },
    ];
  };

  for (const width of [1280, 390])
    test(`every page at ${width} px: no complaint, no sideways scroll, contrast as WCAG AA asks`, {
      timeout: 240_000,
    }, async () => {
      const faults: string[] = [];
      const contexts = new Map<string, BrowserContext>();
      const only = process.env.PORTAL_ONLY?.split(',');
      for (const look of looks(full.fixtures)) {
        if (only && !only.includes(look.name)) continue;
        const served = look.empty ? empty : full;
        const key = `${look.as ?? 'test'} ${look.dark ?? false} ${look.empty ?? false}`;
        const context = contexts.get(key) ?? (await open(served, { width, ...look }));
        contexts.set(key, context);
        const page = await context.newPage();
        const complaints = listen(page);
        await page.goto(served.url + look.path, { waitUntil: 'load' });
        const expected =
          look.name === 'error'
            ? /404/
            : look.name === 'activity-no-such-day'
              ? /422/
              : /sandboxed|Blocked script execution/;
        faults.push(...complaints.filter((text) => !expected.test(text)).map((text) => `${look.name}: ${text}`));
        const found = [...(await ask<string[]>(page, 'sideways')), ...(await ask<string[]>(page, 'contrast'))];
        faults.push(...found.map((text) => `${look.name}: ${text}`));
        await page.screenshot({
          path: join(SHOTS, `${look.name}-${width}.png`),
          fullPage: look.name !== 'guide' || width > 500,
        });
        await page.close();
      }
      for (const context of contexts.values()) await context.close();
      expect(faults).toEqual([]);
    });

  test('everything that can be pressed can be reached by keyboard, and shows that it has been', {
    timeout: 60_000,
  }, async () => {
    const context = await open(full, { width: 1280 });
    const page = await context.newPage();
    const campaigns = looks(full.fixtures).filter(({ name }) =>
      /^(campaign(-map|-new|-preview-none)?|webhook|conversation|rule)$/.test(name),
    );
    for (const path of ['/portal', '/portal/activity', '/portal/keys', ...campaigns.map(({ path }) => path)]) {
      await page.goto(full.url + path);
      const wanted = await ask<number>(page, 'controls');
      const reached = new Set<string>();
      const bare = new Set<string>();
      for (let i = 0; i < wanted + 40; i++) {
        await page.keyboard.press('Tab');
        const at = await ask<{ seen: string; shown: boolean; what: string } | undefined>(page, 'focused');
        if (!at) continue;
        reached.add(at.seen);
        if (!at.shown) bare.add(at.what);
      }
      expect({ path, missed: Math.max(0, wanted - reached.size), bare: [...bare] }).toEqual({
        path,
        missed: 0,
        bare: [],
      });
    }
    await context.close();
  });

  test('every link on every page answers', { timeout: 120_000 }, async () => {
    const cookie = { cookie: 'carillon_session=live-session' };
    const seen = new Set<string>();
    const queue = [
      '/portal',
      ...looks(full.fixtures)
        .filter(({ as, name }) => as !== 'guest' && name !== 'error' && name !== 'activity-no-such-day')
        .map(({ path }) => path),
    ];
    const broken: string[] = [];
    for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
      if (seen.has(path)) continue;
      seen.add(path);
      const answer = await fetch(full.url + path, { headers: cookie, redirect: 'manual' });
      if (answer.status >= 400) broken.push(`${answer.status} ${path}`);
      if (!answer.headers.get('content-type')?.startsWith('text/html') || path.endsWith('/letter')) continue;
      const text = await answer.text();
      for (const [, href = ''] of text.matchAll(/<a [^>]*href="([^"]+)"/g)) {
        const target = href.replaceAll('&amp;', '&').replaceAll('&#x3D;', '=').split('#')[0] ?? '';
        if (target.startsWith('/portal')) queue.push(target);
      }
    }
    expect(broken).toEqual([]);
    expect(seen.size).toBeGreaterThan(30);
  });

  test('text that tries to be markup stays text, and asks nothing of another host', { timeout: 120_000 }, async () => {
    const context = await open(hostile, { width: 1280 });
    const foreign: string[] = [];
    const page = await context.newPage();
    const complaints = listen(page);
    page.on('request', (request) => {
      if (!request.url().startsWith(hostile.url) && !request.url().startsWith('data:')) foreign.push(request.url());
    });
    for (const { path, as } of looks(hostile.fixtures).filter(
      ({ as, name }) => as !== 'guest' && name !== 'error' && name !== 'activity-no-such-day',
    )) {
      if (as === 'live')
        await context.addCookies([{ name: 'carillon_session', value: 'live-session', url: hostile.url }]);
      await page.goto(hostile.url + path);
    }
    expect(foreign).toEqual([]);
    expect(complaints.filter((text) => text.startsWith('dialog'))).toEqual([]);
    await page.goto(`${hostile.url}/portal/activity`);
    await page.goto(`${hostile.url}/portal/messages/${hostile.fixtures.notifications[1]?.notification_id}`);
    expect(await page.locator('.failure').innerText()).toContain(HOSTILE.slice(0, 20));
    await context.close();
  });

  test('without scripts: search, switch the channel of an editor, preview, and ask before revoking', {
    timeout: 60_000,
  }, async () => {
    const context = await open(full, { width: 390, scripts: false });
    const page = await context.newPage();
    await page.goto(`${full.url}/portal/activity`);
    await page.getByLabel('Recipient').fill('ada@example.com');
    await page.getByRole('button', { name: 'Search' }).click();
    expect(await page.locator('tbody tr').count()).toBe(1);
    await page.goto(`${full.url}/portal/templates/order_shipped/edit?part=email/en`);
    await page.getByLabel('Subject').fill('Changed {{missing_one}}');
    await page.getByRole('button', { name: 'SMS, en' }).click();
    expect(await page.locator('#preview').innerText()).toContain('SMS part');
    await page.getByRole('button', { name: 'E-mail, en' }).click();
    expect(await page.getByLabel('Subject').inputValue()).toBe('Changed {{missing_one}}');
    expect(await page.locator('#preview').innerText()).toContain('missing_one');
    await page.goto(`${full.url}/portal/keys`);
    await page.getByText('Revoke…').first().click();
    await page.getByRole('button', { name: 'Revoke Shop back end' }).click();
    expect(await page.getByRole('status').innerText()).toContain('revoked');
    await context.close();
  });

  test('with scripts: a file that is too large is not sent, and a campaign is followed to its end', {
    timeout: 60_000,
  }, async () => {
    const context = await open(full, { width: 1280 });
    const page = await context.newPage();
    await page.goto(`${full.url}/portal/campaigns/new?template_id=order_shipped`);
    const choose = (bytes: number) =>
      page
        .getByLabel('CSV file')
        .setInputFiles({ name: 'a.csv', mimeType: 'text/csv', buffer: Buffer.alloc(bytes, 'a') });
    await choose(21 * 1_048_576);
    await page.getByText('This file is larger than 20 MB').waitFor({ timeout: 5_000 });
    await page.getByRole('button', { name: 'Upload and go on' }).click();
    expect(page.url()).toContain('template_id=order_shipped');
    await choose(1_000);
    expect(await page.getByText('This file is larger than 20 MB').isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Upload and go on' }).click();
    await page.getByRole('heading', { name: 'What the columns are' }).waitFor({ timeout: 5_000 });

    const served = await servePortal();
    try {
      const [bulk] = served.fixtures.campaigns.bulks;
      if (!bulk) throw new Error('no campaign to follow');
      await context.addCookies([{ name: 'carillon_session', value: 'test-session', url: served.url }]);
      await page.goto(`${served.url}/portal/campaigns/${bulk.bulk_id}`);
      Object.assign(bulk, { status: 'completed', counts: { queued: 0, sent: 0, delivered: 99_513, failed: 371 } });
      await page.getByText('Finished.').waitFor({ timeout: 10_000 });
      expect(await page.getByRole('button', { name: 'Pause' }).count()).toBe(0);
    } finally {
      await served.close();
    }
    await context.close();
  });

  test('with scripts: the preview follows the typing, and copying says so', { timeout: 60_000 }, async () => {
    const context = await open(full, { width: 1280 });
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: full.url });
    const page = await context.newPage();
    await page.goto(`${full.url}/portal/templates/order_shipped/edit?part=sms/en`);
    await page.getByLabel('Body').fill('Dear {{name}}, all is well');
    await page.locator('#preview', { hasText: 'Dear Ada, all is well' }).waitFor({ timeout: 5_000 });
    await page.goto(`${full.url}/portal/messages/${full.fixtures.notifications[0]?.notification_id}`);
    await page.getByRole('button', { name: 'copy', exact: true }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor({ timeout: 5_000 });
    await context.close();
  });
});

test.runIf(!CHROMIUM)(
  'no Chromium on this machine: the portal was not driven in a browser (set CHROMIUM to its path)',
  (context) => {
    context.skip('install Chromium, or set CHROMIUM to its path');
  },
);
