/**
 * An upload that is only looked at: the same rows, read and judged as a send would judge them, and nothing stored. So a person
 * can be told what a file would do before it does it.
 */
import type { BodyStream } from '../../lib/body.ts';
import { createCutter, type Piece } from './cut.ts';
import type { Source, UploadDeps } from './head.ts';
import { cellsOf, isBlank, readNames, textOf } from './read.ts';
import { judgeRows, type Row, type RowFault } from './rows.ts';
import { noRows, through } from './upload.ts';

export interface Judged {
  /** Of the whole file. */
  readonly rows: number;
  /** How many of them were judged. */
  readonly judged: number;
  readonly accepted: number;
  readonly rejected: number;
  /** The first rows that are refused; counted from 0. */
  readonly faults: readonly { readonly row: number; readonly error: RowFault }[];
  /** The first rows that are not. */
  readonly samples: readonly Sample[];
  /** When the first and the last of them would be sent; absent: at once. */
  readonly earliest?: Date;
  readonly latest?: Date;
}

export interface Sample {
  readonly row: number;
  readonly messages: readonly {
    readonly channel: string;
    readonly address: string;
    readonly language: string | null;
    /** Of the template. */
    readonly version: number | null;
    readonly data: Readonly<Record<string, unknown>>;
  }[];
}

export interface Wanted {
  /** The first row judged. Default 0. */
  readonly from?: number;
  /** The row before which judging ends; the others are only counted. */
  readonly rows: number;
  readonly faults: number;
  readonly samples: number;
}

const CHUNK = 5_000;

/** Throws what concerns the upload as a whole. */
export const judgeUpload = (deps: UploadDeps, source: Source, stream: BodyStream, wanted: Wanted): Promise<Judged> =>
  through(deps, source, stream, async (head) => {
    const shared = await head.judge(false);
    let [rows, judged, accepted] = [0, 0, 0];
    let earliest: Date | undefined;
    let latest: Date | undefined;
    let batch: Row[] = [];
    const faults: Judged['faults'][number][] = [];
    const samples: Sample[] = [];

    const flush = async (): Promise<void> => {
      if (batch.length === 0) return;
      const found = await judgeRows(deps, source.origin, shared, batch, (row, { messages }, { sendAt }) => {
        const at = sendAt ?? source.origin.at;
        if (accepted++ === 0 || at < (earliest as Date)) earliest = at;
        if (!latest || at > latest) latest = at;
        if (samples.length >= wanted.samples) return;
        samples.push({
          row,
          messages: messages.map(({ channel, address, language, templateVersion, input }) => ({
            channel,
            address,
            language,
            version: templateVersion,
            data: input.data ?? {},
          })),
        });
      });
      judged += batch.length;
      batch = [];
      faults.push(...found.slice(0, wanted.faults - faults.length));
    };
    const later = (at: Date | undefined): at is Date => at !== undefined && at > source.origin.at;

    return {
      add(piece) {
        const row = rows++;
        if (row >= (wanted.from ?? 0) && row < wanted.rows) batch.push(head.read(row, piece));
        return batch.length >= CHUNK;
      },
      flush,
      breathe: async () => undefined,
      async end() {
        if (rows === 0) throw noRows();
        await flush();
        return {
          rows,
          judged,
          accepted,
          rejected: judged - accepted,
          faults,
          samples,
          ...(later(earliest) ? { earliest } : {}),
          ...(later(latest) ? { latest } : {}),
        };
      },
      abandon: async () => undefined,
    };
  });

export interface Table {
  readonly columns: readonly {
    /** May be empty, and may come twice. */
    readonly name: string;
    /** What the first rows say there, empty cells too. */
    readonly values: readonly string[];
  }[];
}

/** The columns of a CSV before anybody has said what they are. Throws `csv_header_invalid`, and when there is no row. */
export function peek(bytes: Buffer, values: number): Table {
  const cutter = createCutter('', true);
  cutter.push(bytes);
  cutter.finish();
  const header = next(cutter);
  if (!header) throw noRows();
  const { delimiter, names } = readNames(header);
  cutter.delimiter = delimiter;
  const records: string[][] = [];
  let some = false;
  while (records.length < values) {
    const piece = next(cutter);
    if (!piece) break;
    some = true;
    const text = piece.fault ? undefined : textOf(piece.bytes);
    if (text !== undefined) records.push(cellsOf(text, String.fromCharCode(delimiter)));
  }
  if (!some) throw noRows();
  return { columns: names.map((name, place) => ({ name, values: records.map((cells) => cells[place] ?? '') })) };
}

function next(cutter: ReturnType<typeof createCutter>): Piece | undefined {
  let piece = cutter.next();
  while (piece && !piece.fault && isBlank(piece.bytes)) piece = cutter.next();
  return piece;
}
