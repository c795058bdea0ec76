/**
 * The head of an upload: the first line of NDJSON, or the header and the query of a CSV. From it everything that does not
 * depend on a row is judged, before anything is stored; and it says how the rows are read.
 */
import type { Static } from '@sinclair/typebox';
import { missingFields, type Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import { canonicalJson, readJsonObject } from '../../lib/json.ts';
import type { Validator } from '../../lib/schema.ts';
import { keyOf } from '../idempotency/index.ts';
import type { Codes, Origin, Planner } from '../notifications/index.ts';
import type { createCutter, Piece } from './cut.ts';
import type { KeepDeps } from './keep.ts';
import { type Column, type Columns, readHeader, readLine, readNames, readRecord } from './read.ts';
import type { Row } from './rows.ts';
import type { UploadQuery } from './schema.ts';
import { type Ahead, bodyOf, judgeShared, type Shared, sharedOf } from './shared.ts';

export interface UploadDeps extends KeepDeps {
  readonly registry: Registry;
  readonly plan: Planner;
  readonly codes: Codes;
  readonly shared: Validator<never>;
  readonly row: Validator<never>;
  /** What a row may say beside variables. */
  readonly fields: ReadonlySet<string>;
}

export interface Source {
  readonly type: string;
  readonly query: Static<typeof UploadQuery>;
  readonly headers: Readonly<Record<string, string>>;
  readonly origin: Origin;
  /** CSV: what its columns are, by their place, whatever the first line calls them; `undefined`: not read. */
  readonly columns?: readonly (Column | undefined)[];
}

export const isCsv = ({ type }: Pick<Source, 'type'>): boolean => type === 'text/csv';

/** What a repeat must have in common beside its bytes. */
export const seedOf = ({ type, query, columns }: Source): string =>
  `${type}\n${canonicalJson(query)}\n${columns ? `${canonicalJson(columns.map((column) => column ?? null))}\n` : ''}`;

export interface Head {
  readonly key: string | undefined;
  read(index: number, piece: Piece): Row;
  /** Throws what concerns the bulk as a whole. `goesOn`: it was judged once, and its time may have come meanwhile. */
  judge(goesOn: boolean): Promise<Shared>;
}

/** Throws what is wrong with the first line. */
export function readHead(
  deps: UploadDeps,
  source: Source,
  cutter: ReturnType<typeof createCutter>,
  piece: Piece,
): Head {
  const { origin, headers, query } = source;
  const judgeBody = (body: object, ahead: Ahead) => async (goesOn: boolean) => {
    const shared = sharedOf(deps.shared.check(structuredClone(body)), origin.at, goesOn);
    await judgeShared(origin, deps.plan, shared, ahead);
    return shared;
  };
  if (!isCsv(source)) {
    if (piece.fault) throw new ApiError('malformed_json', 'The first line is longer than a line may be.');
    const body = readJsonObject(piece.bytes);
    const key = keyOf(headers, (deps.shared.check(body) as { idempotency_key?: string }).idempotency_key);
    return { key, read: readLine, judge: judgeBody(body, { languages: 'unknown' }) };
  }
  const columns = source.columns ? placed(piece, source.columns) : readHeader(piece, deps.fields);
  cutter.delimiter = columns.delimiter;
  const read = columns.columns.filter((column) => column !== undefined);
  const names = new Set(read.filter(({ variable }) => !variable).map(({ name }) => name));
  const judge = judgeBody(bodyOf(query), {
    variables: read.filter(({ variable }) => variable).map(({ name }) => name),
    languages: names.has('language') ? 'some' : 'none',
  });
  return {
    key: keyOf(headers, undefined),
    read: (index, record) => readRecord(index, record, columns),
    async judge(goesOn) {
      const shared = await judge(goesOn);
      requireColumns(deps.registry, shared.notification.channels, names);
      return shared;
    },
  };
}

function placed(piece: Piece, columns: readonly (Column | undefined)[]): Columns {
  const { delimiter, names } = readNames(piece);
  if (names.length !== columns.length)
    throw new ApiError(
      'csv_header_invalid',
      `The first line names ${names.length} columns; it was said what ${columns.length} are.`,
    );
  return { delimiter, columns };
}

function requireColumns(registry: Registry, channels: readonly string[], names: ReadonlySet<string>): void {
  const given = Object.fromEntries([...names].map((name) => [name, name]));
  for (const id of channels)
    for (const name of missingFields(registry.channel(id)?.recipient ?? [], given))
      throw new ApiError(
        'recipient_field_missing',
        `The first line names no column ${name}, which the channel ${id} needs. GET /api/v1/channels/capabilities lists what each channel needs.`,
        { param: name },
      );
}
