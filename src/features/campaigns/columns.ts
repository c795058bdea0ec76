/** What the columns of a file may mean, what they probably mean by their names, and what is still missing. Pure. */
import type { AnyChannel } from '../../channel-kit/index.ts';
import type { Column } from '../bulks/index.ts';

/** One thing that a column may be. */
export interface Meaning {
  /** As a form writes it: `field:phone`, `data:name`. */
  readonly value: string;
  readonly kind: 'field' | 'data' | 'row';
  readonly label: string;
  /** Without it no row can be sent. */
  readonly required: boolean;
  /** Other names that columns of it have. */
  readonly also: readonly string[];
}

export interface Variable {
  readonly name: string;
  readonly required: boolean;
}

/** What people call columns of a kind, beside the names and labels of the fields and channels. Letters and digits only. */
const words = (text: string): readonly string[] => text.split(' ');
const MAIL = words('emailaddress mail mailaddress emailadresse correo courriel');
const PHONE = words(
  'phonenumber mobile mobilenumber mobilephone cell cellphone telephone tel msisdn number handy telefon telefonnummer movil',
);
const LANGUAGE = words('lang locale sprache');
const ZONE = words('timezone tz zone zeitzone');

/** In the order in which a form offers them: what must be there first. */
export function meaningsOf(
  channels: readonly AnyChannel[],
  fields: ReadonlySet<string>,
  variables: readonly Variable[],
): readonly Meaning[] {
  const recipient = new Map(
    channels.flatMap((channel) => channel.recipient.map((field) => [field.name, field] as const)),
  );
  const needed = new Set(
    channels.flatMap((channel) => channel.recipient.filter(({ required }) => required).map(({ name }) => name)),
  );
  return [
    ...[...recipient.values()].map(
      ({ name, label, type }): Meaning => ({
        value: `field:${name}`,
        kind: 'field',
        label,
        required: needed.has(name),
        also: [
          ...(type === 'phone' ? PHONE : []),
          ...(type === 'email' ? MAIL : []),
          ...channels.filter((channel) => channel.recipient[0]?.name === name).map((channel) => plain(channel.label)),
        ],
      }),
    ),
    ...variables.map(
      ({ name, required }): Meaning => ({ value: `data:${name}`, kind: 'data', label: name, required, also: [] }),
    ),
    ...OF_ROWS.filter(({ name }) => fields.has(name)).map(
      ({ name, label, also }): Meaning => ({ value: `field:${name}`, kind: 'row', label, required: false, also }),
    ),
  ];
}
const OF_ROWS = [
  { name: 'language', label: 'Language', also: LANGUAGE },
  { name: 'time_zone', label: 'Time zone', also: ZONE },
];

const plain = (text: string): string =>
  text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');

/** One meaning for each column, each at most once; '' where a name says nothing to us. */
export function guess(names: readonly string[], meanings: readonly Meaning[]): readonly string[] {
  const open = new Map<string, string>();
  const claim = (name: string, value: string): void => {
    if (name !== '' && !open.has(name)) open.set(name, value);
  };
  const bare = ({ value }: Meaning) => value.slice(value.indexOf(':') + 1);
  // A variable that is called like a field is rarer than a column that is the field.
  for (const meaning of meanings) claim(plain(bare(meaning)), meaning.value);
  for (const meaning of meanings) claim(plain(meaning.label), meaning.value);
  for (const meaning of meanings) claim(plain(`data.${bare(meaning)}`), meaning.value);
  for (const meaning of meanings) for (const name of meaning.also) claim(name, meaning.value);
  const given = new Set<string>();
  return names.map((name) => {
    const value = open.get(plain(name)) ?? '';
    if (value === '' || given.has(value)) return '';
    given.add(value);
    return value;
  });
}

/** As the bulks read them. A value that means nothing any more, such as a variable the template has lost, is not read. */
export const columnsOf = (values: readonly string[], meanings: readonly Meaning[]): (Column | undefined)[] =>
  values.map((value) => {
    if (!meanings.some((meaning) => meaning.value === value)) return undefined;
    const colon = value.indexOf(':');
    return { name: value.slice(colon + 1), variable: value.slice(0, colon) === 'data' };
  });

export const missing = (values: readonly string[], meanings: readonly Meaning[]): readonly Meaning[] =>
  meanings.filter(({ value, required }) => required && !values.includes(value));

/** Places of columns that were given a meaning another has already. */
export const doubled = (values: readonly string[]): readonly number[] =>
  values.flatMap((value, place) => (value !== '' && values.indexOf(value) < place ? [place] : []));
