/**
 * The forms in which a person may stand in what was stored. Pure. The patterns mean the same to PostgreSQL and to JavaScript:
 * no word of a stranger is a pattern of its own, and what is only part of a longer address or number is somebody else.
 */

export interface Needles {
  /** Finds the person in a text, and nobody whose address or number is longer. */
  readonly pattern: string;
  /** Finds the forms as parts too: for what is known to be the person's own. */
  readonly loose: string;
  /** What a field of a recipient says when it is this person and nothing else, in lower case. */
  readonly values: readonly string[];
  /** The same of telephone numbers, their digits alone. */
  readonly digits: readonly string[];
}

/** Shorter texts would find half of the store. */
const SHORTEST = 5;
const PHONE = /^[\d\s().+-]+$/;
const BARE = /^\d{7,15}$/;

/** Letters of scripts that put spaces between words; in the others an address may follow on a letter. */
const LETTERS = 'a-zÀ-ɏͰ-ԯ';
/** What ends in a letter or a digit and stands for neither: as in URLs, in JSON, and in bytes that are shown as text. */
const ESCAPED =
  '%(?:[013467][0-9a-f]|2[0-9acf]|5[0-9a-e]|[89a-f][0-9a-f])|\\\\[bfnrt]|\\\\u[0-9a-f]{4}|\\\\[0-3][0-7][0-7]';

const before = (part: string): string => `(^|[^${part}]|${ESCAPED})`;
const EDGES = {
  mailbox: [before(`${LETTERS}0-9._+-`), `(?![${LETTERS}0-9]|\\.[a-z0-9]|-[a-z0-9-]*\\.[a-z0-9])`],
  phone: [before('0-9'), '(?![0-9])'],
  other: [before(`${LETTERS}0-9`), `(?![${LETTERS}0-9])`],
} as const;

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');

/** As typed, in a URL, in JSON, and as PostgreSQL shows bytes. */
function formsOf(text: string): string[] {
  const url = encodeURIComponent(text);
  const bytes = [...Buffer.from(text)].map((byte) =>
    byte < 128 ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`,
  );
  const ascii = JSON.stringify(text).replace(
    /[^ -~]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const form = url.replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16)}`);
  return [
    text,
    url,
    form,
    form.replaceAll('%20', '+'),
    JSON.stringify(text).slice(1, -1),
    ascii.slice(1, -1),
    bytes.join(''),
  ];
}

function kindOf(text: string): keyof typeof EDGES {
  return PHONE.test(text) ? 'phone' : text.includes('@') ? 'mailbox' : 'other';
}

/** A form with what may stand beside it. One that begins with a sign of its own may follow on anything. */
function bounded(form: string, kind: keyof typeof EDGES): string {
  const [left, right] = EDGES[kind];
  const bare = BARE.test(form);
  return `${bare || /^[^\s()+#@]/.test(form) ? left : '()'}${bare ? '(?:\\+|%2b|00)?' : ''}${literal(form)}${/[\s()#]$/.test(form) ? '' : right}`;
}

/** Of an address as typed and as the channel writes it. Empty patterns: there is nothing to look for. */
export function needlesOf(values: readonly string[]): Needles {
  const wanted = new Map<string, keyof typeof EDGES>();
  const whole = new Set<string>();
  const numbers = new Set<string>();
  for (const value of values) {
    const text = value.trim();
    if (text.length < SHORTEST) continue;
    const kind = kindOf(text);
    whole.add(text.toLowerCase());
    for (const form of [...formsOf(text), ...formsOf(text.toLowerCase())]) wanted.set(form, kind);
    const digits = digitsOf(text);
    if (kind !== 'phone' || !BARE.test(digits)) continue;
    numbers.add(digits);
    wanted.set(digits, kind);
  }
  // The longest first: where two forms begin at the same place, all of the longer goes.
  const forms = [...wanted].sort(([a], [b]) => b.length - a.length || (a < b ? -1 : 1));
  return {
    pattern: forms.map(([form, kind]) => bounded(form, kind)).join('|'),
    loose: forms.map(([form]) => literal(form)).join('|'),
    values: [...whole],
    digits: [...numbers],
  };
}

const digitsOf = (text: string): string => text.replace(/\D/g, '');

const GONE = '[erased]';

/** What stands before the address stays. */
const without = (text: string, find: RegExp): string =>
  text.replace(find, (_match: string, ...rest: unknown[]) => {
    const edges = rest.slice(
      0,
      rest.findIndex((one) => typeof one === 'number'),
    );
    return `${(edges as (string | undefined)[]).find((edge) => edge !== undefined) ?? ''}${GONE}`;
  });

/** The value without the person: in texts and names the address goes, a number that is one becomes null. */
export function scrub(value: unknown, pattern: RegExp): unknown {
  if (typeof value === 'string') return without(value, pattern);
  if (typeof value === 'number') return String(value).search(pattern) < 0 ? value : null;
  if (Array.isArray(value)) return value.map((one) => scrub(one, pattern));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [without(name, pattern), scrub(one, pattern)]));
}
