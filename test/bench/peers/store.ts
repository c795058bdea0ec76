/** The row of a message as the peers write it: into the product's own table, with its columns, partitions and indexes. */
import { newId } from '../../../src/lib/ids.ts';
import { PHONE, TEMPLATE_ID } from '../sample.ts';

export interface Row {
  readonly id: string;
  readonly tenant_id: string;
  readonly mode: string;
  readonly channel: string;
  readonly address: string;
  readonly recipient: string;
  readonly connection_id: string;
  readonly template_slug: string;
  readonly input: string;
  readonly category: string;
  readonly lane: number;
  readonly on_unknown: string;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly actor_id: string;
}

const tenantId = newId();
const connectionId = newId();

export const rowOf = (data: Readonly<Record<string, unknown>>, now = new Date()): Row => ({
  id: newId(),
  tenant_id: tenantId,
  mode: 'live',
  channel: 'benchhttp',
  address: PHONE,
  recipient: JSON.stringify({ phone: PHONE }),
  connection_id: connectionId,
  template_slug: TEMPLATE_ID,
  input: JSON.stringify({ data }),
  category: 'transactional',
  lane: 1,
  on_unknown: 'wait',
  created_at: now,
  expires_at: new Date(now.getTime() + 86_400_000),
  actor_id: 'key',
});

export const COLUMNS = Object.keys(rowOf({})) as readonly (keyof Row)[];
export const INSERT = `insert into messages (${COLUMNS.join(', ')}) values (${COLUMNS.map((_, index) => `$${index + 1}`).join(', ')})`;
/** Many rows in one statement, for what is queued before the clock starts. */
export const INSERT_MANY = `insert into messages (${COLUMNS.join(', ')}) select ${COLUMNS.join(', ')} from jsonb_populate_recordset(null::messages, $1)`;
