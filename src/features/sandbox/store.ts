/** SQL of the outbox: what the sandbox provider has taken, and the receipts it still has to give. */
import type { SandboxStep } from '../../channel-kit/index.ts';
import type { Sql } from '../../lib/db.ts';

export type ReceiptStep = Extract<SandboxStep, { receipt: unknown }>;

export interface OutboxRow {
  readonly messageId: string;
  readonly connectionId: string;
  readonly channel: string;
  readonly address: string;
  readonly content: Record<string, unknown>;
  readonly providerId: string;
  readonly refused: number;
  readonly acceptedAt: Date | null;
  readonly steps: readonly ReceiptStep[];
}

const ROW = `message_id as "messageId", connection_id as "connectionId", channel, address, content, provider_id as "providerId", refused, accepted_at as "acceptedAt", steps`;

/** The row of a message, made on its first attempt. */
export const openOutbox = async (
  sql: Sql,
  row: Omit<OutboxRow, 'refused' | 'acceptedAt' | 'steps'>,
): Promise<OutboxRow> => {
  const [stored] = await sql.query<OutboxRow>(
    `insert into outbox (message_id, tenant_id, connection_id, channel, address, content, provider_id, steps)
     select $1, m.tenant_id, $2, $3, $4, $5, $6, '[]' from messages m where m.id = $1
     on conflict (message_id) do update set content = excluded.content returning ${ROW}`,
    [row.messageId, row.connectionId, row.channel, row.address, JSON.stringify(row.content), row.providerId],
  );
  if (!stored) throw new Error('the sandbox was handed a message that does not exist');
  return stored;
};

export const countRefusal = (sql: Sql, messageId: string): Promise<unknown> =>
  sql.query(`update outbox set refused = refused + 1 where message_id = $1`, [messageId]);

export const acceptOutbox = (sql: Sql, messageId: string, steps: readonly ReceiptStep[]): Promise<unknown> =>
  sql.query(
    `update outbox set accepted_at = clock_now(), steps = $2, next_at = case when $3::int is null then null else clock_now() + make_interval(secs => $3::int / 1000.0) end
     where message_id = $1 and accepted_at is null`,
    [messageId, JSON.stringify(steps), steps[0] ? (steps[0].afterMs ?? 0) : null],
  );

/** Rows whose next receipt is due, held until the end of the transaction. */
export const dueOutbox = (sql: Sql, limit: number): Promise<OutboxRow[]> =>
  sql.query(`select ${ROW} from outbox where next_at <= clock_now() order by next_at limit $1 for update skip locked`, [
    limit,
  ]);

/** Takes the steps that were played off the rows. A message that was taken back gives the others after it was sent again. */
export const advanceOutbox = (
  sql: Sql,
  rows: readonly { messageId: string; steps: readonly ReceiptStep[]; takenBack: boolean }[],
): Promise<unknown> =>
  sql.query(
    `update outbox o set steps = r.steps, accepted_at = case when r."takenBack" then null else o.accepted_at end,
       next_at = case when r."takenBack" or jsonb_array_length(r.steps) = 0 then null
         else clock_now() + make_interval(secs => coalesce((r.steps->0->>'afterMs')::int, 0) / 1000.0) end
     from jsonb_to_recordset($1) as r("messageId" uuid, steps jsonb, "takenBack" boolean) where o.message_id = r."messageId"`,
    [JSON.stringify(rows)],
  );

export interface OutboxFilter {
  readonly id?: string | undefined;
  readonly channel?: string | undefined;
  readonly address?: string | undefined;
  readonly before?: string | undefined;
  readonly limit: number;
}

/** Messages of the outbox, newest first, each with its status. */
export const listOutbox = (
  sql: Sql,
  tenantId: string,
  { id, channel, address, before, limit }: OutboxFilter,
): Promise<(OutboxRow & { status: string; createdAt: Date })[]> =>
  sql.query(
    `select o.message_id as "messageId", o.connection_id as "connectionId", o.channel, o.address, o.content, o.provider_id as "providerId",
       o.refused, o.accepted_at as "acceptedAt", o.steps, m.status, m.created_at as "createdAt"
     from outbox o join messages m on m.id = o.message_id
     where o.tenant_id = $1 and ($2::text is null or o.channel = $2) and ($3::text is null or o.address = $3) and ($4::uuid is null or o.message_id < $4)
       and ($6::uuid is null or o.message_id = $6)
     order by o.message_id desc limit $5`,
    [tenantId, channel ?? null, address ?? null, before ?? null, limit, id ?? null],
  );
