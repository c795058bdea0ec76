/** Two tenants in one product: nothing the one can ask shows a byte of the other, not even that it is there. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDb } from '../../src/lib/db.ts';
import { createLog } from '../../src/lib/log.ts';
import type { Reply } from '../support/scene.ts';
import { DOORS, type Door, filled, nameOf, namesIn } from './doors.ts';
import { type Citizen, type Mode, startTown, type Town } from './town.ts';

let town: Town;
let attacker: Citizen;
let victim: Citizen;
let before: readonly string[];
/** Everything that was answered to the attacker. */
const answered: string[] = [];

beforeAll(async () => {
  town = await startTown();
  attacker = await town.settle('magpie');
  victim = await town.settle('nightingale');
  before = await belongings();
}, 120_000);
afterAll(() => town?.close());

/** All rows of the victim, but for what passing time alone changes. */
async function belongings(): Promise<readonly string[]> {
  const tables = await town.scene.query<{ name: string }>(
    `select table_name as name from information_schema.columns join information_schema.tables using (table_schema, table_name)
     where column_name = 'tenant_id' and table_schema = 'public' and table_type = 'BASE TABLE' and table_name not like '%\\_2%'
       and table_name not in ('audit_chain', 'alert_watches') order by 1`,
  );
  expect(tables.length).toBeGreaterThan(12);
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await town.scene.query<{ row: object }>(
      `select to_jsonb(t) - '{last_used_at,seen_at,health,health_at,health_note,health_since,health_fault,health_until,position,place,tally}'::text[] as row from "${name}" t
         where tenant_id = $1 order by t::text`,
      [victim.tenantId],
    );
    found.push(...rows.map(({ row }) => `${name} ${JSON.stringify(row)}`));
  }
  return found;
}

/** The bodies of doors that judge one before they look for the thing. */
const BODIES: Readonly<Record<string, unknown>> = {
  'PATCH /api/v1/keys/:key_id': { name: 'Mine now' },
  'POST /api/v1/keys/:key_id/rotate': {},
  'PATCH /api/v1/connections/:connection_id': { name: 'Mine now' },
  'PATCH /api/v1/auto_replies/:auto_reply_id': { name: 'Mine now' },
  'PATCH /api/v1/webhooks/:endpoint_id': { name: 'Mine now' },
  'POST /api/v1/webhooks/:endpoint_id/resume': {},
  'POST /api/v1/webhooks/:endpoint_id/replay': { status: 'all' },
  'PATCH /api/v1/contacts/:contact_id': { name: 'Mine now' },
  'POST /api/v1/contacts/:contact_id/merge': { contact_id: 'ctc_00000000000000000000000000' },
  'PATCH /api/v1/conversations/:conversation_id': { assignee: 'me' },
  'POST /api/v1/conversations/:conversation_id/messages': { text: 'Mine now' },
  'PATCH /api/v1/webhook_rules/:rule_id': { name: 'Mine now' },
  'PATCH /v1/webhook_rules/:rule_id': { name: 'Mine now' },
  'PATCH /api/v1/alert_rules/:alert_rule_id': { name: 'Mine now' },
  'PUT /api/v1/templates/:template_id': { content: { sms: { en: { body: 'Mine now' } } } },
  'POST /api/v1/templates/:template_id/rollout': { version: 1, percent: 50 },
  'POST /api/v1/templates/:template_id/preview': {},
  'POST /api/v1/sandbox/outbox/:message_id/receipts': { receipt: 'failed' },
};
/** The same for the forms of pages; what is not here is sent empty. */
const FORMS: Readonly<Record<string, Record<string, string>>> = {
  'POST /portal/outbox/:message_id/play': { what: 'failed' },
  'POST /portal/outbox/:message_id/write': { text: 'Mine now' },
  'POST /portal/inbox/:conversation_id': { status: 'resolved' },
  'POST /portal/inbox/:conversation_id/reply': { text: 'Mine now' },
  'POST /portal/contacts/:contact_id': { name: 'Mine now' },
  'POST /portal/contacts/:contact_id/merge': { other: 'ctc_00000000000000000000000000' },
  'POST /portal/webhooks/:endpoint_id': { url: 'https://mine.example/' },
  'POST /portal/webhooks/:endpoint_id/replay': { status: 'all' },
  'POST /portal/templates/:template_id/activate': { version: '1' },
  'POST /portal/templates/:template_id/rollout': { version: '1', percent: '50' },
};

/** An id of the same form that nobody has. */
const missing = (id: string): string =>
  /^[a-z]{3}_[0-9A-Z]{26}$/.test(id) ? `${id.slice(0, -4)}0000` : id.replace(/nightingale|magpie/, 'dodo');

