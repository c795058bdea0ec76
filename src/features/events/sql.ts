/** What others write of events along with the change that they tell of. */
import { type Copy, copyText, type Lines } from '../../lib/copy.ts';
import { newId } from '../../lib/ids.ts';

/** For statements; the columns in order. */
export const INSERT_EVENTS = 'insert into events (id, tenant_id, mode, type, message_id, data)';

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
export const copyEvents = (lines: Lines): Copy => ({
  text: 'copy events (id, tenant_id, mode, type, message_id, data) from stdin',
  lines,
});
