/**
 * A channel for the bench, made as a stranger would make one: its adapter posts JSON to an address among its settings, and
 * its callbacks are signed with an HMAC. How many calls may be under way is a limit of the connection.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { Type } from '@sinclair/typebox';
import type { Adapter, Channel, ChannelEvent } from '../../src/channel-kit/index.ts';

type Words = { readonly body: string; readonly at: string };

const isSigned = (secret: string, body: Buffer, given: string | undefined): boolean => {
  const expected = createHmac('sha256', secret).update(body).digest();
  const found = Buffer.from(given ?? '', 'hex');
  return found.length === expected.length && timingSafeEqual(found, expected);
};

function events(body: Buffer): readonly ChannelEvent[] {
  try {
    const { statuses } = JSON.parse(body.toString()) as { statuses: { id: string; status: 'delivered' | 'read' }[] };
    return statuses.map(({ id, status }) => ({
      type: 'receipt',
      key: `${id}:${status}`,
      providerId: id,
      receipt: status,
    }));
  } catch {
    return [{ type: 'ignored', reason: 'not readable' }];
  }
}

const adapter: Adapter<Words> = {
  id: 'benchhttp',
  label: 'Bench',
  credentials: [
    { name: 'url', label: 'Address', type: 'url', required: true },
    { name: 'secret', label: 'Secret of the callbacks', secret: true, required: true },
  ],
  receipts: ['delivered', 'read'],
  dedupes: false,
  perSecond: 100,
  concurrency: 10,
  faults: {},
  guide: 'The bench fills this in.',
  check: async () => 'Answers.',
  async send({ address, content, reference }, { credentials, http, fault }) {
    const response = await http({
      method: 'POST',
      url: `${credentials.url}/messages`,
      json: { to: address, text: { body: content.body }, at: content.at, ref: reference },
    });
    if (response.status !== 200) throw fault(response);
    const { messages } = response.json() as { messages: { id: string }[] };
    return { providerId: messages[0]?.id as string };
  },
  webhook: {
    verify: ({ headers, body }, { secret }) => isSigned(String(secret), body, headers['x-signature']),
    parse: ({ body }) => events(body),
  },
};

export const channel: Channel<Words> = {
  id: 'benchhttp',
  label: 'Bench',
  recipient: [{ name: 'phone', label: 'Phone number', type: 'phone', required: true, example: '+14155550123' }],
  content: Type.Object(
    { body: Type.String({ minLength: 1, maxLength: 4_096 }), at: Type.String({ minLength: 1, maxLength: 16 }) },
    { additionalProperties: false },
  ),
  capabilities: { receipts: ['delivered', 'read'], inbound: false, media: [], maxChars: 4_096 },
  templatePolicy: { send: 'required', reply: 'anytime', approval: 'none' },
  retry: { delaysSeconds: [1, 5] },
  sandbox: [],
  address: ({ phone = '' }) => phone,
  preview: ({ body }) => ({ kind: 'bubble', text: body }),
  adapters: [adapter],
};