/** What may differ between two answers to one question: the ids that were asked for, and the name of the request. */
function leveled(reply: Reply, ids: readonly string[]): string {
  let text = `${reply.status} ${[...reply.headers].filter(([name]) => !/^(date|(x-)?ratelimit.*)$/.test(name)).join(' ')} ${reply.text}`;
  for (const id of ids) text = text.replaceAll(id, 'ID');
  return text.replace(/req_\w{26}/g, 'REQ').replace(/,?content-length,\d+/, '');
}

async function ask(door: Door, who: Citizen, mode: Mode, path: string, query = '', body?: unknown): Promise<Reply> {
  const { call, product } = town.scene;
  let reply: Reply;
  if (door.auth === 'session') {
    const token = who.sessions[mode];
    const csrf = product.deps.tenants.csrfToken(token);
    reply = await call(door.method, path + query, {
      headers: {
        cookie: `carillon_session=${token}`,
        origin: product.url,
        accept: 'text/html',
        'content-type': 'application/x-www-form-urlencoded',
      },
      ...(door.method === 'POST'
        ? { raw: new URLSearchParams({ csrf, ...((body as object) ?? FORMS[nameOf(door)]) }).toString() }
        : {}),
    });
  } else {
    const given = body ?? BODIES[nameOf(door)];
    reply = await call(door.method, path + query, {
      key: who.keys[mode],
      ...(given === undefined ? {} : { body: given }),
    });
  }
  if (who === attacker)
    answered.push(`${door.method} ${path}${query}\n${[...reply.headers].join('\n')}\n${reply.text}`);
  return reply;
}

/** Doors behind which there is somebody's own thing. */
const aimed = DOORS.filter(({ auth, path }) => (auth === 'key' || auth === 'session') && namesIn(path).length > 0);
const named = (doors: readonly Door[]) => doors.map((door) => [nameOf(door), door] as const);

/** Asks for what is there but not the asker's, then for what is nowhere, and compares. */
async function isAbsent(door: Door, who: Citizen, mode: Mode, ids: Readonly<Record<string, string>>): Promise<Reply> {
  const theirs = filled(door.path, (name) => ids[name] ?? '');
  const nowhere = filled(door.path, (name) => (name === 'number' ? '1' : missing(ids[name] ?? '')));
  expect(theirs).not.toBe(nowhere);
  const there = await ask(door, who, mode, theirs);
  const not = await ask(door, who, mode, nowhere);
  const all = namesIn(door.path).filter((name) => name !== 'number');
  const own = all.map((name) => ids[name] ?? '');
  expect(leveled(there, own)).toBe(leveled(not, own.map(missing)));
  return there;
}

/** Doors that say something else than 404 of what is not there, and why; the same of what is there. */
const SAYS: Readonly<Record<string, Partial<Record<Mode, number>>>> = {
  // Shows a key that was made a moment ago in the same session, and else leads back to the list.
  'GET /portal/keys/:key_id/shown': { live: 303, test: 303 },
  // There is no outbox in live mode: it leads to the page that says so.
  'GET /portal/outbox/:message_id': { live: 303 },
  // Draws what was typed, which is nothing, and looks for nothing.
  'POST /portal/templates/:template_id/edit': { live: 200, test: 200 },
};

describe('what belongs to another tenant is absent, byte for byte', () => {
  it.each(named(aimed))('%s', async (_, door) => {
    for (const mine of ['live', 'test'] as const)
      for (const theirs of ['live', 'test'] as const) {
        const { status } = await isAbsent(door, attacker, mine, victim.ids[theirs]);
        expect([mine, theirs, status]).toEqual([mine, theirs, SAYS[nameOf(door)]?.[mine] ?? 404]);
      }
  });
});

describe('what belongs to the other mode is absent, byte for byte', () => {
  // Templates belong to both.
  const doors = aimed.filter(({ path }) => !namesIn(path).includes('template_id') && !/\/shown$/.test(path));
  it.each(named(doors))('%s', async (_, door) => {
    if (!namesIn(door.path).includes('connection_id'))
      expect((await isAbsent(door, victim, 'live', victim.ids.test)).status).toBe(SAYS[nameOf(door)]?.live ?? 404);
    if (door.path.includes('/sandbox/')) return;
    const { status, body } = await isAbsent(door, victim, 'test', victim.ids.live);
    if (namesIn(door.path).includes('connection_id') && status === 422) expect(body?.error.code).toBeDefined();
    else expect(status).toBe(404);
  });
});

