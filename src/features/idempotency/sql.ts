/** The key that a row `m` of what is to be stored holds; whatever lost its key has none. */
export const KEY_HELD = `lateral (
         select i.key, i.retry_of from idempotency i
         where i.tenant_id = m."tenantId" and i.mode = m.mode and i.key = m."idempotencyKey" and i.notification_id = m."notificationId" limit 1
       ) held on true`;
