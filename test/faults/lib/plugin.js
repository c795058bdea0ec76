/**
 * The channel of the harness: its provider is called over HTTP through the edge of the process that calls. One adapter can be
 * asked what became of a message, the other is blind. What goes wrong on the way is asked for by the first word of the text.
 */
import { Type } from '@sinclair/typebox';

const { FAULT_PROVIDER_URL: provider, FAULT_DEAD_URL: dead, FAULT_NAME: name } = process.env;
const met = new Set();
/** Whether this process sees it for the first time. */
const first = (reference) => !met.has(reference) && met.add(reference);

async function poison(word, reference) {
  if (word === 'throw') throw new TypeError('undefined is not an envelope');
  if (word === 'reject') void Promise.reject(new Error('nobody catches this'));
  if (word === 'block' && first(reference)) for (const end = performance.now() + 5_000; performance.now() < end; );
  if (word === 'bloat') for (const hoard = []; ; ) hoard.push(new Array(1_000_000).fill(reference));
}

/** Where a first call goes wrong before a byte has left. */
function addressOf(word, reference) {
  if (word === 'refused' && first(reference)) return dead;
  if (word === 'nowhere' && first(reference)) return 'http://nowhere.invalid';
  if (word === 'tls' && first(reference)) return provider.replace('http:', 'https:');
  return provider;
}

const adapter = (id, more) => ({
  id,
  label: id,
  credentials: [{ name: 'secret', label: 'Secret of the callbacks', required: true, secret: true }],
  receipts: ['delivered'],
  dedupes: false,
  perSecond: 100_000,
  concurrency: 5,
  faults: {},
  guide: 'The harness fills this in.',
  check: async () => 'Answers.',
  async send({ address, content, reference }, { http, fault, callbackUrl }) {
    const [word] = content.body.split(' ');
    await poison(word, reference);
    const response = await http({
      method: 'POST',
      url: `${addressOf(word, reference)}/messages`,
      headers: { 'x-process': name },
      json: { to: address, body: content.body, ref: reference, callback: callbackUrl },
      timeoutMs: 3_000,
    });
    if (response.status !== 200) throw fault(response);
    return { providerId: response.json().id };
  },
  webhook: {
    verify: ({ headers }, { secret }) => headers['x-secret'] === secret,
    parse({ body }) {
      try {
        const { id, ref, at } = JSON.parse(body.toString());
        const named = ref ? { reference: ref } : { providerId: id };
        return [{ type: 'receipt', key: id, ...named, receipt: 'delivered', at: new Date(at) }];
      } catch {
        return [{ type: 'ignored', reason: 'not readable' }];
      }
    },
  },
  ...more,
});

export const channel = {
  id: 'courier',
  label: 'Courier',
  recipient: [{ name: 'door', label: 'Door', required: true, pattern: '[a-z0-9-]+', example: 'd-1' }],
  content: Type.Object({ body: Type.String({ minLength: 1, maxLength: 200 }) }, { additionalProperties: false }),
  capabilities: { receipts: ['delivered'], inbound: false, media: [], maxChars: 200 },
  templatePolicy: { send: 'optional', reply: 'anytime', approval: 'none' },
  retry: { delaysSeconds: [0.1, 0.5, 1, 2] },
  sandbox: [],
  address: ({ door }) => door,
  preview: ({ body }) => ({ kind: 'bubble', text: body }),
  adapters: [
    adapter('blindcourier'),
    adapter('seeingcourier', {
      async lookup({ reference }, { http }) {
        const response = await http({ url: `${provider}/messages?ref=${reference}`, timeoutMs: 3_000 });
        if (response.status === 404) return undefined;
        if (response.status !== 200) throw new Error(`the provider says ${response.status}`);
        return { providerId: response.json().id };
      },
    }),
  ],
};
