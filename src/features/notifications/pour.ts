/**
 * The wide door of the store: messages of a bulk by the thousand, with their events and the ranges they wait in. A sheaf is
 * bound row by row, so that no row is kept as an object; it is stored in three COPY statements. Everything stays held until
 * the bulk is released, in one commit; until then no worker sees any of it.
 */
import { type CopyValue, copyLine, Lines } from '../../lib/copy.ts';
import type { Trx } from '../../lib/db.ts';
import { newId } from '../../lib/ids.ts';
import { bornLine, type Events } from '../events/index.ts';
import type { QuietHours } from './quiet.ts';
import type { NewMessage } from './types.ts';

export interface Sheaf {
  /** Rows so far. */
  readonly rows: number;
  readonly firstId: string | undefined;
  /** Of the last message; of the one before the sheaf while it is empty. */
  readonly lastId: string;
  /** The messages of one row, which share their time; rows come in the order of their ids. */
  add(row: number, messages: readonly NewMessage[], quiet: QuietHours | null): void;
  store(trx: Trx, deps: { readonly events: Events }): Promise<void>;
}

interface Range {
  readonly first: NewMessage;
  readonly afterId: string;
  lastId: string;
  size: number;
}

const RANGE_MAX = 500;

/** `afterId`: no message of it has this id or a lower one. */
export function bindSheaf(bulkId: string, afterId: string): Sheaf {
  const [messageLines, eventLines] = [new Lines(), new Lines()];
  const ranges: Range[] = [];
  const time = timeText();
  let rows = 0;
  let firstId: string | undefined;
  let lastId = afterId;
  let open = new Map<string, Range>();
  let openTime: number | undefined;

  /** Neighbours of one time wait together, each connection for itself over the same span of ids. */
  const wait = (messages: readonly NewMessage[], first: NewMessage): void => {
    const at = first.sendAt?.getTime();
    if (at !== openTime || open.get(first.connectionId)?.size === RANGE_MAX) open = new Map();
    openTime = at;
    for (const message of messages) {
      const known = open.get(message.connectionId);
      if (known) {
        known.lastId = message.id;
        known.size++;
      } else {
        const range = { first: message, afterId: lastId, lastId: message.id, size: 1 };
        open.set(message.connectionId, range);
        ranges.push(range);
      }
    }
  };

  return {
    get rows() {
      return rows;
    },
    get firstId() {
      return firstId;
    },
    get lastId() {
      return lastId;
    },
    add(row, messages, quiet) {
      const [first] = messages;
      if (!first) throw new Error('a row without a message');
      rows++;
      firstId ??= first.id;
      wait(messages, first);
      const quietText = quiet ? JSON.stringify(quiet) : null;
      for (const message of messages) {
        messageLines.add(copyLine(columns(message, bulkId, row, quietText, time)));
        eventLines.add(bornLine(message.tenantId, message.mode, message.id));
        lastId = message.id;
      }
    },
    async store(trx, { events }) {
      if (rows === 0) return;
      await trx.copy(MESSAGES, messageLines);
      await events.pour(trx, eventLines);
      const dueLines = new Lines();
      for (const range of ranges) dueLines.add(dueLine(range, bulkId, time));
      await trx.copy(DUE, dueLines);
    },
  };
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

const DUE = `copy due (id, kind, tenant_id, connection_id, lane, run_at, bulk_id, after_id, last_id, size, held) from stdin`;

/** Whoever has no neighbour of the same time waits alone. */
function dueLine({ first, afterId, lastId, size }: Range, bulkId: string, time: (at: Date | null) => string | null) {
  // At once is when it is released, by the database's clock.
  const runAt = first.sendAt ? time(first.sendAt) : '-infinity';
  const common = [first.tenantId, first.connectionId, first.lane, runAt, bulkId] as const;
  return size === 1
    ? copyLine([first.id, 'message', ...common, null, null, 1, true])
    : copyLine([newId(), 'range', ...common, afterId, lastId, size, true]);
}
