/**
 * The wide door of the store: messages of a bulk by the thousand, with their events and the ranges they wait in. Everything
 * stays held until the bulk is released, in one commit; until then no worker sees any of it.
 */
import { type CopyValue, copyLine } from '../../lib/copy.ts';
import type { Trx } from '../../lib/db.ts';
import { newId } from '../../lib/ids.ts';
import type { Events } from '../events/index.ts';
import type { QuietHours } from './quiet.ts';
import type { NewMessage } from './types.ts';

/** One accepted row of a bulk: its messages share their time. */
export interface Poured {
  /** Counted from 0. */
  readonly row: number;
  readonly messages: readonly NewMessage[];
  readonly quiet: QuietHours | null;
}

export interface PourOptions {
  readonly bulkId: string;
  /** Where the ranges begin: no message of this batch has this id or a lower one. */
  readonly afterId: string;
}

/** Rows in the order of their ids. */
export async function pour(
  trx: Trx,
  { events }: { readonly events: Events },
  rows: readonly Poured[],
  { bulkId, afterId }: PourOptions,
): Promise<void> {
  const lines: string[] = [];
  const born: Parameters<Events['pour']>[1][number][] = [];
  const time = timeText();
  for (const { row, messages, quiet } of rows) {
    const quietText = quiet ? JSON.stringify(quiet) : null;
    for (const message of messages) {
      lines.push(copyLine(columns(message, bulkId, row, quietText, time)));
      born.push({ tenantId: message.tenantId, mode: message.mode, messageId: message.id });
    }
  }
  if (lines.length === 0) return;
  await trx.copy(MESSAGES, lines);
  await events.pour(trx, born);
  await trx.copy(
    DUE,
    rangesOf(rows, afterId).map((range) => dueLine(range, bulkId, time)),
  );
}

const MESSAGES = `copy messages (id, tenant_id, mode, channel, address, recipient, connection_id, template_version_id, template_slug,
  language, input, category, lane, on_unknown, created_at, send_at, expires_at, retry_of, bulk_id, bulk_row, actor_id, ip,
  request_id, quiet_hours) from stdin`;

const columns = (
  message: NewMessage,
  bulkId: string,
  row: number,
  quiet: string | null,
  time: (at: Date | null) => string | null,
): CopyValue[] => [
  message.id,
  message.tenantId,
  message.mode,
  message.channel,
  message.address,
  JSON.stringify(message.recipient),
  message.connectionId,
  message.templateVersionId,
  message.templateSlug,
  message.language,
  JSON.stringify(message.input),
  message.category,
  message.lane,
  message.onUnknown,
  time(message.createdAt),
  time(message.sendAt),
  time(message.expiresAt),
  message.retryOf,
  bulkId,
  row,
  message.actorId,
  message.ip,
  message.requestId,
  quiet,
];

/** Most messages of a bulk share their times. */
function timeText(): (at: Date | null) => string | null {
  const known = new Map<number, string>();
  return (at) => {
    if (!at) return null;
    const ms = at.getTime();
    const text = known.get(ms) ?? at.toISOString();
    if (known.size < 1_000) known.set(ms, text);
    return text;
  };
}

export interface Range {
  readonly first: NewMessage;
  readonly afterId: string;
  lastId: string;
  size: number;
}

const RANGE_MAX = 500;

/**
 * Neighbours of one time wait together, each connection for itself over the same span of ids; whoever has no such neighbour
 * waits alone.
 */
export function rangesOf(rows: readonly Poured[], afterId: string): readonly Range[] {
  const ranges: Range[] = [];
  let open = new Map<string, Range>();
  let time: number | undefined;
  let after = afterId;
  for (const { messages } of rows) {
    const [first] = messages;
    if (!first) continue;
    const at = first.sendAt?.getTime();
    const full = [...open.values()].some(({ size }) => size >= RANGE_MAX);
    if (open.size > 0 && (full || at !== time)) open = new Map();
    time = at;
    for (const message of messages) {
      const known = open.get(message.connectionId);
      if (known) {
        known.lastId = message.id;
        known.size++;
      } else {
        const range = { first: message, afterId: after, lastId: message.id, size: 1 };
        open.set(message.connectionId, range);
        ranges.push(range);
      }
    }
    after = (messages.at(-1) as NewMessage).id;
  }
  return ranges;
}

const DUE = `copy due (id, kind, tenant_id, connection_id, lane, run_at, bulk_id, after_id, last_id, size, held) from stdin`;

function dueLine({ first, afterId, lastId, size }: Range, bulkId: string, time: (at: Date | null) => string | null) {
  // At once is when it is released, by the database's clock.
  const runAt = first.sendAt ? time(first.sendAt) : '-infinity';
  const common = [first.tenantId, first.connectionId, first.lane, runAt, bulkId] as const;
  return size === 1
    ? copyLine([first.id, 'message', ...common, null, null, 1, true])
    : copyLine([newId(), 'range', ...common, afterId, lastId, size, true]);
}
