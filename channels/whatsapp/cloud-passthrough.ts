/**
 * Meta's callbacks in Meta's own words, for bots that were written for Meta. One body may speak of several accounts; what an
 * owner is shown of it is cut to his own, and a body that is all his stays as it is, to the byte.
 */
import { isUtf8 } from 'node:buffer';
import { at, listAt, type Passthrough, parseJson, textAt } from '../../src/channel-kit/index.ts';

/** A number, or for news that are about no number the business account. */
const accountOf = (entry: unknown, change: unknown): string | undefined =>
  textAt(change, 'value', 'metadata', 'phone_number_id') ?? textAt(entry, 'id');

/** The provider escapes everything beyond ASCII. */
const escaped = (payload: object): Buffer =>
  Buffer.from(
    JSON.stringify(payload).replace(
      /[\u0080-\uffff]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  );

function accounts(body: Buffer): readonly string[] {
  // What is not text cannot be kept as text.
  const entries = isUtf8(body) ? listAt(parseJson(body), 'entry') : [];
  const found = entries.flatMap((entry) => listAt(entry, 'changes').map((change) => accountOf(entry, change)));
  return [...new Set(found)].filter((account) => account !== undefined);
}

function part(body: Buffer, own: ReadonlySet<string>): Buffer {
  if (accounts(body).every((account) => own.has(account))) return body;
  const payload = parseJson(body) as object;
  const entry = listAt(payload, 'entry').flatMap((one) => {
    const changes = listAt(one, 'changes').filter((change) => own.has(accountOf(one, change) ?? ''));
    return changes.length > 0 ? { ...(one as object), changes } : [];
  });
  return escaped({ object: at(payload, 'object'), entry });
}

/** What Meta sends when *Test* is pressed at its webhooks. */
const SAMPLE = {
  object: 'whatsapp_business_account',
  entry: [
    {
      id: '0',
      changes: [
        {
          field: 'messages',
          value: {
            messaging_product: 'whatsapp',
            metadata: { display_phone_number: '16505551111', phone_number_id: '123456123' },
            contacts: [{ profile: { name: 'test user name' }, wa_id: '16315551181' }],
            messages: [
              {
                from: '16315551181',
                id: 'ABGGFlA5Fpa',
                timestamp: '1504902988',
                type: 'text',
                text: { body: 'this is a text message' },
              },
            ],
          },
        },
      ],
    },
  ],
};

export const passthrough: Passthrough = {
  format: 'meta',
  names: ['phone_number_id', 'waba_id'],
  accounts,
  part,
  sample: escaped(SAMPLE),
};
