/**
 * Several statements in one trip: all of them are written before the first answer is read, and nothing is committed until the
 * last has worked (the server takes everything up to a Sync as one transaction). The driver sends one statement and waits, or,
 * in its pipeline mode, takes no COPY; this is a query of our own kind, on its public doors.
 * Source: PostgreSQL's manual, "Extended Query" and "COPY Operations".
 */
import { createHash } from 'node:crypto';
import pg from 'pg';
import type { Copy } from './copy.ts';

/** Prepared once per connection. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

export type Leg = Statement | Copy;

/** What the driver hands to a query that submits itself; its declarations leave most of it out. */
interface Wire {
  readonly stream: { cork(): void; uncork(): void };
  /** Statements that the server knows on this connection, by name. */
  readonly parsedStatements: Record<string, string>;
  parse(query: { name: string; text: string }): void;
  bind(config: { statement: string; values: readonly unknown[] }): void;
  describe(what: { type: 'P'; name: string }): void;
  execute(config: object): void;
  sync(): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

interface Result {
  readonly rows: unknown[];
  addFields(fields: unknown): void;
  parseRow(fields: unknown): unknown;
  addRow(row: unknown): void;
}
const newResult = (): Result => new (pg.Result as unknown as new () => Result)();

// Texts are written in the code and few. Should one ever be put together from data, it must not fill our memory and the
// server's with statements that are prepared and never used again.
const NAMES_MAX = 500;
const names = new Map<string, string>();

/** Under which a statement is prepared; empty: it is not kept. */
export function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined && names.size < NAMES_MAX) {
    name = createHash('sha1').update(text).digest('base64url');
    names.set(text, name);
  }
  return name ?? '';
}

/** A value in PostgreSQL's text format. Objects are handed in as JSON. */
const written = (value: unknown): string | null => {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return `{${value.map(element).join(',')}}`;
  return value instanceof Date ? value.toISOString() : String(value);
};
const element = (value: unknown): string => {
  const text = written(value);
  return text === null ? 'null' : `"${text.replace(/["\\]/g, '\\$&')}"`;
};

export class Flight implements pg.Submittable {
  /** The rows of each leg, in order. */
  readonly landed: Promise<unknown[][]>;
  readonly #legs: readonly Leg[];
  readonly #values: readonly (readonly unknown[])[];
  readonly #parsing = new Map<string, string>();
  readonly #rows: unknown[][] = [];
  #result: Result | undefined;
  #broken: unknown;
  #settle!: (error?: unknown) => void;

  constructor(legs: readonly Leg[]) {
    this.#legs = legs;
    // Before anything is on its way: a value that cannot be written must not leave half a trip behind.
    this.#values = legs.map((leg) => ('values' in leg ? leg.values.map(written) : []));
    this.landed = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve(this.#rows) : reject(error));
    });
  }

  /** After a failure nobody knows which of the new statements the server has kept. */
  get isTainted(): boolean {
    return this.#parsing.size > 0;
  }

  submit(connection: pg.Connection): void {
    const wire = connection as unknown as Wire;
    wire.stream.cork();
    for (const [index, leg] of this.#legs.entries()) {
      const { text } = leg;
      const statement = nameOf(text);
      if (statement === '' || (wire.parsedStatements[statement] === undefined && !this.#parsing.has(statement))) {
        wire.parse({ name: statement, text });
        if (statement !== '') this.#parsing.set(statement, text);
      }
      wire.bind({ statement, values: this.#values[index] ?? [] });
      if ('values' in leg) wire.describe({ type: 'P', name: '' });
      wire.execute({});
      if ('values' in leg) continue;
      for (const piece of leg.lines.all()) wire.sendCopyFromChunk(piece);
      wire.endCopyFrom();
    }
    wire.sync();
    wire.stream.uncork();
  }

  handleRowDescription({ fields }: { fields: unknown }): void {
    this.#result = newResult();
    this.#result.addFields(fields);
  }

  handleDataRow({ fields }: { fields: unknown }): void {
    try {
      this.#result?.addRow(this.#result.parseRow(fields));
    } catch (error) {
      this.#broken ??= error;
    }
  }

  handleCommandComplete(): void {
    this.#rows.push(this.#result?.rows ?? []);
    this.#result = undefined;
  }

  /** The rows are on their way already. */
  handleCopyInResponse(): void {}

  handleError(error: unknown): void {
    this.#settle(error);
  }

  handleReadyForQuery(connection: pg.Connection): void {
    for (const [name, text] of this.#parsing) (connection as unknown as Wire).parsedStatements[name] = text;
    this.#parsing.clear();
    this.#settle(this.#broken);
  }
}
