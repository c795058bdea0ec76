/** For statements that write events along with the change they tell of; the columns in order. */
export const INSERT_EVENTS = 'insert into events (id, tenant_id, mode, type, message_id, data)';