describe('lists and what takes names from outside', () => {
  const lists = DOORS.filter(
    ({ auth, method, path }) =>
      (auth === 'key' || auth === 'session') && method === 'GET' && namesIn(path).length === 0,
  );
  it.each(named(lists))('%s', async (_, door) => {
    for (const mine of ['live', 'test'] as const) {
      await ask(door, attacker, mine, door.path);
      for (const theirs of Object.values(victim.ids))
        for (const query of [
          ...Object.values(theirs).map((id) => `?cursor=${encodeURIComponent(id)}`),
          `?recipient=${encodeURIComponent(`guest.live.${victim.canary}@people.example`)}`,
          `?template_id=${theirs.template_id}`,
          `?bulk_id=${theirs.bulk_id}`,
          `?tenant_id=${victim.tenantId}`,
          '?limit=100',
        ]) {
          const { status } = await ask(door, attacker, mine, door.path, query);
          expect([query, status < 500]).toEqual([query, true]);
        }
    }
  });

  it.each([
    [
      'POST',
      '/api/v1/notifications/send',
      (template_id: string) => ({
        recipient: { email: 'a@b.example' },
        notification: { channels: ['email'], template_id, data: { name: 'x' } },
      }),
    ],
    [
      'POST',
      '/api/v1/notifications/validate',
      (template_id: string) => ({
        recipient: { email: 'a@b.example' },
        notification: { channels: ['email'], template_id, data: { name: 'x' } },
      }),
    ],
    [
      'POST',
      '/api/v1/notifications/bulk',
      (template_id: string) => ({
        channels: ['email'],
        template_id,
        recipients: [{ email: 'a@b.example', data: { name: 'x' } }],
      }),
    ],
  ] as const)('%s %s with a template of another tenant', async (method, path, bodyOf) => {
    const door = { method, path, auth: 'key', scope: 'send' } as const;
    const slug = victim.ids.live.template_id ?? '';
    const there = await ask(door, attacker, 'test', path, '', bodyOf(slug));
    const not = await ask(door, attacker, 'test', path, '', bodyOf(missing(slug)));
    expect(leveled(there, [slug])).toBe(leveled(not, [missing(slug)]));
    expect(there.text).toContain('template_not_found');
  });

  it('a campaign of the portal with a template of another tenant', async () => {
    const door = { method: 'POST', path: '/portal/campaigns/new', auth: 'session', scope: undefined } as const;
    const form = {
      template_id: victim.ids.live.template_id ?? '',
      name: 'x',
      channels: 'email',
      rows: 'email,name\na@b.example,x',
    };
    const there = await ask(door, attacker, 'test', door.path, '', form);
    const slug = missing(form.template_id);
    const not = await ask(door, attacker, 'test', door.path, '', { ...form, template_id: slug });
    expect([there.status, leveled(there, [form.template_id])]).toEqual([404, leveled(not, [slug])]);
  });

  it('what one has oneself is there', async () => {
    const door = DOORS.find((one) => nameOf(one) === 'GET /api/v1/templates/:template_id') as Door;
    const { status, text } = await ask(door, attacker, 'live', `/api/v1/templates/${attacker.ids.live.template_id}`);
    expect([status, /Offer magpie/.test(text)]).toEqual([200, true]);
  });
});

describe('afterwards', () => {
  it('no answer held a byte of the other, in body or header', () => {
    expect(answered.length).toBeGreaterThan(800);
    const owns = (text: string) => {
      // What was asked for comes back in words such as "there is no template of this name".
      const [asked = '', ...rest] = text.split('\n');
      let said = rest.join('\n');
      for (const one of [asked, decodeURIComponent(asked)])
        for (const part of one.split(/[ /?=&]/))
          if (/nightingale/i.test(part)) said = said.replaceAll(part, '').replaceAll(encodeURIComponent(part), '');
      for (const id of new Set(Object.values(victim.ids).flatMap((ids) => [ids.template_id ?? ''])))
        said = said.replaceAll(id, '');
      return /nightingale/i.test(said) || said.includes(victim.tenantId) || said.includes(victim.userId);
    };
    expect(answered.filter(owns)).toEqual([]);
  });

  it('nothing of the other has changed', async () => {
    const now = await belongings();
    expect(now.filter((row) => !before.includes(row)).join('\n')).toBe('');
    expect(before.filter((row) => !now.includes(row))).toEqual([]);
  });

  it('the log, at its most talkative, holds no word of either', () => {
    const lines = town.log().split('\n');
    expect(lines.length).toBeGreaterThan(500);
    const told = lines.filter((line) => /nightingale|magpie/i.test(line.replace(/offer_(nightingale|magpie)/g, '')));
    expect(told).toEqual([]);
  });
});

