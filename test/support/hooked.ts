/** A product whose tenant has a server of its own, and the few things that tests of webhooks do with both. */
import { until } from './product.ts';
import type { Json } from './providers/fake.ts';
import { startReceiver } from './receiver.ts';
import { newPhone, startScene } from './scene.ts';

/** One event for each send. */
export const ONE = { event_types: ['message.queued'] };

export async function startHooked() {
  const receiver = await startReceiver();
  const scene = await startScene({
    egress: [receiver.host],
    timing: {
      webhooks: { delaysMs: [0, 40, 40, 40, 40, 40, 40, 40], jitter: 0, timeoutMs: 700, leaseSeconds: 2 },
    },
  });
  const at = (method: string, path: string, body?: unknown, key = scene.testKey) =>
    scene.call(method, path, { key, ...(body === undefined ? {} : { body }) });
  const deliveries = async ({ id }: Json, query = ''): Promise<Json[]> =>
    (await scene.must(200, at('GET', `/api/v1/webhook_deliveries?endpoint_id=${id}&limit=100${query}`))).data;
  return {
    scene,
    receiver,
    at,
    create: (path: string, more: object = {}, key = scene.testKey): Promise<Json> =>
      scene.must(201, at('POST', '/api/v1/webhooks', { url: receiver.url(path), ...more }, key)),
    archive: ({ id }: Json, key = scene.testKey): Promise<Json> =>
      scene.must(204, at('DELETE', `/api/v1/webhooks/${id}`, undefined, key)),
    send: (): Promise<Json> =>
      scene.send(
        { recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'Hello' } },
        scene.testKey,
      ),
    /** Once there are so many of this status. */
    ended: (endpoint: Json, count: number, status: string): Promise<Json[]> =>
      until(
        async () => {
          const found = await deliveries(endpoint, `&status=${status}`);
          return found.length >= count && found;
        },
        { what: `${count} ${status} deliveries`, withinMs: 15_000 },
      ),
    attemptsOf: ({ id }: Json): Promise<Json> => scene.must(200, at('GET', `/api/v1/webhook_deliveries/${id}`)),
    async close(): Promise<void> {
      await scene.close();
      await receiver.close();
    },
  };
}
