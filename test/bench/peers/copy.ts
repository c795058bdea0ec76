/**
 * Raw COPY of the rows of a bulk: messages, events and ranges of 500 in the store, 5,000 messages a transaction
 * and a trip, one connection and nothing else. Rows are generated and serialised while the clock runs; what is the same for all of them is
 * given, as it stands in a row that the product wrote.
 */
import pg from 'pg';
import { type CopyValue, copyLine, Lines } from '../../../src/lib/copy.ts';
import { Flight } from '../../../src/lib/flight.ts';
import { newId } from '../../../src/lib/ids.ts';
import { partOptions, servePart } from '../lib/part.ts';
import { phoneOf } from '../sample.ts';

export interface CopySample {
  /** Columns of messages that all rows share, with their values as text. */
  readonly message: Readonly<Record<string, CopyValue>>;
  readonly input: unknown;
}

const { databaseUrl, sample } = partOptions<{ databaseUrl: string; sample: CopySample }>();
const client = new pg.Client({ connectionString: databaseUrl });
await client.connect();

const CHUNK = 5_000;
const RANGE = 500;
const { message, input } = sample;
const MESSAGES = `copy messages (id, bulk_row, address, recipient, input, ${Object.keys(message).join(', ')}) from stdin`;
const EVENTS = 'copy events (id, tenant_id, mode, type, message_id, data) from stdin';
const DUE =
  'copy due (id, kind, tenant_id, connection_id, lane, run_at, bulk_id, after_id, last_id, size, held) from stdin';
const shared = copyLine(Object.values(message));

async function chunk(from: number, to: number): Promise<void> {
  const [messages, events, due] = [new Lines(), new Lines(), new Lines()];
  let afterId = newId();
  for (let row = from; row < to; row++) {
    const id = newId();
    const phone = phoneOf(row);
    const own = copyLine([id, row, phone, JSON.stringify({ phone }), JSON.stringify(input)]);
    messages.add(`${own.slice(0, -1)}\t${shared}`);
    events.add(copyLine([newId(), message.tenant_id ?? null, message.mode ?? null, 'message.queued', id, '{}']));
    const size = ((row - from) % RANGE) + 1;
    if (size < RANGE && row < to - 1) continue;
    const wait = [message.tenant_id, message.connection_id, message.lane, '-infinity', message.bulk_id];
    due.add(copyLine([newId(), 'range', ...(wait as CopyValue[]), afterId, id, size, true]));
    afterId = id;
  }
  const legs = [
    { text: MESSAGES, lines: messages },
    { text: EVENTS, lines: events },
    { text: DUE, lines: due },
  ];
  await client.query(new Flight(legs)).landed;
}

servePart(
  {},
  {
    /** Rows a second. */
    async copy(rows: number) {
      const began = performance.now();
      for (let at = 0; at < rows; at += CHUNK) await chunk(at, Math.min(rows, at + CHUNK));
      return rows / ((performance.now() - began) / 1_000);
    },
  },
);
