/** Voice: a call that says a text. */
import { type Static, Type } from '@sinclair/typebox';
import { type Channel, phoneAddress, phoneField, words } from '../../src/channel-kit/index.ts';
import { magic, phoneCases } from '../phones.ts';
import { twilioVoice } from './twilio.ts';

export const VoiceContent = Type.Object(
  {
    body: words(3_500, { description: 'The words to say.' }),
    voice: Type.Optional(
      Type.String({ pattern: '^[A-Za-z0-9.-]{1,60}$', description: 'A voice of the provider, such as Polly.Joanna.' }),
    ),
    language: Type.Optional(
      Type.String({ pattern: '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$', description: 'With its region: en-GB.' }),
    ),
    loop: Type.Optional(Type.Integer({ minimum: 1, maximum: 5, description: 'How often it is said. Default 1.' })),
  },
  { additionalProperties: false },
);
export type VoiceContent = Static<typeof VoiceContent>;

export const voice: Channel<VoiceContent> = {
  id: 'voice',
  label: 'Voice call',
  recipient: [phoneField],
  content: VoiceContent,
  capabilities: { receipts: ['sent', 'delivered', 'failed'], inbound: false, media: [], maxChars: 3_500 },
  templatePolicy: { send: 'optional', reply: 'anytime', approval: 'none' },
  // Far apart: a telephone that was busy a minute ago still is, and nobody likes to be rung five times in a row.
  retry: { delaysSeconds: [60, 300, 1_800] },
  sandbox: [
    ...phoneCases,
    { to: magic(3), steps: [{ refuse: 'provider_rejected' }], note: 'its region is not switched on' },
    {
      to: magic(30),
      steps: [{ receipt: 'failed', fault: 'provider_unavailable' }, { receipt: 'delivered' }],
      note: 'nobody answers the first call, the second is heard',
    },
    { to: magic(31), steps: [{ receipt: 'failed', fault: 'recipient_invalid' }], note: 'the number does not exist' },
    { to: magic(32), steps: [{ receipt: 'failed', fault: 'provider_rejected' }], note: 'the call fails on the way' },
  ],
  address: phoneAddress,
  preview: ({ body, voice: name, language }) => ({
    kind: 'speech',
    text: body,
    ...(name ? { voice: name } : {}),
    ...(language ? { language } : {}),
  }),
  adapters: [twilioVoice],
};
