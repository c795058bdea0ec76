/** A channel from outside the tree, as a stranger would write it: plain JavaScript, TypeBox and nothing else of ours. */
import { Type } from '@sinclair/typebox';

export const channel = {
  id: 'pager',
  label: 'Pager',
  recipient: [{ name: 'pager_number', label: 'Pager number', required: true, pattern: '\\d{4}', example: '4711' }],
  content: Type.Object({ body: Type.String({ minLength: 1, maxLength: 80 }) }, { additionalProperties: false }),
  capabilities: { receipts: ['delivered'], inbound: false, media: [], maxChars: 80 },
  templatePolicy: { send: 'optional', reply: 'anytime', approval: 'none' },
  retry: { delaysSeconds: [1] },
  sandbox: [{ to: { pager_number: '0000' }, steps: [{ refuse: 'recipient_invalid' }], note: 'no such pager' }],
  address: ({ pager_number }) => pager_number,
  preview: ({ body }) => ({ kind: 'bubble', text: body }),
  adapters: [
    {
      id: 'tower',
      label: 'Tower',
      credentials: [{ name: 'frequency', label: 'Frequency', required: true, example: '466' }],
      receipts: [],
      dedupes: false,
      perSecond: 10,
      concurrency: 1,
      faults: {},
      guide: 'Turn the dial.',
      send: async () => ({ providerId: 'beep' }),
      check: async () => 'Beep.',
    },
  ],
};
