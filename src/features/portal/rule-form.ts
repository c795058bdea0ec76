/**
 * Conditions of a routing rule as people read and write them: a list of rows, joined by all or any. What is nested deeper is
 * written as JSON, in the very form the API takes. Pure.
 */
import type { Faults, Fields } from './forms.ts';
import type { Rule } from './ports.ts';

type Conditions = Rule['conditions'];
type Leaf = Readonly<Record<string, readonly string[]>>;

/** What can be asked for, and how a sentence begins that says it. */
export const PROPERTIES: readonly { readonly property: string; readonly label: string; readonly says: string }[] = [
  { property: 'event_type', label: 'Event', says: 'the event is' },
  { property: 'channel', label: 'Channel', says: 'the channel is' },
  { property: 'message_type', label: 'Kind of message', says: 'the message is' },
  { property: 'sender', label: 'Sender begins with (@: ends with)', says: 'the sender is' },
  { property: 'keyword', label: 'Text has the word', says: 'the text has the word' },
  { property: 'regex', label: 'Text matches the pattern', says: 'the text matches' },
];
const ROWS_MAX = 10;
const BLANK = 2;
const ROWS_MIN = 4;

const partsOf = (conditions: Conditions) => {
  const join = 'any' in conditions ? 'any' : 'all';
  return { join, parts: (conditions[join] ?? []) as unknown as readonly Leaf[] } as const;
};
const isGroup = (part: Leaf): boolean => 'all' in part || 'any' in part;

/** Whether rows can say it, each in one line. */
export const isFlat = (conditions: Conditions): boolean =>
  partsOf(conditions).parts.every((part) => {
    const [[property, values] = ['', []]] = Object.entries(part);
    if (isGroup(part)) return false;
    return property === 'regex' ? values.length === 1 : !values.some((value) => value.includes(','));
  });

/** `the channel is sms, and the text has the word refund or return`. */
export function sentenceOf(conditions: Conditions): string {
  const { join, parts } = partsOf(conditions);
  if (parts.length === 0) return 'always';
  return parts
    .map((part) => (isGroup(part) ? `(${sentenceOf(part as Conditions)})` : leafWords(part)))
    .join(join === 'all' ? ', and ' : ', or ');
}

export function leafWords(leaf: Leaf): string {
  const [[property, values] = ['', []]] = Object.entries(leaf);
  return `${PROPERTIES.find((known) => known.property === property)?.says ?? property} ${values.join(' or ')}`;
}

interface Typed {
  readonly property: string;
  readonly value: string;
}

const typedRows = (fields: Fields): readonly Typed[] =>
  Array.from({ length: ROWS_MAX }, (_, n) => ({
    property: fields[`property_${n}`] ?? '',
    value: fields[`value_${n}`]?.trim() ?? '',
  })).filter(({ property, value }) => property !== '' || value !== '');

/** What was typed, else what is kept. Filled rows come first, so that the n-th condition is the n-th row. */
export function drawConditions(conditions: Conditions, typed: Fields | undefined) {
  const { join, parts } = partsOf(conditions);
  const filled =
    typed !== undefined
      ? typedRows(typed)
      : parts.map((part): Typed => {
          const [[property, values] = ['', []]] = Object.entries(part);
          return { property, value: values.join(', ') };
        });
  const count = Math.min(ROWS_MAX, Math.max(ROWS_MIN, filled.length + BLANK));
  return {
    any: (typed?.join ?? join) === 'any',
    rows: Array.from({ length: count }, (_, n) => ({
      name: `value_${n}`,
      select: `property_${n}`,
      number: n + 1,
      value: filled[n]?.value ?? '',
      options: PROPERTIES.map(({ property, label }) => ({
        property,
        label,
        chosen: property === filled[n]?.property,
      })),
    })),
    json: typed?.conditions ?? JSON.stringify(conditions, null, 2),
  };
}

/** Rows or JSON, as the API wants them. A pattern may hold commas, so it is one to a row. */
export function readConditions(fields: Fields): { readonly conditions: unknown } | { readonly faults: Faults } {
  if (fields.conditions !== undefined)
    try {
      return { conditions: JSON.parse(fields.conditions) };
    } catch {
      return {
        faults: { fields: { conditions: 'This is not JSON yet. Look for a missing quote, comma or bracket.' } },
      };
    }
  const rows = typedRows(fields);
  const faults = Object.fromEntries(
    rows.flatMap(({ property, value }, n): [string, string][] =>
      property === ''
        ? [[`value_${n}`, 'Choose what this is compared with.']]
        : value === ''
          ? [[`value_${n}`, 'Write what it is to be.']]
          : [],
    ),
  );
  if (Object.keys(faults).length > 0) return { faults: { fields: faults } };
  const parts = rows.map(({ property, value }) => ({
    [property]: property === 'regex' ? [value] : value.split(',').flatMap((word) => word.trim() || []),
  }));
  // None: always. There is nothing that any of nothing could be.
  return { conditions: { [fields.join === 'any' && parts.length > 0 ? 'any' : 'all']: parts } };
}

/** The input a refusal is about. */
export function ruleInput(path: string): string | undefined {
  const [, row] = /^conditions\.(?:all|any)\.(\d+)/.exec(path) ?? [];
  if (row !== undefined) return `value_${row}`;
  if (path.startsWith('conditions')) return 'conditions';
  if (path.startsWith('targets')) return 'targets';
  return ['name', 'priority'].find((name) => name === path);
}
