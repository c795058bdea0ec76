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

interface Field {
  readonly name: string;
  readonly dataTypeID: number;
}
type MakeRow = (values: readonly (string | null)[]) => object;

/** How the rows of a statement are read, by its name: the server is asked once what it answers with. */
const shapes = new Map<string, MakeRow | undefined>();

const asIs = pg.types.getTypeParser(pg.types.builtins.TEXT);

/**
 * Written as code, so that all rows of a statement are objects of one shape with their fields in place: a look-up by name for
 * each value is what reading many rows costs.
 */
function rowMaker(fields: readonly Field[]): MakeRow {
  const parsers = fields.map(({ dataTypeID }) => pg.types.getTypeParser(dataTypeID, 'text'));
  const columns = fields.map(({ name }, at) =>
    parsers[at] === asIs
      ? `${JSON.stringify(name)}: v[${at}]`
      : `${JSON.stringify(name)}: v[${at}] === null ? null : p[${at}](v[${at}])`,
  );
  return new Function('p', `return (v) => ({ ${columns.join(', ')} });`)(parsers) as MakeRow;
}

/** A value in PostgreSQL's text format; bytes travel as they are, objects as JSON. */
const written = (value: unknown): string | Buffer | null => {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'object') return String(value);
  if (Buffer.isBuffer(value)) return value;
  if (value instanceof Date) return value.toISOString();
  return Array.isArray(value) ? `{${value.map(element).join()}}` : JSON.stringify(value);
};
const element = (value: unknown): string => {
  const text = written(value);
  if (text === null) return 'null';
  if (Buffer.isBuffer(text)) return `"\\\\x${text.toString('hex')}"`;
  return Array.isArray(value) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
};

export class Flight implements pg.Submittable {
  /** The rows of each leg, in order. */
  readonly landed: Promise<object[][]>;
  readonly #legs: readonly Leg[];
  readonly #values: readonly (readonly unknown[])[];
  readonly #parsing = new Map<string, string>();
  readonly #rows: object[][] = [];
  /** Of the leg whose answer is being read. */
  #name = '';
  #making: MakeRow | undefined;
  #reading: object[] = [];
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

  /** Legs that have been answered. */
  get answered(): number {
    return this.#rows.length;
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
      if ('values' in leg && !shapes.has(statement)) wire.describe({ type: 'P', name: '' });
      wire.execute({});
      if ('values' in leg) continue;
      for (const piece of leg.lines.all()) wire.sendCopyFromChunk(piece);
      wire.endCopyFrom();
    }
    wire.sync();
    wire.stream.uncork();
    this.#next();
  }

  /** The answer to the next leg. */
  #next(): void {
    const leg = this.#legs[this.#rows.length];
    this.#name = leg ? nameOf(leg.text) : '';
    this.#making = shapes.get(this.#name);
    this.#reading = [];
  }

  handleRowDescription({ fields }: { fields: readonly Field[] }): void {
    this.#making = rowMaker(fields);
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    try {
      if (this.#making) this.#reading.push(this.#making(fields));
    } catch (error) {
      this.#broken ??= error;
    }
  }

  handleCommandComplete(): void {
    // Two descriptions under way at once say the same.
    if (this.#name !== '') shapes.set(this.#name, this.#making);
    this.#rows.push(this.#reading);
    this.#next();
  }

  /** The rows are on their way already. */
  handleCopyInResponse(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {
    this.handleCommandComplete();
  }

  handleError(error: unknown): void {
    this.#settle(error);
  }

  handleReadyForQuery(connection: pg.Connection): void {
    for (const [name, text] of this.#parsing) (connection as unknown as Wire).parsedStatements[name] = text;
    this.#parsing.clear();
    this.#settle(this.#broken);
  }
}
