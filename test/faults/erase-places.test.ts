/** Every column of the store in which a person may stand is emptied of them, also in the rows of others; the rest is accounted for. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PLACES } from '../../src/features/erasure/scans.ts';
import { placesOf } from '../support/places.ts';
import { until } from '../support/product.ts';
import type { Json } from '../support/providers/fake.ts';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
  await scene.connectAll();
});
afterAll(() => scene.close());

const EMAIL = 'ada.canary@people.example';
const PHONE = '+14155550777';
const WORDS = `ask <${EMAIL}> or ${PHONE}.`;
const CANARIES = ['ada.canary', '4155550777'];

/** Texts and bytes in which nobody stands who was written to, and why. */
const NOBODY: Readonly<Record<string, readonly string[]>> = {
  'what the tenant calls its own things': [
    'api_keys.name',
    'connections.name',
    'connections.settings',
    'auto_replies.keywords',
    'auto_replies.name',
    'auto_replies.reply',
    'endpoints.name',
    'endpoints.url',
    'webhook_rules.name',
    'alert_rules.name',
    'alert_rules.template',
    'alerts.name',
    'endpoint_secrets.sealed',
    'connections.secrets',
    'connections.account',
    'templates.slug',
    'templates.name',
    'template_versions.written',
    'template_versions.content',
    'template_versions.variables',
    'template_versions.created_by',
    'tenants.name',
    'conversations.assignee',
    'rollouts.reason',
    'rollouts.started_by',
    'rollouts.ended_by',
    'rollouts.tally',
  ],
  'who works with the product, and signs in': [
    'users.email',
    'users.name',
    'users.password_hash',
    'one_time_links.email',
    'one_time_links.digest',
    'one_time_links.purpose',
    'sessions.digest',
    'sessions.mode',
    'messages.actor_id',
    'messages.ip',
    'messages.request_id',
    'bulks.actor_id',
    'bulks.ip',
    'bulks.request_id',
    'campaign_drafts.user_id',
    'api_keys.public_part',
    'api_keys.digest',
    'api_keys.last_four',
    'api_keys.scopes',
    'api_keys.allowed_ips',
  ],
  'the log of changes to keys, rules and money, which is never changed': [
    'audit_log.actor_kind',
    'audit_log.actor_id',
    'audit_log.action',
    'audit_log.target',
    'audit_log.detail',
    'audit_log.ip',
    'audit_log.request_id',
    'audit_chain.previous',
    'audit_chain.hash',
  ],
  'keyed hashes of addresses, and hashes of requests': [
    'erasures.digests',
    'suppressions.digest',
    'otp_sends.address',
    'idempotency.request_hash',
    'bulks.rows_hash',
  ],
  'what somebody sent as a file, which goes with who sent it': ['inbound_media.bytes', 'inbound_media.sha256'],
  'sealed, and gone when the work is done': ['erasures.sealed', 'suppressions.sealed'],
  'ids that a provider gave': [
    'provider_refs.provider_id',
    'attempts.provider_id',
    'receipts.provider_id',
    'receipts.key',
    'outbox.provider_id',
    'inbound_messages.provider_id',
    'inbound_messages.key',
    'inbound_messages.reply_to',
    'inbound_media.provider_id',
    'told_notices.key',
  ],
  'words, numbers and names of ours': [
    'attempts.fault',
    'attempts.result',
    'auto_replies.channel',
    'auto_replies.failure_code',
    'auto_replies.match',
    'auto_replies.mode',
    'auto_replies.trigger',
    'owed_replies.mode',
    'bulks.mode',
    'bulks.status',
    'campaign_drafts.mode',
    'connections.adapter',
    'contacts.mode',
    'contact_identities.kind',
    'contact_identities.mode',
    'contact_identities.scope',
    'contact_merges.brought',
    'contact_merges.mode',
    'conversations.channel',
    'conversations.mode',
    'conversations.status',
    'inbound_messages.channel',
    'inbound_messages.kind',
    'inbound_messages.mode',
    'inbound_messages.origin',
    'inbound_media.fault',
    'inbound_media.mime',
    'inbound_media.mode',
    'inbound_media.status',
    'connections.channel',
    'connections.health',
    'connections.health_fault',
    'connections.mode',
    'connections.owner',
    'cursors.name',
    'custody.files',
    'custody.quarantine_reason',
    'custody.system_identifier',
    'deliveries.event_type',
    'deliveries.format',
    'deliveries.mode',
    'deliveries.status',
    'delivery_attempts.fault',
    'due.kind',
    'endpoints.disabled_reason',
    'endpoints.event_types',
    'endpoints.format',
    'endpoints.routing',
    'endpoints.mode',
    'endpoints.status',
    'erasures.counts',
    'erasures.failure',
    'erasures.mode',
    'erasures.position',
    'events.mode',
    'events.type',
    'idempotency.mode',
    'inbound_requests.method',
    'installation.root',
    'messages.category',
    'messages.channel',
    'messages.failure_code',
    'messages.language',
    'messages.mode',
    'messages.on_unknown',
    'messages.outcome',
    'messages.quiet_hours',
    'messages.status',
    'outbox.channel',
    'outbox.steps',
    'rate_buckets.mode',
    'receipts.fault',
    'receipts.receipt',
    'rollouts.status',
    'suppressions.channel',
    'suppressions.created_by',
    'suppressions.mode',
    'suppressions.reason',
    'suppressions.scope',
    'template_versions.status',
    'templates.category',
    'tenants.default_country',
    'tenants.default_language',
    'api_keys.mode',
    'webhook_rules.mode',
    'alert_rules.channel',
    'alert_rules.metric',
    'alert_rules.mode',
    'alert_watches.mode',
    'alerts.metric',
    'alerts.mode',
    'alerts.untold',
    'webhook_rules.targets',
  ],
};

