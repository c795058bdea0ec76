/** What others write of events along with the change that they tell of. */
import { type Copy, copyText, type Lines } from '../../lib/copy.ts';
import { newId } from '../../lib/ids.ts';

const COLUMNS = 'id, tenant_id, mode, type, message_id, data';

/** For statements; the columns in order. */
export const INSERT_EVENTS = `insert into events (${COLUMNS})`;

/** The first event of a message, as a line of COPY; no column needs an escape. */
export const bornLine = (tenantId: string, mode: string, messageId: string): string =>
  `${newId()}\t${tenantId}\t${mode}\tmessage.queued\t${messageId}\t{}\n`;

/** Any event. */
export const eventLine = (
  id: string,
  tenantId: string,
  mode: string,
  type: string,
  messageId: string,
  data: object,
): string => `${id}\t${tenantId}\t${mode}\t${type}\t${messageId}\t${copyText(JSON.stringify(data))}\n`;

/** Stores such lines. */
export const copyEvents = (lines: Lines): Copy => ({ text: `copy events (${COLUMNS}) from stdin`, lines });

/** The first event of a message of a bulk, which has no place in the feed: the bulk is announced as a whole. */
export const bornInBulkLine = (tenantId: string, mode: string, messageId: string): string =>
  `\\N\t${bornLine(tenantId, mode, messageId)}`;

/** Stores such lines. */
export const copyUnplacedEvents = (lines: Lines): Copy => ({
  text: `copy events (position, ${COLUMNS}) from stdin`,
  lines,
});
