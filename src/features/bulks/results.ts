/**
 * What became of each row, in the order of the rows, as it comes: pages of messages and of errors merged, no more than a page
 * of each in memory, and no transaction open while the client reads.
 */
import type { Db } from '../../lib/db.ts';
import { notificationIdOf, toWire } from '../../lib/ids.ts';
import { type BulkMessage, bulkMessages, reasonOf } from '../notifications/index.ts';
import type { RowFault } from './rows.ts';
import { type BulkRow, faultsAfter } from './store.ts';

const PAGE = 1_000;

interface ResultRow {
  readonly index: number;
  readonly messages: readonly BulkMessage[];
  readonly error?: RowFault;
}

/** Lines, some at a time. */
export async function* resultLines(db: Db, bulk: BulkRow, format: 'ndjson' | 'csv'): AsyncGenerator<string> {
  if (format === 'csv') yield `${CSV_COLUMNS.join(',')}\r\n`;
  const show = format === 'csv' ? csvLines : jsonLine;
  for await (const rows of pages(db, bulk)) yield rows.map(show).join('');
}

async function* pages(db: Db, bulk: BulkRow): AsyncGenerator<readonly ResultRow[]> {
  const errors = faultPages(db, bulk);
  let fault = (await errors.next()).value;
  for await (const rows of messagePages(db, bulk)) {
    const merged: ResultRow[] = [];
    for (const row of rows) {
      for (; fault && fault.index < row.index; fault = (await errors.next()).value) merged.push(fault);
      merged.push(row);
    }
    yield merged;
  }
  while (fault) {
    const rest: ResultRow[] = [];
    for (; fault && rest.length < PAGE; fault = (await errors.next()).value) rest.push(fault);
    yield rest;
  }
}

async function* faultPages(db: Db, { id, tenantId }: BulkRow): AsyncGenerator<ResultRow, undefined> {
  for (let last = -1; ; ) {
    const page = await db.read(tenantId, (sql) => faultsAfter(sql, id, last, PAGE));
    for (const { row, error } of page) yield { index: row, messages: [], error };
    if (page.length < PAGE) return undefined;
    last = page.at(-1)?.row ?? last;
  }
}

/** The messages of one row are never parted. */
async function* messagePages(db: Db, { id, tenantId, afterId, lastId }: BulkRow): AsyncGenerator<readonly ResultRow[]> {
  let open: { index: number; messages: BulkMessage[] } | undefined;
  for (let from = afterId; ; ) {
    const page = await db.read(tenantId, (sql) => bulkMessages(sql, id, from, lastId, PAGE));
    const rows: ResultRow[] = [];
    for (const message of page) {
      if (open?.index === message.row) open.messages.push(message);
      else {
        if (open) rows.push(open);
        open = { index: message.row, messages: [message] };
      }
    }
    const over = page.length < PAGE;
    if (over && open) rows.push(open);
    yield rows;
    if (over) return;
    from = (page.at(-1) as BulkMessage).id;
  }
}

const jsonLine = ({ index, messages, error }: ResultRow): string => {
  const [first] = messages;
  return `${JSON.stringify(
    first
      ? {
          index,
          notification_id: toWire('notification', notificationIdOf(first.id)),
          channels: messages.map(({ id, channel, address, status, failureCode }) => ({
            channel,
            message_id: toWire('message', id),
            status,
            address,
            ...(failureCode ? { failure: reasonOf(failureCode) } : {}),
          })),
        }
      : { index, error },
  )}\n`;
};

const CSV_COLUMNS = [
  'index',
  'notification_id',
  'channel',
  'message_id',
  'address',
  'status',
  'code',
  'message',
  'field',
] as const;

/** One line for each message, or for the error. */
const csvLines = ({ index, messages, error }: ResultRow): string =>
  error
    ? csvLine([index, '', '', '', '', 'rejected', error.code, error.message, error.param ?? ''])
    : messages
        .map(({ id, channel, address, status, failureCode }) =>
          csvLine([
            index,
            toWire('notification', notificationIdOf(id)),
            channel,
            toWire('message', id),
            address,
            status,
            failureCode ?? '',
            failureCode ? reasonOf(failureCode).message : '',
            '',
          ]),
        )
        .join('');

const csvLine = (cells: readonly (string | number)[]): string => `${cells.map(cell).join(',')}\r\n`;

/** A spreadsheet takes a text that begins like this for a formula, and what it says may be a stranger's. */
function cell(value: string | number): string {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
