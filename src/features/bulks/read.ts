/** One row of an upload: from its bytes to what a JSON request would have held in its place. Pure. */
import { TextDecoder } from 'node:util';
import { ApiError } from '../../lib/errors.ts';
import { readJsonObject } from '../../lib/json.ts';
import { BULK_LIMITS } from '../notifications/index.ts';
import type { Piece } from './cut.ts';
import { faultOf, type Row, type RowFault } from './rows.ts';

const LIMITS = BULK_LIMITS.stream;

const FAULTS: Readonly<Record<NonNullable<Piece['fault']>, RowFault>> = {
  too_long: {
    code: 'malformed_row',
    message: `The row is longer than the ${LIMITS.row_bytes / 1_024} KB that a row may be.`,
  },
  quote: {
    code: 'malformed_row',
    message:
      'A quote is opened and not closed as it should be: a cell ends with its quote, and a quote in it is written twice.',
  },
};

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
export function textOf(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Nothing but spaces: such a line is no row. */
export function isBlank(bytes: Buffer): boolean {
  if (bytes.length > 64) return false;
  for (const byte of bytes) if (byte !== 32 && byte !== 9 && byte !== 13) return false;
  return true;
}

/** A line of NDJSON. */
export function readLine(index: number, { bytes, fault }: Piece): Row {
  if (fault) return { index, fault: FAULTS[fault] };
  try {
    return { index, value: readJsonObject(bytes) };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { index, fault: { ...faultOf(error), message: error.message.replace('The body', 'The row') } };
  }
}

export interface Column {
  readonly name: string;
  /** Else a recipient field, `language` or `time_zone`. */
  readonly variable: boolean;
}

export interface Columns {
  readonly delimiter: number;
  /** `undefined`: a column that is not read. */
  readonly columns: readonly (Column | undefined)[];
}

const REACHING = new Set(['__proto__', 'constructor', 'prototype']);
const HEADER_BYTES = 65_536;

const refuse = (message: string): ApiError => new ApiError('csv_header_invalid', message);

/** What the first row of a CSV calls its columns, whatever they mean. Throws `csv_header_invalid`. */
export function readNames({ bytes, fault }: Piece): { readonly delimiter: number; readonly names: readonly string[] } {
  if (fault) throw refuse(FAULTS[fault].message);
  if (bytes.length > HEADER_BYTES) throw refuse(`The first line is longer than ${HEADER_BYTES / 1_024} KB.`);
  const text = textOf(bytes);
  if (text === undefined) throw refuse('The first line is not valid UTF-8. Save the file as UTF-8.');
  // Spreadsheets write what their country takes for a comma.
  const plain = text.replace(/"[^"]*"/g, '');
  const delimiter = [',', ';', '\t'].find((one) => plain.includes(one)) ?? ',';
  const names = cellsOf(text, delimiter).map((name) => name.trim());
  if (names.length > LIMITS.columns)
    throw refuse(`There are ${names.length.toLocaleString('en')} columns; at most ${LIMITS.columns} are taken.`);
  return { delimiter: delimiter.charCodeAt(0), names };
}

/** The first row of a CSV. Throws `csv_header_invalid`. `fields`: what a row may say beside variables. */
export function readHeader(
  piece: Piece,
  fields: ReadonlySet<string>,
): Columns & { readonly columns: readonly Column[] } {
  const { delimiter, names } = readNames(piece);
  const columns = names.map((name, place): Column => {
    const variable = !fields.has(name);
    const bare = variable && name.startsWith('data.') ? name.slice(5) : name;
    if (bare === '') throw refuse(`Column ${place + 1} has no name.`);
    if (bare.length > 128 || bare.includes('\0') || REACHING.has(bare))
      throw refuse(`Column ${place + 1} has a name that is not allowed.`);
    return { name: bare, variable };
  });
  const seen = new Set<string>();
  for (const { name, variable } of columns) {
    const key = `${variable} ${name}`;
    if (seen.has(key)) throw refuse(`There are two columns called ${JSON.stringify(name)}.`);
    seen.add(key);
  }
  return { delimiter, columns };
}

/** A record of a CSV. An empty cell says nothing, as if the column were not there. */
export function readRecord(index: number, { bytes, fault }: Piece, { delimiter, columns }: Columns): Row {
  if (fault) return { index, fault: FAULTS[fault] };
  const text = textOf(bytes);
  if (text === undefined) return { index, fault: { code: 'malformed_row', message: 'The row is not valid UTF-8.' } };
  if (text.includes('\0'))
    return { index, fault: { code: 'malformed_row', message: 'The row holds U+0000; remove it.' } };
  const cells = cellsOf(text, String.fromCharCode(delimiter));
  if (cells.length !== columns.length)
    return {
      index,
      fault: {
        code: 'malformed_row',
        message: `The row has ${cells.length} cells, and the first line names ${columns.length} columns.`,
      },
    };
  const value: Record<string, unknown> = {};
  let data: Record<string, unknown> | undefined;
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i] as string;
    const column = columns[i];
    if (cell === '' || !column) continue;
    if (!column.variable) value[column.name] = cell;
    else {
      data ??= {};
      data[column.name] = cell;
    }
  }
  if (data) value.data = data;
  return { index, value };
}

/** The cutter has made sure that quotes are closed. */
export function cellsOf(text: string, delimiter: string): string[] {
  if (!text.includes('"')) return text.split(delimiter);
  const cells: string[] = [];
  let from = 0;
  for (;;) {
    if (text[from] === '"') {
      let end = from + 1;
      for (;;) {
        end = text.indexOf('"', end);
        if (end < 0) end = text.length;
        if (text[end + 1] !== '"') break;
        end += 2;
      }
      cells.push(text.slice(from + 1, end).replaceAll('""', '"'));
      from = end + 1;
    } else {
      const end = text.indexOf(delimiter, from);
      cells.push(text.slice(from, end < 0 ? undefined : end));
      from = end < 0 ? text.length : end;
    }
    if (from >= text.length) return cells;
    from += 1;
  }
}
