/** The sandbox: the provider of test keys, its outbox, and the receipts it plays back. */
import {
  AddressError,
  type AnyAdapter,
  type AnyChannel,
  type Content,
  hmac,
  type Preview,
  type RawRequest,
  type Receipt,
  type Registry,
} from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Vault } from '../../lib/crypto.ts';
import type { Db } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import { fromWire, newId, notificationIdOf, toWire } from '../../lib/ids.ts';
import { type List, readCursor } from '../../lib/list.ts';
import type { Doorbell } from '../../lib/queue.ts';
import type { Connections, OpenConnection } from '../connections/index.ts';
import {
  createSandboxAdapter,
  parseCallback,
  SANDBOX_ADAPTER,
  signCallback,
  takesBack,
  verifyCallback,
} from './adapter.ts';
import { advanceOutbox, dueOutbox, listOutbox, type OutboxRow, type ReceiptStep } from './store.ts';

export { isMagic, SANDBOX_ADAPTER } from './adapter.ts';
export { REACTIONS, sandboxRoutes } from './routes.ts';

export interface OutboxItem {
  readonly message_id: string;
  readonly notification_id: string;
  readonly channel: string;
  readonly address: string;
  readonly status: string;
  readonly created_at: string;
  readonly content: Content;
  readonly preview: Preview | undefined;
  /** Receipts it still has to give. */
  readonly pending: readonly Receipt[];
}

export interface Sandbox {
  /** The adapter that carries a connection: its own when it is live, else this room's. */
  adapterOf(connection: OpenConnection): AnyAdapter;
  /** The door of the sandbox's own receipts. */
  readonly webhook: {
    verify(request: RawRequest, connectionId: string): boolean;
    parse(request: RawRequest): ReturnType<typeof parseCallback>;
  };
  /** Posts the receipts that are due through `post`; returns how many. */
  play(): Promise<number>;
  /** What was sent with test keys, newest first. */
  list(
    principal: Principal,
    query: { channel?: string; recipient?: string; limit: number; cursor?: string },
  ): Promise<List<OutboxItem>>;
  /** Throws `not_found`. */
  get(principal: Principal, messageId: string): Promise<OutboxItem>;
  /** Lets the recipient do something now. Throws `not_found`, and `conflict` for a message the sandbox has not taken. */
  react(principal: Principal, messageId: string, receipt: Receipt): Promise<void>;
  /** Lets a person write. Throws `not_found` for a live key, `channel_unknown`, `invalid_recipient`. Answers with the provider's id of it. */
  write(principal: Principal, letter: Letter): Promise<{ readonly provider_id: string }>;
}

export interface Letter {
  readonly channel: string;
  /** Recipient fields by which the person would be written to. */
  readonly from: Readonly<Record<string, string>>;
  readonly name?: string;
  readonly text: string;
  /** The provider's id of what is answered. */
  readonly replyTo?: string;
}

export interface SandboxDeps {
  readonly db: Db;
  readonly registry: Registry;
  readonly connections: Connections;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly doorbell: Doorbell;
  readonly publicUrl: () => string;
  /** Takes a request as if it had come in by `/hooks/{adapter}/{connection}`. */
  readonly post: (adapterId: string, connectionId: string, request: RawRequest) => Promise<void>;
}

