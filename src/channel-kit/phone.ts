/** One reading of a telephone number for every channel that dials one. */
import { type CountryCode, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import type { AddressContext, Field, Recipient } from './contract.ts';
import { AddressError } from './faults.ts';

/** Strict on purpose: the library alone also takes extensions, `tel:` links and digits of other scripts. */
const E164 = /^\+[1-9]\d{6,14}$/;
const NATIONAL = /^[\d\s().-]{4,20}$/;

export const phoneField: Field = {
  name: 'phone',
  label: 'Phone number',
  type: 'phone',
  required: true,
  example: '+14155550123',
  help: 'E.164: a plus sign, the country code, the number; no spaces.',
};

/** `+14155550123`. A national number is read with the default country, when there is one. */
export function phoneAddress(to: Recipient, { defaultCountry }: AddressContext): string {
  const given = to.phone ?? '';
  if (E164.test(given)) {
    if (!isPossible(given)) throw new AddressError('phone', `${given} has the wrong length for its country.`);
    return given;
  }
  if (defaultCountry && !given.startsWith('+') && NATIONAL.test(given)) {
    const parsed = parsePhoneNumberFromString(given, defaultCountry as CountryCode);
    if (parsed?.isPossible()) return parsed.number;
  }
  throw new AddressError(
    'phone',
    'Write the number as E.164: a plus sign, the country code and the number, digits only, such as +14155550123.',
  );
}

/**
 * Whether a number can exist is a matter of its country, its kind and its length: what its first digits and its length say.
 * Asked once for each of these, because a bulk has a million numbers and the library reads each from the beginning.
 */
function isPossible(number: string): boolean {
  const kind = `${number.slice(1, 8)} ${number.length}`;
  const known = kinds.get(kind);
  if (known !== undefined) return known;
  const possible = parsePhoneNumberFromString(number)?.isPossible() ?? false;
  if (kinds.size >= KINDS_MAX) kinds.clear();
  kinds.set(kind, possible);
  return possible;
}
const kinds = new Map<string, boolean>();
const KINDS_MAX = 50_000;
