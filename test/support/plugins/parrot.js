/** A channel whose adapter has bugs that a test asks for by the text it sends, or by the body of a callback. */
import { Type } from '@sinclair/typebox';

export const channel = {
  id: 'parrot',
  label: 'Parrot',
  recipient: [{ name: 'perch', label: 'Perch', required: true, pattern: '\\w+', example: 'p1' }],
  content: Type.Object({ body: Type.String({ minLength: 1, maxLength: 80 }) }, { additionalProperties: false }),
  capabilities: { receipts: ['delivered'], inbound: false, media: [], maxChars: 80 },
  templatePolicy: { send: 'optional', reply: 'anytime', approval: 'none' },
  retry: { delaysSeconds: [1] },
  sandbox: [],
  address: ({ perch }) => perch,
  preview: ({ body }) => ({ kind: 'bubble', text: body }),
  adapters: [
    {
      id: 'cage',
      label: 'Cage',
      credentials: [{ name: 'url', label: 'Address', type: 'url', required: true }],
      receipts: ['delivered'],
      dedupes: false,
      perSecond: 100,
      concurrency: 10,
      faults: {},
      guide: 'Feed it.',
      check: async () => 'Squawk.',
      async send({ content }, { credentials, http }) {
        if (content.body === 'dumb') throw new TypeError('undefined is not a beak');
        await http({ method: 'POST', url: `${credentials.url}/said` });
        if (content.body === 'after') throw new TypeError('undefined is not a feather');
        return { providerId: `squawk-${content.body}` };
      },
      webhook: {
        verify: ({ headers }) => headers['x-squawk'] === 'yes',
        parse({ body }) {
          const text = body.toString();
          if (text === 'throw nul') throw new Error('unexpected \u0000 in a squawk');
          if (text.startsWith('throw')) throw new TypeError('undefined is not a squawk');
          return [];
        },
      },
    },
  ],
};
