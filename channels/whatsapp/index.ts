/** WhatsApp: a template opens the conversation, free text may answer for a day. */
import {
  type AddressContext,
  AddressError,
  type Channel,
  phoneAddress,
  phoneField,
  type Recipient,
} from '../../src/channel-kit/index.ts';
import { magic, phoneCases } from '../phones.ts';
import { author } from './binding.ts';
import { cloud } from './cloud.ts';
import { USER_ID } from './cloud-reading.ts';
import { WhatsAppContent } from './content.ts';
import { preview } from './preview.ts';

export const whatsapp: Channel<WhatsAppContent> = {
  id: 'whatsapp',
  label: 'WhatsApp',
  recipient: [
    { ...phoneField, unless: 'whatsapp_user_id' },
    {
      name: 'whatsapp_user_id',
      label: 'WhatsApp user ID',
      pattern: USER_ID,
      example: 'US.13491208655302741918',
      help: 'Of a person who has written to you and hides the number. Used when there is no number.',
    },
  ],
  content: WhatsAppContent,
  capabilities: { receipts: ['sent', 'delivered', 'read', 'failed'], inbound: true, media: [], maxChars: 4_096 },
  templatePolicy: { send: 'required', reply: { hoursAfterInbound: 24 }, approval: 'provider' },
  optOut: { words: 'marketing' },
  retry: { delaysSeconds: [5, 30, 120, 600, 1_800] },
  sandbox: [
    ...phoneCases,
    {
      to: magic(20),
      steps: [{ receipt: 'sent' }, { receipt: 'delivered', afterMs: 200 }, { receipt: 'read', afterMs: 500 }],
      note: 'sent, delivered, read',
    },
    {
      to: magic(21),
      steps: [{ receipt: 'failed', fault: 'outside_window' }],
      note: 'accepted, then refused: outside the 24 hours',
    },
    { to: magic(22), steps: [{ refuse: 'template_rejected' }], note: 'the template is not approved' },
    {
      to: magic(23),
      steps: [{ receipt: 'failed', fault: 'recipient_invalid' }],
      note: 'accepted, then refused: not on WhatsApp',
    },
    {
      to: magic(24),
      steps: [{ receipt: 'failed', fault: 'recipient_opted_out' }],
      note: 'accepted, then refused: wants no marketing',
    },
  ],
  address,
  author,
  escape: oneLine,
  plain: (body) => ({ type: 'text', text: { body } }),
  preview,
  adapters: [cloud],
};

/** The number wherever there is one: other channels know it too, and some templates need it. */
function address(to: Recipient, context: AddressContext): string {
  const user = to.whatsapp_user_id;
  try {
    return phoneAddress(to, context);
  } catch (error) {
    if (user !== undefined && new RegExp(`^${USER_ID}$`).test(user)) return user;
    if (user === undefined || to.phone !== undefined) throw error;
    throw new AddressError('whatsapp_user_id', 'Write the id as it came, such as US.13491208655302741918.');
  }
}

/** The provider refuses parameters with line breaks, tabs or more than four spaces in a row; a value often has them. */
function oneLine(value: string, path: readonly (string | number)[]): string {
  return path[0] === 'template' ? value.replace(/\s*[\r\n\t]+\s*/g, ' ').replace(/ {5,}/g, '    ') : value;
}
