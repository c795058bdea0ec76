/**
 * Each promise, broken on purpose, and the test that must notice. A text is replaced in one file; where a promise is kept in
 * two places both are broken. Plain JavaScript, so that the command reads it without compiling.
 */
export const MUTATIONS = [
  {
    id: 'lease',
    breaks: 'I3: who writes a result must hold the lease, by its fence',
    edits: [
      [
        'src/features/notifications/record-store.ts',
        'from r join held on held.id = r.due_id and held.fence = r.fence',
        'from r join held on held.id = r.due_id',
      ],
      [
        'src/features/notifications/record-store.ts',
        'from r join mine on mine.id = r."dueId" and mine.fence = r.fence',
        'from r join mine on mine.id = r."dueId"',
      ],
    ],
    file: 'test/regressions/stale-result.test.ts',
    test: 'of two results of one row only the current fence is applied',
  },
  {
    id: 'attempt-first',
    breaks: 'I3, I4: the attempt is on record before the first byte leaves',
    edits: [
      [
        'src/features/notifications/claim.ts',
        "opened = due.opened or due.kind = 'message', opened_at",
        'opened = due.opened, opened_at',
      ],
      [
        'src/features/notifications/ranges.ts',
        'update due set opened = due.opened or not held, opened_at',
        'update due set opened = due.opened, opened_at',
      ],
    ],
    file: 'test/faults/matrix.test.ts',
    test: 'F6b ',
    env: { FAULTS_ONLY: 'F6b' },
  },
  {
    id: 'commit-first',
    breaks: 'I1: nothing is answered before the commit',
    edits: [
      [
        'src/features/notifications/accept.ts',
        '    isStored = await store(parcels, places);',
        '    isStored = () => true;\n    setTimeout(() => void store(parcels, places).catch(() => undefined), 300);',
      ],
    ],
    file: 'test/faults/matrix.test.ts',
    test: 'F2 ',
    env: { FAULTS_ONLY: 'F2' },
  },
  {
    id: 'one-key',
    breaks: 'I5: one key, one notification',
    edits: [
      [
        'migrations/0004_create_idempotency.ts',
        'primary key (tenant_id, mode, key)\n',
        'primary key (tenant_id, mode, key, notification_id)\n',
      ],
    ],
    file: 'test/e2e/idempotency.test.ts',
    test: 'with one key and one body are one notification and fifty times its answer',
  },
  {
    id: 'key-body',
    breaks: 'I5: another request under the key is refused',
    edits: [
      [
        'src/features/idempotency/index.ts',
        'if (stored.hash !== hash) throw',
        "if (stored.hash !== hash && hash === '') throw",
      ],
    ],
    file: 'test/e2e/idempotency.test.ts',
    test: 'another body under it is 422, and the first stays what it was',
  },
  {
    id: 'never-back',
    breaks: 'I6: a status never goes back',
    edits: [
      [
        'src/features/notifications/status.ts',
        'delivered: { accepted: undefined, delivered: undefined, failed: undefined }',
        "delivered: { accepted: 'sent', delivered: undefined, failed: 'failed' }",
      ],
    ],
    file: 'test/unit/notifications/status.test.ts',
    test: '',
  },
  {
    id: 'one-receipt',
    breaks: 'I6, I10: a callback counts once',
    edits: [
      [
        'src/features/notifications/status.ts',
        "sent: { accepted: undefined, delivered: 'delivered', failed: 'failed' }",
        "sent: { accepted: 'sent', delivered: 'delivered', failed: 'failed' }",
      ],
    ],
    file: 'test/unit/notifications/status.test.ts',
    test: '',
  },
  {
    id: 'bulk-row',
    breaks: 'I7: rows that are stored are not stored again',
    edits: [
      [
        'src/features/bulks/upload.ts',
        'if (index < known.rows) {\n        index++;',
        'if (index < 0) {\n        index++;',
      ],
    ],
    file: 'test/e2e/bulk-stream.test.ts',
    test: '',
  },
  {
    id: 'signature',
    breaks: 'I10: a wrong signature changes nothing',
    edits: [
      [
        'src/features/inbound/index.ts',
        "if (!(await orLater(() => door.verify(request)))) throw new ApiError('bad_signature');",
        '',
      ],
    ],
    file: 'test/e2e/receipts.test.ts',
    test: 'with a wrong signature is answered 401, and neither stored nor applied',
  },
  {
    id: 'tenant-filter',
    breaks: 'I11: the tenant stands in every key',
    edits: [
      [
        'src/features/notifications/queries-store.ts',
        'and id <= n.last and tenant_id = $1 and mode = $2',
        'and id <= n.last and $1::uuid is not null and mode = $2',
      ],
    ],
    /** The other half of the lock. */
    also: [
      [
        'migrations/0010_isolate_tenants.ts',
        "using (%I = nullif(current_setting(''carillon.tenant'', true), '''')::uuid)",
        'using (%I is not null)',
      ],
    ],
    file: 'test/e2e/send.test.ts',
    test: "another tenant's notification is absent, byte for byte like one that never was",
  },
  {
    id: 'canary-log',
    breaks: 'I12: a secret is in no log',
    edits: [['src/lib/log.ts', "censor: '[redacted]'", 'censor: (value: unknown) => value']],
    file: 'test/unit/lib/log.test.ts',
    test: '',
  },
  {
    id: 'moved-secret',
    breaks: 'I12: a secret opens in its own record alone',
    edits: [
      ['src/lib/crypto.ts', '      cipher.setAAD(Buffer.from(place));\n', ''],
      ['src/lib/crypto.ts', '      decipher.setAAD(Buffer.from(place));\n', ''],
    ],
    file: 'test/unit/lib/crypto.test.ts',
    test: '',
  },
  {
    id: 'peer',
    breaks: 'I13: the peer of an open socket is judged',
    edits: [
      ['src/lib/egress.ts', '      throw new BlockedAddress(`${host} led to an address that is not public`);', ''],
    ],
    file: 'test/unit/lib/egress.test.ts',
    test: '',
  },
  {
    id: 'turns',
    breaks: 'I14: tenants take turns',
    edits: [
      [
        'src/features/notifications/claim.ts',
        'sum(share) over (partition by connection_id order by lane, turn, lot, id) - share as before',
        'sum(share) over (partition by connection_id order by lane, run_at, id) - share as before',
      ],
      [
        'src/features/notifications/claim.ts',
        'least(due.size, (queue.room + queue.tenants - 1) / queue.tenants) as share',
        'least(due.size, queue.room) as share',
      ],
    ],
    file: 'test/e2e/fairness.test.ts',
    test: '',
  },
  {
    id: 'sweep',
    breaks: 'I15: a ring that is lost costs a second',
    edits: [['src/features/notifications/dispatch.ts', '        wake();\n        tend.look();', '']],
    file: 'test/integration/pipeline.test.ts',
    test: 'a ring that never came is made good by the sweep',
  },
  {
    id: 'restored',
    breaks: 'I17: a store that was put back sends nothing',
    edits: [
      [
        'src/features/notifications/claim.ts',
        'where not held and (select store_is_known()) order by',
        'where not held order by',
      ],
    ],
    file: 'test/faults/restore.test.ts',
    test: 'a store that is put back under a running process: it takes nothing, notices, and holds what was open',
  },
  {
    id: 'erased',
    breaks: 'I18: who is erased stands in no table',
    edits: [
      [
        'src/features/erasure/scans.ts',
        "columns: { content: 'json', address: 'text' }",
        "columns: { address: 'text' }",
      ],
    ],
    file: 'test/faults/erase-places.test.ts',
    test: 'wherever an address stands, in rows of others too, it is gone',
  },
  {
    id: 'chained',
    breaks: 'I19: a row of the audit log that was changed is found',
    edits: [['src/verify.ts', 'or c.hash is distinct from audit_hash(c.previous, a) or', 'or']],
    file: 'test/integration/audit-chain.test.ts',
    test: 'a row that was changed is named, and so is what follows one that was removed',
  },
  {
    id: 'hook-fence',
    breaks: 'I9: who writes down a delivery must hold its fence',
    edits: [
      [
        'src/features/webhooks/deliveries-store.ts',
        `where id = $1 and owner = $2 and fence = $3 and status = 'waiting' returning 1`,
        `where id = $1 and owner = $2 and $3::int > 0 and status = 'waiting' returning 1`,
      ],
    ],
    file: 'test/e2e/webhooks.test.ts',
    test: 'whose word was lost with the process is sent again under its id',
  },
  {
    id: 'hook-cursor',
    breaks: 'I9: an endpoint that is paused keeps its place',
    edits: [
      [
        'src/features/webhooks/cursors-store.ts',
        `where id = $1 and status = 'active' for update skip locked`,
        `where id = $1 and status <> 'archived' for update skip locked`,
      ],
      [
        'src/features/webhooks/cursors-store.ts',
        `where e.status = 'active' and (select store_is_known())`,
        `where e.status <> 'archived' and (select store_is_known())`,
      ],
      [
        'src/features/webhooks/deliveries-store.ts',
        `join endpoints e on e.id = source.endpoint_id and e.status = 'active' cross join`,
        `join endpoints e on e.id = source.endpoint_id cross join`,
      ],
    ],
    file: 'test/e2e/webhooks-endpoints.test.ts',
    test: 'that was paused is told of everything when it is resumed',
  },
  {
    id: 'hook-secret',
    breaks: 'I9: through a rotation every live secret signs',
    edits: [
      [
        'src/features/webhooks/secrets-store.ts',
        'where endpoint_id = any($1) and (ends_at is null or ends_at > clock_now())',
        'where endpoint_id = any($1) and ends_at is null',
      ],
    ],
    file: 'test/e2e/webhooks-endpoints.test.ts',
    test: 'with a new secret is signed for with the old one as well',
  },
  {
    id: 'feed-gap',
    breaks: 'I9: the feed shows nothing that another transaction could come to stand before',
    edits: [['src/features/events/store.ts', 'and position < (select event_horizon()) and mode = $2', 'and mode = $2']],
    file: 'test/integration/events.test.ts',
    test: 'shows nothing that another, still open, could come to stand before',
  },
  {
    id: 'opted-out',
    breaks: 'I3: whoever has said STOP is not written to',
    edits: [['src/features/notifications/prepare.ts', 'if (barred.has(message.id))', "if (barred.has(''))"]],
    file: 'test/e2e/suppressions.test.ts',
    test: 'ends everything from that sender',
  },
  {
    id: 'window',
    breaks: 'the time in which free text may answer a person has an end',
    edits: [['src/features/notifications/plan.ts', 'return window?.isOpen', 'return window?.endsAt']],
    file: 'test/e2e/conversations.test.ts',
    test: 'is free text within the window of a channel that else takes templates only',
  },
  {
    id: 'one-owner',
    breaks: 'I11: of a body that speaks of several accounts each owner is told of his own',
    edits: [
      [
        'src/features/inbound/passthrough.ts',
        'body: words.part(request.body, new Set(accounts))',
        'body: words.part(request.body, new Set([...accounts, ...words.accounts(request.body)]))',
      ],
    ],
    file: 'test/e2e/webhooks-formats.test.ts',
    test: 'of one tenant sees nothing that the same body says of another',
  },
  {
    id: 'word-once',
    breaks: 'I10: what somebody writes is one message, however often it is told',
    edits: [
      [
        'src/features/conversations/take.ts',
        'const fresh = all.filter(({ id }) => stored.has(id));',
        'const fresh = all.filter(({ id }) => stored.has(id) || true);',
      ],
    ],
    file: 'test/e2e/inbound-live.test.ts',
    test: 'callbacks that come twice and in any order end in the same rows',
  },
];
