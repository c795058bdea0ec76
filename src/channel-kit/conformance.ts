/** What every channel must be, ours or a stranger's: checked at the start for plugins, and by the tests for all. Pure. */
import type { RawRequest } from './callbacks.ts';
import type { AnyAdapter, AnyChannel } from './registry.ts';

/** Every way in which this value is not a channel that the core can work with; none for a good one. */
export async function conformanceFaults(channel: AnyChannel): Promise<readonly string[]> {
  if (typeof channel !== 'object' || channel === null) return ['the module exports no channel'];
  const faults: string[] = [];
  const must = (holds: unknown, fault: string): void => {
    if (!holds) faults.push(fault);
  };
  must(/^[a-z][a-z0-9_]{0,62}$/.test(channel.id ?? ''), 'id must be a lower-case word');
  const who = `channel ${channel.id}`;
  must(Array.isArray(channel.recipient) && channel.recipient.length > 0, `${who}: recipient names no field`);
  must(
    channel.content?.type === 'object' && typeof channel.content.properties === 'object',
    `${who}: content must be an object schema`,
  );
  must(
    ['required', 'optional'].includes(channel.templatePolicy?.send),
    `${who}: templatePolicy.send must be required or optional`,
  );
  must(
    Array.isArray(channel.retry?.delaysSeconds) && channel.retry.delaysSeconds.every((delay) => delay > 0),
    `${who}: retry.delaysSeconds must be a list of positive seconds`,
  );
  must(
    Array.isArray(channel.capabilities?.receipts) && channel.capabilities.maxChars > 0,
    `${who}: capabilities must state receipts and maxChars`,
  );
  must(Array.isArray(channel.sandbox), `${who}: sandbox must be a list`);
  must(
    typeof channel.address === 'function' && typeof channel.preview === 'function',
    `${who}: address and preview must be functions`,
  );
  must(Array.isArray(channel.adapters) && channel.adapters.length > 0, `${who}: it needs an adapter`);
  if (faults.length > 0) return faults;

  const { address: _, preview: __, author: ___, escape: ____, adapters, ...facts } = channel;
  must(sameJson(facts), `${who}: everything but its functions and adapters must be plain JSON`);
  for (const { to, note } of channel.sandbox) {
    try {
      channel.address(to, {});
    } catch (error) {
      faults.push(`${who}: the sandbox recipient of "${note}" has no valid address: ${(error as Error).message}`);
    }
  }
  const more = await Promise.all(adapters.map((adapter) => adapterFaults(who, channel, adapter)));
  return [...faults, ...more.flat()];
}

async function adapterFaults(who: string, channel: AnyChannel, adapter: AnyAdapter): Promise<readonly string[]> {
  const faults: string[] = [];
  const must = (holds: unknown, fault: string): void => {
    if (!holds) faults.push(`${who}, adapter ${adapter.id}: ${fault}`);
  };
  must(
    /^[a-z][a-z0-9_-]{0,62}$/.test(adapter.id ?? '') && adapter.id !== 'sandbox',
    'id must be a lower-case word other than sandbox',
  );
  must(typeof adapter.send === 'function' && typeof adapter.check === 'function', 'send and check must be functions');
  must(
    Array.isArray(adapter.credentials) && sameJson(adapter.credentials),
    'credentials must be a list of plain fields',
  );
  must(
    Array.isArray(adapter.receipts) &&
      adapter.receipts.every((receipt) => channel.capabilities.receipts.includes(receipt)),
    "receipts must be among the channel's",
  );
  must(adapter.perSecond > 0 && adapter.concurrency >= 1, 'perSecond and concurrency must be positive');
  must(typeof adapter.dedupes === 'boolean', 'dedupes must be said');
  const { webhook } = adapter;
  if (!webhook) return faults;
  for (const body of ['', '{}', '[]', 'null', '\u0000\u00ff']) {
    const request: RawRequest = {
      method: 'POST',
      url: 'https://hooks.example.com/',
      query: {},
      headers: {},
      body: Buffer.from(body, 'latin1'),
      at: new Date(0),
    };
    try {
      must(Array.isArray(await webhook.parse(request)), 'parse must return a list');
      must(
        (await webhook.verify(request, Object.fromEntries(adapter.credentials.map(({ name }) => [name, 'x'])))) ===
          false,
        'verify must refuse a request without a signature',
      );
    } catch (error) {
      must(false, `verify and parse must never throw (${(error as Error).message})`);
    }
  }
  return faults;
}

function sameJson(value: unknown): boolean {
  try {
    const text = JSON.stringify(value);
    return JSON.stringify(JSON.parse(text)) === text && !text.includes('null,null');
  } catch {
    return false;
  }
}
