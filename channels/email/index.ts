/** E-mail: plain text, HTML, or both, with files. */
import { type Static, Type } from '@sinclair/typebox';
import { AddressError, type Channel, having, words } from '../../src/channel-kit/index.ts';
import { plainAddress } from './mailbox.ts';
import { smtp } from './smtp.ts';

/** Roughly an address, so that a slip is seen early; the adapter reads it strictly. No line break, which would begin a header. */
const SENDER = '^[^\\r\\n@]+@[^\\r\\n@]+$';

const Attachment = Type.Object(
  {
    filename: Type.String({ pattern: '^[^/\\\\\\u0000-\\u001f\\u007f]{1,200}$' }),
    content_type: Type.String({ pattern: '^[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+$', maxLength: 100 }),
    content: Type.String({
      minLength: 1,
      pattern: '^[A-Za-z0-9+/]+={0,2}$',
      contentEncoding: 'base64',
      'x-literal': true,
      description: 'The file, in base64.',
    }),
  },
  { additionalProperties: false },
);

export const EmailContent = Type.Object(
  {
    subject: Type.String({ minLength: 1, maxLength: 998, pattern: '^(?=.*\\S)[^\\r\\n]*$' }),
    body: Type.Optional(words(200_000, { description: 'Plain text.' })),
    html: Type.Optional(words(500_000, { contentMediaType: 'text/html', description: 'HTML. Values are escaped.' })),
    from: Type.Optional(
      Type.String({ minLength: 3, maxLength: 400, pattern: SENDER, description: '`a@b.c` or `Name <a@b.c>`.' }),
    ),
    reply_to: Type.Optional(
      Type.String({ minLength: 3, maxLength: 400, pattern: SENDER, description: '`a@b.c` or `Name <a@b.c>`.' }),
    ),
    attachments: Type.Optional(Type.Array(Attachment, { maxItems: 20 })),
  },
  {
    additionalProperties: false,
    anyOf: [having('body'), having('html')],
  },
);
export type EmailContent = Static<typeof EmailContent>;

const to = (name: string) => ({ email: `${name}@sandbox.test` });
const HEADERS = ['subject', 'from', 'reply_to'];

export const email: Channel<EmailContent> = {
  id: 'email',
  label: 'E-mail',
  recipient: [
    {
      name: 'email',
      label: 'E-mail address',
      type: 'email',
      required: true,
      example: 'ada@example.com',
      help: 'One bare address, without a name.',
    },
  ],
  content: EmailContent,
  capabilities: {
    receipts: ['sent', 'delivered', 'read', 'failed', 'bounced', 'complained'],
    inbound: true,
    media: ['*/*'],
    maxChars: 500_000,
  },
  templatePolicy: { send: 'optional', reply: 'anytime', approval: 'none' },
  optOut: { link: true },
  // The second wait is longer than the five minutes that greylisting servers ask for.
  retry: { delaysSeconds: [30, 330, 1_800, 7_200] },
  sandbox: [
    { to: to('delivered'), steps: [{ receipt: 'delivered' }], note: 'delivered' },
    { to: to('unknown'), steps: [{ refuse: 'recipient_invalid' }], note: 'the server knows no such mailbox' },
    {
      to: to('bounced'),
      steps: [{ receipt: 'bounced', fault: 'recipient_invalid' }],
      note: 'accepted, then sent back: no such mailbox',
    },
    {
      to: to('complained'),
      steps: [{ receipt: 'delivered' }, { receipt: 'complained', afterMs: 500 }],
      note: 'delivered, then reported as spam',
    },
    { to: to('slow'), steps: [{ receipt: 'delivered', afterMs: 5_000 }], note: 'delivered after five seconds' },
    {
      to: to('flaky'),
      steps: [{ refuse: 'provider_unavailable' }, { refuse: 'provider_unavailable' }, { receipt: 'delivered' }],
      note: 'flaky: out of order twice, then delivered',
    },
    {
      to: to('full'),
      steps: [{ receipt: 'bounced', fault: 'provider_unavailable' }, { receipt: 'delivered' }],
      note: 'mailbox full: taken back, sent again, delivered',
    },
    { to: to('lost'), steps: [{ refuse: 'outcome_unknown' }], note: 'the answer is lost' },
    { to: to('refused'), steps: [{ refuse: 'credentials_invalid' }], note: 'the server refuses our sign-in' },
  ],
  address(recipient) {
    const address = plainAddress(recipient.email ?? '');
    if (address) return address;
    throw new AddressError(
      'email',
      'Write one bare address, such as ada@example.com: no name, no quotes, no second one.',
    );
  },
  escape: (value, path) => (HEADERS.includes(String(path[0])) ? value.replace(/[\r\n]+/g, ' ') : value),
  preview: ({ from, subject, body, html, attachments }) => ({
    kind: 'mail',
    ...(from ? { from } : {}),
    subject,
    text: body ?? '',
    ...(html === undefined ? {} : { html }),
    ...(attachments
      ? { attachments: attachments.map(({ filename, content }) => ({ filename, bytes: decodedBytes(content) })) }
      : {}),
  }),
  adapters: [smtp],
};

const decodedBytes = (base64: string) => Math.floor((base64.replace(/=+$/, '').length * 3) / 4);
