/**
 * One reading of an e-mail address. Narrower than the standard on purpose: one bare address, ASCII in the local part, no
 * quotes, no comments. What this refuses, hardly anyone has; what the standard allows here, attackers use.
 */
import { domainToASCII } from 'node:url';

export interface Mailbox {
  readonly name?: string;
  readonly address: string;
}

const LOCAL = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const MAX = 254;

/**
 * Lower-case, the domain in ASCII: `ada@bücher.example` becomes `ada@xn--bcher-kva.example`, so that a look-alike domain
 * shows itself. `undefined` when it is not one plain address.
 */
export function plainAddress(given: string): string | undefined {
  const [local = '', domain = '', ...rest] = given.split('@');
  if (rest.length > 0 || local.length > 64 || !LOCAL.test(local)) return undefined;
  // The conversion would quietly repair hosts that nobody meant to write, such as a path or an address in brackets.
  if (/[^\p{L}\p{M}\p{N}.-]/u.test(domain)) return undefined;
  const ascii = domainToASCII(domain).toLowerCase();
  const labels = ascii.split('.');
  const address = `${local.toLowerCase()}@${ascii}`;
  const fits = labels.length > 1 && labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? '');
  return fits && address.length <= MAX ? address : undefined;
}

/** `a@b.c` or `Name <a@b.c>`, the name with or without quotes. */
export function mailbox(given: string): Mailbox | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a control character would start a header line of its own
  if (/[\u0000-\u001f\u007f]/.test(given)) return undefined;
  const [, quoted, bare, inner] = /^(?:"((?:[^"\\]|\\.)*)"\s*|([^"<>@]*))<([^<>]+)>$/.exec(given.trim()) ?? [];
  const address = plainAddress((inner ?? given).trim());
  const name = (quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '').trim();
  return address ? { address, ...(name ? { name } : {}) } : undefined;
}
