/** The trace of a notification, as a collector gets it: one from acceptance to receipt, across processes, and nobody's data in it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromWire } from '../../src/lib/ids.ts';
import { createLog } from '../../src/lib/log.ts';
import { readTraceparent } from '../../src/lib/traces.ts';
import { type Product, startProduct, until } from '../support/product.ts';
import { behave, type Json } from '../support/providers/fake.ts';
import { newPhone, type Scene, startScene } from '../support/scene.ts';

interface Told {
  readonly headers: Json;
  readonly body: Json;
}
/** What OTLP over HTTP asks of a collector: to take a batch and say so. */
async function startCollector() {
  const told: Told[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      if (request.url === '/v1/traces' && status === 200)
        told.push({ headers: request.headers, body: JSON.parse(Buffer.concat(pieces).toString()) });
      response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    told,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fail() {
      status = 503;
    },
    spans: (): Json[] =>
      told.flatMap(({ body }) =>
        body.resourceSpans.flatMap((one: Json) => one.scopeSpans.flatMap((scope: Json) => scope.spans)),
      ),
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}
const attributesOf = (span: Json): Json =>
  Object.fromEntries(span.attributes.map(({ key, value }: Json) => [key, Object.values(value)[0]]));

const CALLER = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };

describe('with a collector', () => {
  let collector: Awaited<ReturnType<typeof startCollector>>;
  let scene: Scene;
  let second: Product;
  beforeAll(async () => {
    collector = await startCollector();
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-team=bells%20and%20whistles',
      OTEL_SERVICE_NAME: 'bakery',
    };
    scene = await startScene({ env });
    await scene.connectAll();
    second = await startProduct({ role: 'api', env, database: scene.product.database });
  });
  afterAll(async () => {
    await second?.stop();
    await scene?.close();
    await collector.close();
  });

  test('acceptance, attempts and receipts share the trace that is the notification’s UUID; the caller’s trace links to it', async () => {
    const phone = newPhone();
    scene.twilio.script(phone, behave.unavailable());
    const body = { recipient: { phone }, notification: { channels: ['sms'], body: 'Nobody else reads this' } };
    const headers = { traceparent: `00-${CALLER.traceId}-${CALLER.spanId}-01` };
    const { notification_id: id } = await scene.send(body, scene.liveKey, headers);
    const traceId = (fromWire('notification', id) as string).replaceAll('-', '');
    const own = () => collector.spans().filter((span) => span.traceId === traceId);
    await scene.when(id, 'has a second attempt planned', ({ channels }) => channels[0].attempts.length === 1);
    await scene.hurry();
    await scene.status(id, 'sent');
    await scene.twilio.deliver(scene.twilio.messages.at(-1)?.id as string, ['delivered']);
    await scene.status(id, 'delivered');
    await until(() => own().some(({ name }) => name === 'receipt delivered'), { what: 'the span of the receipt' });

    const [accept] = own().filter(({ name }) => name === 'accept');
    const attempts = own().filter(({ name }) => name === 'attempt sms');
    const receipt = own().find(({ name }) => name === 'receipt delivered') as Json;
    expect(attempts.map((span) => attributesOf(span)['carillon.outcome'])).toEqual(['refused', 'accepted']);
    expect(attempts[0]?.status).toEqual({ code: 2, message: 'provider_unavailable' });
    for (const { parentSpanId } of attempts) expect(parentSpanId).toBe(accept?.spanId);
    expect(receipt.parentSpanId).toBe(attempts[1]?.spanId);
    expect(attributesOf(receipt)).toMatchObject({ 'carillon.receipt': 'delivered', 'carillon.applied': true });
    expect(attributesOf(attempts[1] as Json)).toMatchObject({ 'carillon.channel': 'sms', 'carillon.attempt': '2' });
    expect(attributesOf(accept as Json)['carillon.notification_id']).toBe(id);

    const theirs = collector.spans().find((span) => span.traceId === CALLER.traceId) as Json;
    expect(theirs).toMatchObject({ parentSpanId: CALLER.spanId, kind: 2 });
    expect(theirs.links).toEqual([{ traceId, spanId: accept?.spanId }]);
    expect(accept?.links).toEqual([{ traceId: CALLER.traceId, spanId: theirs.spanId }]);

    // The provider is told which attempt is calling.
    const [told] = scene.twilio.requests.slice(-1);
    expect(readTraceparent(told?.headers.traceparent as string)).toEqual({ traceId, spanId: attempts[1]?.spanId });

    expect(collector.told[0]?.headers['x-team']).toBe('bells and whistles');
    expect(JSON.stringify(collector.told[0]?.body.resourceSpans[0].resource)).toContain('bakery');
    const everything = JSON.stringify(collector.told);
    expect(everything).not.toContain(phone.slice(1));
    expect(everything).not.toContain('Nobody else');
    for (const { startTimeUnixNano, endTimeUnixNano } of own())
      expect(BigInt(endTimeUnixNano) >= BigInt(startTimeUnixNano)).toBe(true);
  }, 60_000);

  test('what one process accepts and another delivers is one trace', async () => {
    const { body } = await second.api('/api/v1/notifications/send', {
      key: scene.liveKey,
      body: { recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'Split' } },
    });
    await scene.status(body.notification_id, 'sent');
    const traceId = (fromWire('notification', body.notification_id) as string).replaceAll('-', '');
    await until(() => collector.spans().filter((span) => span.traceId === traceId).length === 2, { what: 'two spans' });
  });
});

test('a collector that refuses keeps nobody waiting, and what is lost is said', async () => {
  const collector = await startCollector();
  collector.fail();
  const lines: string[] = [];
  const product = await startProduct({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
    log: createLog('warn', { write: (line) => void lines.push(line) }),
  });
  const { status } = await product.api('/api/v1/notifications/send', {
    body: { recipient: { phone: newPhone() }, notification: { channels: ['sms'], body: 'All the same' } },
  });
  expect(status).toBe(202);
  await until(() => lines.some((line) => line.includes('the collector answered 503')), { what: 'the warning' });
  await product.stop();
  await collector.close();
});

test('without a collector a provider’s call carries no trace', async () => {
  const scene = await startScene();
  await scene.connectAll();
  const { notification_id: id } = await scene.send({
    recipient: { phone: newPhone() },
    notification: { channels: ['sms'], body: 'Untraced' },
  });
  await scene.status(id, 'sent');
  expect(scene.twilio.requests.at(-1)?.headers.traceparent).toBeUndefined();
  await scene.close();
});