export function createSandbox({
  db,
  registry,
  connections,
  vault,
  clock,
  doorbell,
  publicUrl,
  post,
}: SandboxDeps): Sandbox {
  const adapters = new Map(
    registry.channels.map((channel) => [channel.id, createSandboxAdapter(channel, db, () => doorbell.ring('outbox'))]),
  );
  const root = vault.derive('sandbox receipts');
  const secretOf = (connectionId: string): Buffer => hmac('sha256', root, connectionId);

  async function give(
    row: OutboxRow,
    step: ReceiptStep,
    key: string,
    connection: OpenConnection | undefined,
  ): Promise<void> {
    if (!connection) return;
    const at = clock.now();
    const reference = toWire('message', row.messageId);
    const emulate = connection.adapter.webhook?.emulate;
    // Where the real provider reports this, its own signed form is used; else the sandbox's.
    if (emulate && connection.adapter.receipts.includes(step.receipt)) {
      const url = connection.callbackUrl(reference);
      await post(connection.adapter.id, toWire('connection', row.connectionId), {
        ...emulate(
          step.receipt,
          {
            providerId: row.providerId,
            reference,
            address: row.address,
            ...(step.fault ? { fault: step.fault } : {}),
            url,
            at,
          },
          connection.credentials,
        ),
        at,
      });
      return;
    }
    const url = `${publicUrl()}/hooks/${SANDBOX_ADAPTER}/${toWire('connection', row.connectionId)}`;
    const receipt = {
      key,
      provider_id: row.providerId,
      reference,
      receipt: step.receipt,
      ...(step.fault ? { fault: step.fault } : {}),
      at: at.toISOString(),
    };
    await post(
      SANDBOX_ADAPTER,
      toWire('connection', row.connectionId),
      signCallback(receipt, url, secretOf(row.connectionId), at),
    );
  }

  const itemOf = (row: OutboxRow & { status: string; createdAt: Date }): OutboxItem => ({
    message_id: toWire('message', row.messageId),
    notification_id: toWire('notification', notificationIdOf(row.messageId)),
    channel: row.channel,
    address: row.address,
    status: row.status,
    created_at: row.createdAt.toISOString(),
    content: row.content,
    preview: registry.channel(row.channel)?.preview(row.content),
    pending: row.steps.map(({ receipt }) => receipt),
  });

  async function find(
    principal: Principal,
    messageId: string,
  ): Promise<OutboxRow & { status: string; createdAt: Date }> {
    const id = fromWire('message', messageId);
    if (!id || principal.mode !== 'sandbox') throw new ApiError('not_found');
    const [row] = await db.read(principal.tenantId, (sql) => listOutbox(sql, principal.tenantId, { id, limit: 1 }));
    if (!row) throw new ApiError('not_found');
    return row;
  }

  return {
    adapterOf: (connection) =>
      connection.mode === 'sandbox' ? (adapters.get(connection.channel.id) ?? connection.adapter) : connection.adapter,
    webhook: {
      verify: (request, connectionId) => verifyCallback(request, secretOf(connectionId)),
      parse: parseCallback,
    },
    async play() {
      const played = await db.transaction(async (trx) => {
        const rows = await dueOutbox(trx, 200);
        if (rows.length === 0) return 0;
        const open = await connections.open([...new Set(rows.map(({ connectionId }) => connectionId))]);
        for (const row of rows) {
          const [step] = row.steps;
          // Posted before the step is taken off: a crash in between posts it twice, and the second is known by its key.
          if (step)
            await give(row, step, `${row.providerId}:${row.steps.length}:${step.receipt}`, open.get(row.connectionId));
        }
        await advanceOutbox(
          trx,
          rows.map(({ messageId, steps: [played, ...steps] }) => ({
            messageId,
            steps,
            takenBack: played !== undefined && steps.length > 0 && takesBack(played),
          })),
        );
        return rows.length;
      });
      return played;
    },
    async list(principal, { channel, recipient, limit, cursor }) {
      if (principal.mode !== 'sandbox') return { object: 'list', data: [], has_more: false, next_cursor: null };
      const before = readCursor('message', cursor);
      const rows = await db.read(principal.tenantId, (sql) =>
        listOutbox(sql, principal.tenantId, { channel, address: recipient, before, limit: limit + 1 }),
      );
      const data = rows.slice(0, limit).map(itemOf);
      const more = rows.length > limit;
      return { object: 'list', data, has_more: more, next_cursor: more ? (data.at(-1)?.message_id ?? null) : null };
    },
    get: async (principal, messageId) => itemOf(await find(principal, messageId)),
    async react(principal, messageId, receipt) {
      const row = await find(principal, messageId);
      if (!row.acceptedAt)
        throw new ApiError('conflict', 'The sandbox has not taken this message, so nobody can react to it.');
      const connection = (await connections.open([row.connectionId])).get(row.connectionId);
      await give(
        row,
        { receipt, ...(receipt === 'failed' || receipt === 'bounced' ? { fault: 'recipient_invalid' as const } : {}) },
        `${row.providerId}:by hand:${clock.now().getTime()}`,
        connection,
      );
    },
    async write({ tenantId, mode }, { channel: id, from, name, text, replyTo }) {
      if (mode !== 'sandbox') throw new ApiError('not_found');
      const route = (await connections.routes(tenantId, mode)).get(id);
      if (!route) throw new ApiError('channel_unknown', undefined, { param: 'channel' });
      const person = personOf(route.channel, from);
      const providerId = `sandbox-${newId()}`;
      const url = `${publicUrl()}/hooks/${SANDBOX_ADAPTER}/${toWire('connection', route.connectionId)}`;
      const at = clock.now();
      const message = {
        providerId,
        person: { ...person, ...(name === undefined ? {} : { name }) },
        content: { kind: 'text' as const, text },
        ...(replyTo === undefined ? {} : { replyTo }),
      };
      await post(
        SANDBOX_ADAPTER,
        toWire('connection', route.connectionId),
        signCallback({ key: providerId, message, at: at.toISOString() }, url, secretOf(route.connectionId), at),
      );
      return { provider_id: providerId };
    },
  };
}

/** As the channel knows somebody: by a telephone number or a mailbox where it has one, else by an address of its own. */
function personOf(channel: AnyChannel, from: Readonly<Record<string, string>>) {
  let address: string;
  try {
    address = channel.address(from, {});
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    throw new ApiError('invalid_recipient', error.message, { param: `from.${error.field}` });
  }
  const fields = channel.recipient.filter(({ name }) => from[name] !== undefined);
  const [field] = fields;
  const kind = field?.type === 'phone' || field?.type === 'email' ? field.type : `${channel.id}_user`;
  return {
    recipient: Object.fromEntries(fields.map(({ name }) => [name, from[name] as string])),
    identities: [{ kind, value: address }],
  };
}