describe('the store itself keeps them apart', () => {
  it('a statement that forgot its WHERE shows the reader no row of another tenant, in any table', async () => {
    const { deps } = town.scene.product;
    const tables = await town.scene.query<{ name: string; isolated: boolean; readable: boolean }>(
      `select relname as name, relrowsecurity as isolated, has_table_privilege('carillon_reader', oid, 'select') as readable
       from pg_class where relkind in ('r', 'p') and not relispartition and relnamespace = 'public'::regnamespace order by 1`,
    );
    const seen: Record<string, number> = {};
    for (const { name, isolated, readable } of tables) {
      const all = await town.scene.query(`select * from "${name}"`);
      const ofTenants = JSON.stringify(all).includes(victim.tenantId);
      if (!readable) {
        await expect(deps.db.read(attacker.tenantId, (sql) => sql.query(`select 1 from "${name}"`))).rejects.toThrow(
          /permission denied/,
        );
        continue;
      }
      if (ofTenants) expect([name, isolated]).toEqual([name, true]);
      const shown = JSON.stringify(
        await deps.db.read(attacker.tenantId, (sql) => sql.query(`select * from "${name}"`)),
      );
      expect([name, shown.includes(victim.tenantId), /nightingale/.test(shown)]).toEqual([name, false, false]);
      expect(await deps.db.read('', (sql) => sql.query(`select 1 from "${name}"`))).toHaveLength(
        isolated ? 0 : all.length,
      );
      seen[name] = all.length;
    }
    for (const name of [
      'messages',
      'templates',
      'api_keys',
      'connections',
      'bulks',
      'outbox',
      'campaign_drafts',
      'users',
      'events',
      'endpoints',
      'deliveries',
      'contacts',
      'contact_identities',
      'contact_merges',
      'conversations',
      'inbound_messages',
      'inbound_media',
    ])
      expect([name, (seen[name] ?? 0) > 0]).toEqual([name, true]);
  });

  it('the reader cannot write, name another tenant, or leave its role', async () => {
    const { db } = town.scene.product.deps;
    const attempts = [
      `update templates set name = 'x'`,
      `delete from messages`,
      `insert into clock values (true)`,
      `create table loot (a int)`,
      `select * from sessions`,
      `select * from idempotency`,
      `select pg_read_file('/etc/passwd')`,
      `copy messages to program 'cat'`,
    ];
    for (const attempt of attempts)
      await expect(
        db.read(attacker.tenantId, (sql) => sql.query(attempt)),
        attempt,
      ).rejects.toThrow(/permission denied|read-only|must be/);
  });

  it('a thousand reads of two tenants over a pool of two are each confined', async () => {
    const db = createDb({ url: town.scene.product.database.url, log: createLog('silent'), connections: 2 });
    try {
      const leaks: string[] = [];
      const one = async (n: number) => {
        const who = n % 2 === 0 ? attacker : victim;
        const ask = [
          { text: 'select tenant_id from messages', values: [] },
          { text: 'select tenant_id from templates where name <> $1', values: ['x'] },
        ];
        // Both ways of reading, and one in ten that fails half way.
        const rows = (
          n % 10 === 3
            ? await db.read(who.tenantId, (sql) => sql.query('select 1 / 0')).catch(() => [])
            : n % 3 === 0
              ? (await db.look(who.tenantId, ask)).flat()
              : await db.read(who.tenantId, (sql) => sql.query('select tenant_id from messages'))
        ) as { tenant_id: string }[];
        if (n % 10 !== 3 && rows.length === 0) leaks.push('nothing');
        for (const { tenant_id } of rows) if (tenant_id !== who.tenantId) leaks.push(tenant_id);
      };
      await Promise.all(Array.from({ length: 1_000 }, (_, n) => one(n)));
      expect(leaks).toEqual([]);
    } finally {
      await db.close();
    }
  });

  it('a thousand questions of two tenants at once over HTTP are each answered to who asked', async () => {
    const leaks: string[] = [];
    const one = async (n: number) => {
      const [who, other] = n % 2 === 0 ? [attacker, victim] : [victim, attacker];
      const mode = n % 3 === 0 ? 'live' : 'test';
      const id = (n % 5 === 0 ? other : who).ids[mode].notification_id;
      const path = n % 4 === 0 ? '/api/v1/notifications' : `/api/v1/notifications/${id}`;
      const { status, text } = await town.scene.call('GET', path, { key: who.keys[mode] });
      if (text.includes(other.canary)) leaks.push(text);
      if (n % 4 !== 0 && status !== (n % 5 === 0 ? 404 : 200)) leaks.push(`${status}`);
    };
    for (let start = 0; start < 1_000; start += 100)
      await Promise.all(Array.from({ length: 100 }, (_, n) => one(start + n)));
    expect(leaks).toEqual([]);
  });
});
