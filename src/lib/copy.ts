/** COPY … FROM STDIN in PostgreSQL's text format: rows as lines in, one statement, no parsing of values by a planner. */
import type { Connection, Submittable } from 'pg';

/** One column of a line. */
export type CopyValue = string | number | boolean | null;

const SPECIAL = /[\\\n\r\t]/;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A text as a column; columns are joined with a tab and end with a line feed. Most texts need no escape. */
export const copyText = (value: string): string =>
  SPECIAL.test(value) ? value.replace(/[\\\n\r\t]/g, (character) => ESCAPES[character] as string) : value;

/** One row. Objects are handed in as JSON. */
export function copyLine(values: readonly CopyValue[]): string {
  let line = '';
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as CopyValue;
    if (i > 0) line += '\t';
    line += value === null ? '\\N' : typeof value === 'string' ? copyText(value) : String(value);
  }
  return `${line}\n`;
}

interface CopySocket extends Connection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** A statement under way; the driver calls it back with each word of the server. */
export class CopyIn implements Submittable {
  readonly done: Promise<void>;
  readonly #text: string;
  readonly #rows: readonly string[];
  #settle!: (error?: Error) => void;

  constructor(text: string, rows: readonly string[]) {
    this.#text = text;
    this.#rows = rows;
    this.done = new Promise((resolve, reject) => {
      this.#settle = (error) => (error ? reject(error) : resolve());
    });
  }

  submit(connection: Connection): void {
    (connection as CopySocket).query(this.#text);
  }

  handleCopyInResponse(connection: Connection): void {
    const socket = connection as CopySocket;
    // A few large messages: one per row would cost more than the rows.
    for (let at = 0; at < this.#rows.length; at += LINES_A_MESSAGE)
      socket.sendCopyFromChunk(Buffer.from(this.#rows.slice(at, at + LINES_A_MESSAGE).join('')));
    socket.endCopyFrom();
  }

  handleError(error: Error): void {
    this.#settle(error);
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#settle();
  }
}
const LINES_A_MESSAGE = 500;
