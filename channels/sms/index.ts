/** SMS: plain text to a telephone number, billed by the part. */
import { type Static, Type } from '@sinclair/typebox';
import { type Channel, phoneAddress, phoneField, words } from '../../src/channel-kit/index.ts';
import { magic, phoneCases } from '../phones.ts';
import { segments } from './segments.ts';
import { twilioSms } from './twilio.ts';

export const SmsContent = Type.Object(
  {
    body: words(1_600, {
      description: 'The text. 160 characters make one part, 70 when it has any outside the GSM alphabet.',
    }),
  },
  { additionalProperties: false },
);
export type SmsContent = Static<typeof SmsContent>;

export const sms: Channel<SmsContent> = {
  id: 'sms',
  label: 'SMS',
  recipient: [phoneField],
  content: SmsContent,
  capabilities: { receipts: ['sent', 'delivered', 'failed'], inbound: true, media: [], maxChars: 1_600 },
  templatePolicy: { send: 'optional', reply: 'anytime', approval: 'none' },
  optOut: { words: 'all' },
  retry: { delaysSeconds: [5, 30, 120, 600] },
  sandbox: [
    ...phoneCases,
    { to: magic(2), steps: [{ refuse: 'provider_rejected' }], note: 'no route to this number' },
    { to: magic(3), steps: [{ refuse: 'provider_rejected' }], note: 'its region is not switched on' },
    { to: magic(9), steps: [{ refuse: 'recipient_invalid' }], note: 'not a mobile number' },
    {
      to: magic(15),
      steps: [{ receipt: 'failed', fault: 'provider_unavailable' }, { receipt: 'delivered' }],
      note: 'handset off: accepted, later taken back, sent again, delivered',
    },
    {
      to: magic(16),
      steps: [{ receipt: 'failed', fault: 'recipient_invalid' }],
      note: 'accepted, then: unknown handset',
    },
    {
      to: magic(17),
      steps: [{ receipt: 'failed', fault: 'provider_rejected' }],
      note: 'accepted, then filtered by the carrier',
    },
  ],
  address: phoneAddress,
  preview: ({ body }) => ({ kind: 'bubble', text: body, ...segments(body) }),
  adapters: [twilioSms],
};
