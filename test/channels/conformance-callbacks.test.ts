/** What the callbacks of every adapter must keep: nothing forged gets in, nothing sent breaks the reader. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { channels } from '../../channels/index.ts';
import type { AnyAdapter, Credentials, FaultKind, RawRequest, Receipt } from '../../src/channel-kit/index.ts';

const withCallbacks = channels
  .flatMap(({ adapters }) => adapters)
  .filter((adapter) => adapter.webhook)
  .map((adapter) => [adapter.id, adapter] as const);

describe.each(withCallbacks)('callbacks of %s', (_, adapter) => {
  const webhook = adapter.webhook as NonNullable<AnyAdapter['webhook']>;
  const credentials = sampleCredentials(adapter);
  const url = `https://hooks.test/hooks/${adapter.id}/con_1?ref=msg_01J`;
  const message = {
    providerId: 'provider-id-1',
    reference: 'msg_01J',
    address: '+14155550123',
    url,
    at: new Date('2026-08-01T10:00:00Z'),
  };
  const emulated = (receipt: Receipt, fault?: FaultKind): RawRequest => {
    const request = webhook.emulate?.(receipt, { ...message, ...(fault ? { fault } : {}) }, credentials);
    if (!request) throw new Error(`${adapter.id} emulates nothing`);
    return request;
  };

  it('parsing is total: any bytes, any JSON, any form give a list and never throw', async () => {
    const total = async (body: Buffer, query: Record<string, string> = {}) => {
      const events = await webhook.parse({ method: 'POST', url, query, headers: {}, body });
      expect(Array.isArray(events) && events.length > 0).toBe(true);
    };
    await fc.assert(fc.asyncProperty(fc.uint8Array(), (bytes) => total(Buffer.from(bytes))));
    await fc.assert(
      fc.asyncProperty(fc.json(), fc.dictionary(fc.string(), fc.string()), (text, query) =>
        total(Buffer.from(text), query),
      ),
    );
    for (const word of ['__proto__', 'constructor', 'toString'])
      for (const body of [
        `{"entry":[{"changes":[{"field":"messages","value":{"statuses":[{"id":"1","status":"${word}"}]}}]}]}`,
        `MessageSid=1&MessageStatus=${word}&CallSid=1&CallStatus=${word}&ErrorCode=${word}`,
      ])
        expect(
          await webhook.parse({ method: 'POST', url, query: {}, headers: {}, body: Buffer.from(body) }),
        ).toMatchObject([{ type: 'ignored' }]);
  });

  it('a request without any signature is refused', async () => {
    expect(
      await webhook.verify(
        { method: 'POST', url, query: {}, headers: {}, body: Buffer.alloc(0), at: message.at },
        credentials,
      ),
    ).toBe(false);
  });

  if (!webhook.emulate) return;

  it.each(adapter.receipts)('an emulated %s is genuine and says just that', async (receipt: Receipt) => {
    const fault = receipt === 'failed' ? 'recipient_invalid' : undefined;
    const request = emulated(receipt, fault);
    expect(await webhook.verify(request, credentials)).toBe(true);
    const events = await webhook.parse(request);
    expect(events).toMatchObject([
      {
        type: 'receipt',
        receipt,
        providerId: 'provider-id-1',
        reference: 'msg_01J',
        ...(fault ? { fault: { kind: fault } } : {}),
      },
    ]);
  });

  it('an emulated failure keeps its reason wherever the provider has a word for it', async () => {
    for (const kind of ['recipient_invalid', 'provider_unavailable', 'provider_rejected'] as const)
      expect(await webhook.parse(emulated('failed', kind))).toMatchObject([{ fault: { kind } }]);
  });

  it('different statuses have different keys, the same one the same key', async () => {
    const keyOf = async (receipt: Receipt): Promise<string> => {
      const [event] = await webhook.parse(emulated(receipt));
      return event?.type === 'receipt' ? event.key : 'none';
    };
    const keys = await Promise.all(adapter.receipts.map(keyOf));
    expect(new Set(keys).size).toBe(adapter.receipts.length);
    expect(await keyOf('delivered')).toBe(await keyOf('delivered'));
  });

  it('a body with any one byte changed is refused', async () => {
    const genuine = emulated('delivered');
    for (let i = 0; i < genuine.body.length; i += 1) {
      const body = Buffer.from(genuine.body);
      body[i] = (body[i] as number) ^ 1;
      // A changed letter case in an escape of a form still spells the same text, so compare what was said.
      const same =
        new URLSearchParams(body.toString()).toString() === new URLSearchParams(genuine.body.toString()).toString();
      if (!same) expect(await webhook.verify({ ...genuine, body }, credentials), `byte ${i}`).toBe(false);
    }
  });

  it('another secret, and a signature that is missing, empty, cut or in capitals, are refused', async () => {
    const genuine = emulated('delivered');
    const [header] = Object.keys(genuine.headers).filter((name) => name.includes('signature'));
    const value = genuine.headers[header as string] as string;
    const wrong = Object.fromEntries(
      Object.entries(credentials).map(([name, v]) => [name, isSecret(adapter, name) ? 'other-secret' : v]),
    );
    expect(await webhook.verify(genuine, wrong)).toBe(false);
    const { [header as string]: _missing, ...without } = genuine.headers;
    for (const headers of [
      without,
      { ...without, [header as string]: '' },
      { ...without, [header as string]: value.slice(0, -2) },
      { ...without, [header as string]: value.toUpperCase() },
    ])
      expect(await webhook.verify({ ...genuine, headers }, credentials)).toBe(false);
    const empty = Object.fromEntries(
      Object.entries(credentials).map(([name, v]) => [name, isSecret(adapter, name) ? '' : v]),
    );
    expect(await webhook.verify(genuine, empty)).toBe(false);
  });
});

const isSecret = (adapter: AnyAdapter, name: string) => adapter.credentials.some((f) => f.name === name && f.secret);

function sampleCredentials(adapter: AnyAdapter): Credentials {
  return Object.fromEntries(
    adapter.credentials.map((field) => [field.name, field.example ?? field.default ?? `sample-${field.name}-1234`]),
  );
}