it('knows of every column whether a person may stand in it', async () => {
  const columns = (await scene.query(
    `select c.table_name || '.' || c.column_name as name from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
     where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.data_type in ('text', 'jsonb', 'json', 'bytea', 'ARRAY', 'character varying')
       and c.udt_name <> '_timestamptz' and c.table_name not like 'carillon\\_migrations%'
       and not exists (select from pg_inherits i where i.inhrelid = format('%I.%I', c.table_schema, c.table_name)::regclass)`,
  )) as { name: string }[];
  const known = [...new Set(PLACES), ...Object.values(NOBODY).flat()].sort();
  expect(columns.map(({ name }) => name).sort()).toEqual(known);
});

/** How an address gets into each of the places, in rows of somebody else. */
async function plant(one: string, test: string, bulkId: string): Promise<readonly string[]> {
  const { tenantId } = scene.product;
  const json = JSON.stringify({ words: WORDS, [PHONE]: [14155550777] });
  const [live] = (await scene.query(
    `select id from connections where tenant_id = $1 and mode = 'live' and channel = 'sms'`,
    [tenantId],
  )) as { id: string }[];
  const connection = live?.id as string;
  const done: string[] = [];
  const put = async (places: readonly string[], sql: string, values: unknown[] = []) => {
    await scene.query(sql, values);
    done.push(...places);
  };
  await put(
    ['messages.recipient', 'messages.input', 'messages.fallback', 'messages.template_slug', 'messages.idempotency_key'],
    `update messages set recipient = recipient || $2, input = input || $2, fallback = jsonb_build_object('channels', 1, 'steps', '[]'::jsonb, 'words', $3::text),
       template_slug = $3, idempotency_key = $3 where id = $1`,
    [one, json, WORDS],
  );
  // Two of them: keys stay apart.
  for (const key of [WORDS, `${WORDS} again`])
    await put(
      ['idempotency.key', 'idempotency.body'],
      `insert into idempotency (tenant_id, mode, key, request_hash, notification_id, status, body, expires_at)
       values ($1, 'live', $2, '', gen_random_uuid(), 202, $2, now() + interval '1 day')`,
      [tenantId, key],
    );
  await put(
    ['events.data'],
    `insert into events (id, tenant_id, mode, type, message_id, data) values (uuid_at(now()), $1, 'live', 'note', $2, $3)`,
    [tenantId, one, json],
  );
  await put(
    ['attempts.provider_message', 'attempts.provider_code'],
    `insert into attempts (message_id, number, tenant_id, connection_id, fence, started_at, result, provider_message, provider_code)
     values ($1, 9, $2, $3, 1, now(), 'refused', $4, $4)`,
    [one, tenantId, connection, WORDS],
  );
  for (const [key, message] of [
    ['known', one],
    ['parked', null],
  ])
    await put(
      ['receipts.provider_message', 'receipts.provider_code'],
      `insert into receipts (connection_id, key, inbound_id, tenant_id, message_id, receipt, provider_message, provider_code, at)
       values ($1, $2, gen_random_uuid(), $3, $4, 'sent', $5, $5, now())`,
      [connection, key, tenantId, message, WORDS],
    );
  await put(
    ['outbox.content', 'outbox.address', 'messages.address'],
    `update outbox set content = $2, address = $3 where message_id = $1`,
    [test, json, EMAIL],
  );
  await put(
    ['bulks.request', 'bulks.name', 'bulks.idempotency_key'],
    `update bulks set request = request || $2, name = $3, idempotency_key = $3 where id = $1`,
    [bulkId, json, WORDS],
  );
  await put(['bulk_errors.error'], `insert into bulk_errors (bulk_id, row, tenant_id, error) values ($1, 99, $2, $3)`, [
    bulkId,
    tenantId,
    json,
  ]);
  await put(
    ['campaign_drafts.settings', 'campaign_drafts.csv'],
    `insert into campaign_drafts (id, tenant_id, mode, user_id, csv, settings) values (gen_random_uuid(), $1, 'live', 'user', $2, $3)`,
    [tenantId, Buffer.from(`phone,name\n${PHONE},Ada\n${newPhone()},Bob\n`), json],
  );
  await put(
    ['deliveries.body', 'delivery_attempts.answer'],
    `with told as (
       insert into endpoints (id, tenant_id, mode, name, url, status, position, event_id)
       values (uuid_at(now()), $1, 'live', 'shop', 'https://shop.example/', 'paused', 0, uuid_at(now())) returning id
     ), made as (
       insert into deliveries (id, tenant_id, mode, endpoint_id, event_id, event_type, sequence, body, status)
       select uuid_at(now()), $1, 'live', id, uuid_at(now()), 'message.sent', 1, $2, 'delivered' from told returning id
     )
     insert into delivery_attempts (delivery_id, number, tenant_id, started_at, duration_ms, status_code, answer)
     select id, 1, $1, now(), 5, 200, $2 from made`,
    [tenantId, WORDS],
  );
  await put(
    ['suppressions.note'],
    `insert into suppressions (id, tenant_id, mode, channel, digest, scope, reason, note) values (uuid_at(now()), $1, 'live', 'sms', 'x', 'all', 'manual', $2)`,
    [tenantId, WORDS],
  );
  await put(
    ['webhook_rules.conditions'],
    `insert into webhook_rules (id, tenant_id, mode, name, priority, enabled, conditions, targets, stop)
     values (uuid_at(now()), $1, 'live', 'from Ada', 1, true, $2, '{}', false)`,
    [tenantId, JSON.stringify({ all: [{ sender: [EMAIL, PHONE] }, { keyword: [WORDS] }] })],
  );
  // Of somebody who writes from an address of theirs, and of somebody else who speaks of it.
  for (const [address, contact] of [
    [EMAIL, { name: null, phone: PHONE, email: EMAIL }],
    ['other@people.example', { name: WORDS, phone: null, email: null }],
  ] as const)
    await put(
      [
        ...['contacts.name', 'contacts.metadata', 'contacts.external_id', 'contacts.email', 'contacts.phone'],
        ...['contact_identities.value', 'conversations.address', 'conversations.recipient'],
        ...['inbound_messages.text', 'inbound_messages.data', 'inbound_media.filename', 'inbound_media.url'],
      ],
      `with person as (
         insert into contacts (id, tenant_id, mode, name, metadata, external_id, email, phone)
         values (gen_random_uuid(), $1, 'live', $4, $5, $6, $7, $8) returning id
       ), known as (
         insert into contact_identities (tenant_id, mode, kind, value, scope, contact_id) select $1, 'live', 'email', $3, '', id from person
       ), place as (
         insert into conversations (id, tenant_id, mode, connection_id, channel, address, recipient, contact_id, last_id)
         select gen_random_uuid(), $1, 'live', $2, 'email', $3, jsonb_build_object('email', $3::text), id, gen_random_uuid() from person returning id
       ), wrote as (
         insert into inbound_messages (id, tenant_id, mode, conversation_id, connection_id, channel, key, inbound_id, provider_id, origin, own, kind, text, data)
         select uuid_at(now()), $1, 'live', id, $2, 'email', $3, gen_random_uuid(), $3, 'live', false, 'text', $9, $5 from place returning id
       )
       insert into inbound_media (id, tenant_id, mode, message_id, connection_id, position, mime, filename, url, status)
       select gen_random_uuid(), $1, 'live', id, $2, 0, 'text/plain', $9, $9, 'failed' from wrote`,
      [tenantId, connection, address, contact.name, json, `${WORDS} ${address}`, contact.email, contact.phone, WORDS],
    );
  await put(
    ['alert_rules.targets', 'alerts.targets'],
    `with kept as (
       insert into alert_rules (id, tenant_id, mode, name, enabled, metric, threshold, window_minutes, min_messages, targets)
       values (uuid_at(now()), $1, 'live', 'x', false, 'failures', 1, 1, 1, $2) returning id, targets
     ) insert into alerts (id, tenant_id, mode, rule_id, name, metric, threshold, targets, value, recovered_at)
       select id, $1, 'live', id, 'x', 'failures', 1, targets, 1, now() from kept`,
    [tenantId, JSON.stringify([{ channel: 'email', recipient: { email: EMAIL, phone: PHONE } }])],
  );
  // Of a connection that nothing is sent through meanwhile.
  await put(
    ['connections.health_note'],
    `update connections set health_note = $2 where tenant_id = $1 and mode = 'live' and channel = 'voice'`,
    [tenantId, WORDS],
  );
  for (const [column, value] of [
    ['url', `/hooks/x?to=${encodeURIComponent(PHONE)}`],
    ['headers', json],
    ['body', Buffer.from(`To=${encodeURIComponent(EMAIL)}`)],
    ['error', WORDS],
  ] as const)
    await put(
      [`inbound_requests.${column}`],
      `insert into inbound_requests (id, connection_id, method, url, headers, body, applied_at) values (uuid_at(now() + $2 * interval '1 ms'), $1, 'POST', '/', '{}', '', now())`,
      [connection, 100 + done.length],
    ).then(() =>
      scene.query(
        `update inbound_requests set "${column}" = $1 where id = (select max(id::text)::uuid from inbound_requests)`,
        [value],
      ),
    );
  return done;
}

