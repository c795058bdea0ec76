/**
 * What all of Meta's callbacks have in common: who somebody is, when it was, and for which number.
 *
 * A person is known by a telephone number, by an id that holds within one business, or by both: who has a username may hide
 * the number. Source: Cloud API webhooks and business-scoped user ids, read 2026-08.
 */
import { at, type Identity, listAt, type Recipient, textAt } from '../../src/channel-kit/index.ts';

/** One change of a body: for which WhatsApp Business account, in which field, and what. */
export interface Change {
  readonly waba: string | undefined;
  /** The provider's time of the entry, which tells repeats of one piece of news from two alike. */
  readonly time: string | undefined;
  readonly field: string;
  readonly value: unknown;
}

export const changesOf = (payload: unknown): readonly Change[] =>
  listAt(payload, 'entry').flatMap((entry) =>
    listAt(entry, 'changes').map((change) => ({
      waba: textAt(entry, 'id'),
      time: textAt(entry, 'time'),
      field: textAt(change, 'field') ?? 'unknown',
      value: at(change, 'value'),
    })),
  );

/** The sending number a change belongs to. News of a whole account names none. */
export const numberOf = ({ value }: Change): string | undefined => textAt(value, 'metadata', 'phone_number_id');

/** What a business-scoped id looks like: the country, a dot, and the id. */
export const USER_ID = '[A-Z]{2}\\.[A-Za-z0-9]{1,128}(\\.[A-Za-z0-9]{1,128})?';
const isUserId = new RegExp(`^${USER_ID}$`);

/** `+14155550123` of the digits that stand there. */
const phoneOf = (digits: string | undefined): string | undefined => {
  const number = digits?.replace(/^\+/, '');
  return number && /^[1-9]\d{6,14}$/.test(number) ? `+${number}` : undefined;
};

/** `undefined` when neither names anybody. The number is the stronger name: other channels know it too. */
export function personOf(
  digits: string | undefined,
  userId: string | undefined,
  { waba, value }: Change,
): { recipient: Recipient; identities: readonly Identity[]; name?: string } | undefined {
  const phone = phoneOf(digits);
  const user = userId !== undefined && isUserId.test(userId) ? userId : undefined;
  if (!phone && !user) return undefined;
  const contact = listAt(value, 'contacts').find(
    (one) =>
      (digits !== undefined && textAt(one, 'wa_id') === digits) ||
      (user !== undefined && textAt(one, 'user_id') === user),
  );
  const name = textAt(contact, 'profile', 'name') ?? textAt(contact, 'profile', 'username');
  return {
    recipient: phone ? { phone } : { whatsapp_user_id: String(user) },
    identities: [
      ...(phone ? [{ kind: 'phone', value: phone }] : []),
      ...(user ? [{ kind: 'whatsapp_user', value: user, ...(waba ? { scope: waba } : {}) }] : []),
    ],
    ...(name ? { name } : {}),
  };
}

/** The members that are there, under their own names, as text, number or truth; nothing else of a stranger's object. */
export function plain(value: unknown, ...names: readonly string[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    names.flatMap((name): [string, string | number | boolean][] => {
      const found = at(value, name);
      return typeof found === 'string' || typeof found === 'boolean' || Number.isFinite(found)
        ? [[name, found as string | number | boolean]]
        : [];
    }),
  );
}
