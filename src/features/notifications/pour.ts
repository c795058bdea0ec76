/**
 * The wide door of the store: messages of a bulk by the thousand, with their events and the ranges they wait in. A sheaf is
 * bound row by row, so that no row is kept as an object; it is stored in three COPY statements, in one trip. Everything stays held until
 * the bulk is released, in one commit; until then no worker sees any of it.
 */
import { isoOf } from '../../lib/clock.ts';
import { type CopyValue, copyLine, copyText, Lines } from '../../lib/copy.ts';
import type { Trx } from '../../lib/db.ts';
import { newId } from '../../lib/ids.ts';
import { bornInBulkLine, copyUnplacedEvents } from '../events/index.ts';
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
  store(trx: Trx): Promise<void>;
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
  const lineOf = lineMaker(bulkId);
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
        messageLines.add(lineOf(message, row, quietText));
        eventLines.add(bornInBulkLine(message.tenantId, message.mode, message.id));
        lastId = message.id;
      }
    },
    async store(trx) {
      if (rows === 0) return;
      const dueLines = new Lines();
      for (const range of ranges) dueLines.add(dueLine(range, bulkId));
      await trx.batch([
        { text: MESSAGES, lines: messageLines },
        copyUnplacedEvents(eventLines),
        { text: DUE, lines: dueLines },
      ]);
    },
  };
}

const MESSAGES = `copy messages (id, bulk_row, address, recipient, input, tenant_id, mode, channel, connection_id, template_version_id,
  template_slug, language, category, lane, on_unknown, created_at, send_at, expires_at, retry_of, bulk_id, actor_id, ip,
  request_id, quiet_hours, fallback) from stdin`;

/** The columns that most rows share are put together once for all neighbours that do. */
function lineMaker(bulkId: string) {
  let last: NewMessage | undefined;
  let lastQuiet: string | null = null;
  let tail = '';
  return (message: NewMessage, row: number, quiet: string | null): string => {
    if (!last || quiet !== lastQuiet || !alike(last, message)) {
      last = message;
      lastQuiet = quiet;
      tail = copyLine(shared(message, bulkId, quiet));
    }
    const own = `${message.id}\t${row}\t${copyText(message.address)}\t${copyText(JSON.stringify(message.recipient))}`;
    return `${own}\t${copyText(JSON.stringify(message.input))}\t${tail}`;
  };
}

const alike = (a: NewMessage, b: NewMessage): boolean =>
  a.connectionId === b.connectionId &&
  a.templateVersionId === b.templateVersionId &&
  a.language === b.language &&
  a.sendAt?.getTime() === b.sendAt?.getTime() &&
  a.expiresAt.getTime() === b.expiresAt.getTime() &&
  a.createdAt === b.createdAt &&
  a.channel === b.channel &&
  a.fallback === null &&
  b.fallback === null;

const shared = (message: NewMessage, bulkId: string, quiet: string | null): CopyValue[] => [
  message.tenantId,
  message.mode,
  message.channel,
  message.connectionId,
  message.templateVersionId,
  message.templateSlug,
  message.language,
  message.category,
  message.lane,
  message.onUnknown,
  isoOf(message.createdAt),
  message.sendAt && isoOf(message.sendAt),
  isoOf(message.expiresAt),
  message.retryOf,
  bulkId,
  message.actorId,
  message.ip,
  message.requestId,
  quiet,
  message.fallback ? JSON.stringify(message.fallback) : null,
];

const DUE = `copy due (id, kind, tenant_id, connection_id, lane, run_at, bulk_id, after_id, last_id, size, held) from stdin`;

/** Whoever has no neighbour of the same time waits alone. */
function dueLine({ first, afterId, lastId, size }: Range, bulkId: string) {
  // At once is when it is released, by the database's clock.
  const runAt = first.sendAt ? isoOf(first.sendAt) : '-infinity';
  const common = [first.tenantId, first.connectionId, first.lane, runAt, bulkId] as const;
  return size === 1
    ? copyLine([first.id, 'message', ...common, null, null, 1, true])
    : copyLine([newId(), 'range', ...common, afterId, lastId, size, true]);
}