it('wherever an address stands, in rows of others too, it is gone', async () => {
  const notification = { channels: ['sms'], body: 'Hi' };
  const other = await scene.send({ recipient: { phone: newPhone() }, notification });
  const own = await scene.send({
    recipient: { email: EMAIL },
    notification: { ...notification, channels: ['email'], subject: 'S' },
  });
  const test = await scene.send({ recipient: { phone: newPhone() }, notification }, scene.testKey);
  const bulk = { channels: ['sms'], body: 'Hi', recipients: [{ phone: newPhone() }] };
  await scene.must(202, scene.call('POST', '/api/v1/notifications/bulk', { key: scene.liveKey, body: bulk }));
  for (const { notification_id } of [other, own])
    await scene.when(notification_id, 'went out', ({ status }) => status !== 'queued');
  await scene.when(test.notification_id, 'went out', ({ status }) => status !== 'queued', scene.testKey);
  await until(
    async () => ((await scene.query('select 1 from inbound_requests where applied_at is null')) as Json[]).length === 0,
  );
  const uuids = (await scene.query(
    `select (select id from messages where mode = 'live' and channel = 'sms' and bulk_id is null) as one,
       (select message_id from outbox) as test, (select id from bulks) as bulk`,
  )) as { one: string; test: string; bulk: string }[];
  const { one, test: sandboxed, bulk: bulkId } = uuids[0] as { one: string; test: string; bulk: string };
  const planted = await plant(one, sandboxed, bulkId);
  expect([...new Set(planted)].sort()).toEqual([...new Set(PLACES)].sort());
  const before = await placesOf(scene.query, CANARIES);
  for (const place of PLACES) expect(before).toContain(place);

  for (const key of [scene.liveKey, scene.testKey]) {
    const body = { recipient: { email: EMAIL, phone: PHONE } };
    const erased = await scene.must(200, scene.call('POST', '/api/v1/recipients/erase', { key, body }));
    expect(erased.status).toBe('completed');
  }
  expect(await placesOf(scene.query, CANARIES)).toEqual([]);
  const rows = await scene.query('select address <> $2 as kept, idempotency_key as key from messages where id = $1', [
    one,
    '',
  ]);
  expect(rows).toEqual([{ kept: true, key: expect.stringMatching(/^erased /) }]);
  const keys = await scene.query(`select key from idempotency where key like 'erased %'`);
  expect(keys).toHaveLength(2);
}, 60_000);
