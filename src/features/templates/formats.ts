/**
 * The words a template may use on a value: `{{upper name}}`, `{{date at "long"}}`, `{{currency total "EUR"}}`. Pure, with
 * the language stated; what they cannot do to a value they say as a `FormatError`, in words that follow the value's name.
 */
import type { Scalar, VariableKind } from './door.ts';

/** `must be a number, …`: the renderer puts the name of the value before it. */
export class FormatError extends Error {}

export interface Helper {
  /** How it is written, for error texts. */
  readonly usage: string;
  /** Least and most values it takes. */
  readonly values: readonly [number, number];
  /** Names it takes as `name=value`. */
  readonly options: readonly string[];
  /** What its first value is. */
  readonly kind: VariableKind;
  /** Its values may be missing. */
  readonly tolerant?: boolean;
  run(values: readonly unknown[], options: Readonly<Record<string, unknown>>, language: string): Scalar;
}

const PLURALS = ['zero', 'one', 'two', 'few', 'many', 'other'];
const DATE_STYLES = ['short', 'medium', 'long', 'full'];
const NUMBER = /^-?\d{1,30}(\.\d{1,20})?$/;
const ISO = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;

export const HELPERS: ReadonlyMap<string, Helper> = new Map<string, Helper>([
  ['upper', words('upper', (text, language) => text.toLocaleUpperCase(tag(language)))],
  ['lower', words('lower', (text, language) => text.toLocaleLowerCase(tag(language)))],
  ['spell', words('spell', (text) => [...text].join(', '))],
  ['trim', words('trim', (text) => text.trim())],
  [
    'default',
    {
      usage: '{{default name "there"}}',
      values: [2, 2],
      options: [],
      kind: 'text',
      tolerant: true,
      run: ([value, fallback]) => scalar(value === undefined || value === '' ? fallback : value),
    },
  ],
  [
    'eq',
    {
      usage: '{{#if (eq plan "pro")}}',
      values: [2, 2],
      options: [],
      kind: 'text',
      tolerant: true,
      run: ([left, right]) => left !== undefined && right !== undefined && String(left) === String(right),
    },
  ],
  [
    'number',
    {
      usage: '{{number amount digits=2}}',
      values: [1, 1],
      options: ['digits'],
      kind: 'number',
      run: ([value], { digits }, language) => numbered(value, language, '', digits),
    },
  ],
  [
    'currency',
    {
      usage: '{{currency amount "EUR"}}',
      values: [2, 2],
      options: ['digits'],
      kind: 'number',
      run([value, code], { digits }, language) {
        if (typeof code !== 'string' || !/^[A-Z]{3}$/.test(code))
          throw new FormatError('needs a currency of three capital letters after it, such as "EUR"');
        return numbered(value, language, code, digits);
      },
    },
  ],
  [
    'date',
    {
      usage: '{{date at "long" time="short" zone="Europe/Berlin"}}',
      values: [1, 2],
      options: ['time', 'zone'],
      kind: 'date',
      run: date,
    },
  ],
  [
    'plural',
    {
      usage: '{{plural count one="1 item" other="# items"}}',
      values: [1, 1],
      options: PLURALS,
      kind: 'number',
      run: plural,
    },
  ],
]);

function words(name: string, change: (text: string, language: string) => string): Helper {
  return {
    usage: `{{${name} name}}`,
    values: [1, 1],
    options: [],
    kind: 'text',
    run: ([value], _, language) => change(String(scalar(value)), language),
  };
}

function date(
  [value, style = 'medium']: readonly unknown[],
  { time, zone }: Readonly<Record<string, unknown>>,
  language: string,
): string {
  const moment = typeof value === 'string' && ISO.test(value) ? new Date(value) : undefined;
  if (!moment || Number.isNaN(moment.getTime()))
    throw new FormatError('must be a date, written 2026-08-01 or 2026-08-01T09:30:00Z');
  for (const given of [style, time])
    if (given !== undefined && !DATE_STYLES.includes(given as string))
      throw new FormatError(`is shown in a style that does not exist; choose ${DATE_STYLES.join(', ')}`);
  // A day without an hour is that day everywhere.
  const timeZone = zone === undefined || String(value).length === 10 ? 'UTC' : String(zone);
  const format = cached(`date ${language} ${style} ${time} ${timeZone}`, () => {
    try {
      return new Intl.DateTimeFormat(tag(language), {
        dateStyle: style as 'medium',
        ...(time === undefined ? {} : { timeStyle: time as 'short' }),
        timeZone,
      });
    } catch {
      throw new FormatError('is shown in a time zone that does not exist; write one like "Europe/Berlin"');
    }
  });
  return plain(format.format(moment));
}

function plural([value]: readonly unknown[], forms: Readonly<Record<string, unknown>>, language: string): string {
  const count = amount(value);
  const rule = cached(`plural ${language}`, () => new Intl.PluralRules(tag(language))).select(Number(count));
  const form = forms[rule] ?? forms.other;
  if (form === undefined) throw new FormatError('needs other="…" after it, for every count without a form of its own');
  return String(scalar(form)).replaceAll('#', () => numbered(count, language, '', undefined));
}

/** Text stays text, so that no digit is lost on the way to the formatter. */
function amount(value: unknown): number | string {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value === 'string' && NUMBER.test(value)) return value;
  throw new FormatError('must be a number, such as 12 or "12.50"');
}

export function scalar(value: unknown): Scalar {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  throw new FormatError('must be a text, a number or a boolean');
}

const numbered = (value: unknown, language: string, currency: string, digits: unknown): string =>
  plain(numberFormat(language, currency, digits).format(amount(value) as number));

/** The narrow and unbreakable spaces of the platform's formats would double the price of a text message. */
const plain = (text: string): string => text.replace(/[\u00a0\u202f]/g, ' ');

function numberFormat(language: string, currency: string, digits: unknown): Intl.NumberFormat {
  if (digits !== undefined && !(Number.isInteger(digits) && Number(digits) >= 0 && Number(digits) <= 20))
    throw new FormatError('is shown with a number of digits that does not exist; choose 0 to 20');
  return cached(
    `number ${language} ${currency} ${digits}`,
    () =>
      new Intl.NumberFormat(tag(language), {
        ...(currency ? { style: 'currency', currency } : {}),
        ...(digits === undefined
          ? {}
          : { minimumFractionDigits: Number(digits), maximumFractionDigits: Number(digits) }),
      }),
  );
}

/** Making a formatter costs a hundred times what using it does. */
const formatters = new Map<string, unknown>();
const FORMATTERS_MAX = 500;
function cached<T>(key: string, make: () => T): T {
  const known = formatters.get(key);
  if (known !== undefined) return known as T;
  const made = make();
  if (formatters.size >= FORMATTERS_MAX) formatters.clear();
  formatters.set(key, made);
  return made;
}

/** `pt_BR` as the platform writes it; a name it does not know falls back to English. */
function tag(language: string): string {
  try {
    return Intl.getCanonicalLocales(language.replaceAll('_', '-'))[0] ?? 'en';
  } catch {
    return 'en';
  }
}
