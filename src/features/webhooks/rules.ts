/**
 * Routing rules, as they judge: in comes what an event is about, out come the endpoints it goes to, or, for people, what each
 * condition has found. Patterns of tenants take a time that grows with the text alone, their size and the text are bounded,
 * and what they cost together is bounded for each tenant. Pure.
 */
import { RE2JS } from 're2js';
import type { FieldFault } from '../../lib/schema.ts';
import type { Conditions, Leaf } from './rules-schema.ts';

/** What of an event a rule may ask for. */
export interface Facts {
  readonly event_type: string;
  readonly channel?: string;
  /** `text`, `image`, `button`, … of a message that came in. */
  readonly message_type?: string;
  /** Address of who has written to us. */
  readonly sender?: string;
  readonly text?: string;
}

export interface Finding {
  /** Where it stands: `all.0.any.1`. */
  readonly path: string;
  readonly condition: Leaf;
  /** What it was compared with; null: the event has nothing of the kind. */
  readonly found: string | null;
  readonly matches: boolean;
}

export interface Judged {
  readonly conditions: Conditions;
  readonly targets: readonly string[];
  readonly enabled: boolean;
  readonly stop: boolean;
}

export interface Rule<R extends Judged = Judged> {
  readonly row: R;
  readonly cost: number;
  matches(facts: Facts): boolean;
  explain(facts: Facts): readonly Finding[];
}

/** Characters of a text that are looked at. */
export const LOOKED_AT = 4_000;
/**
 * What a rule may cost, and all that a tenant has switched on: instructions of its patterns, and one for each keyword. Each
 * takes up to 0.2 µs for each character, so the longest that others wait for a rule is a sixth of a second.
 */
export const RULE_MOST = 200;
export const RULES_MOST = 1_000;

interface Test {
  readonly cost?: number;
  holds(found: string): boolean;
}
type Fault = (message: string) => void;

const exactly =
  (same: (found: string) => readonly string[]) =>
  (words: readonly string[]): Test => {
    const wanted = new Set(words);
    return { holds: (found) => same(found).some((one) => wanted.has(one)) };
  };

/** The kinds of what a person chooses, under the one name that WhatsApp has for them. */
const CHOICES = new Set(['button', 'list', 'form']);

const KINDS: { readonly [K in keyof Leaf]-?: (words: readonly string[], fault: Fault) => Test } = {
  event_type: exactly((type) => [type, `${type.split('.')[0]}.*`]),
  channel: exactly((channel) => [channel]),
  message_type: exactly((kind) => (CHOICES.has(kind) ? [kind, 'interactive'] : [kind])),
  sender(words) {
    const [ends, starts] = [
      words.filter((word) => word.startsWith('@')),
      words.filter((word) => !word.startsWith('@')),
    ];
    const [suffixes, prefixes] = [ends.map((word) => word.toLowerCase()), starts.map(plainAddress).filter(Boolean)];
    return {
      holds: (found) =>
        suffixes.some((suffix) => found.toLowerCase().endsWith(suffix)) ||
        prefixes.some((prefix) => plainAddress(found).startsWith(prefix)),
    };
  },
  keyword(words) {
    const wanted = words.map(folded);
    return {
      cost: words.length,
      holds(found) {
        // What is one sign may be many when it is written out.
        const text = folded(found).slice(0, LOOKED_AT);
        return wanted.some((word) => hasWord(text, word));
      },
    };
  },
  regex(words, fault) {
    const compiled: RE2JS[] = [];
    let cost = 0;
    for (const word of words) {
      // Too much already, which whoever adds it up will say; or wrong, and then the rest does not matter.
      if (cost > RULE_MOST) break;
      const pattern = compile(word, fault);
      if (!pattern) break;
      compiled.push(pattern);
      cost += pattern.programSize();
    }
    return {
      cost,
      holds: (found) => compiled.some((pattern) => pattern.matcher(found).find()),
    };
  },
};

const TOKENS = /\\[\s\S]|\[(?:\\.|[^\]\\])*\]|[()]|\{(\d{1,9})(?:,(\d{0,9}))?\}|[\s\S]/g;
const GROWN_MOST = 2_000;

/** What a pattern grows to when it is compiled, about: each repetition writes out what it repeats. */
function grown(pattern: string): number {
  const groups = [0];
  let last = 0;
  for (const [token, from, to] of pattern.matchAll(TOKENS)) {
    if (token === '(') {
      groups.push(0);
      last = 0;
      continue;
    }
    const times = from === undefined ? 1 : Math.max(1, Number(to || from));
    const more =
      token === ')' && groups.length > 1 ? (groups.pop() as number) : from === undefined ? 1 : last * (times - 1);
    last = from === undefined ? more : last * times;
    groups[groups.length - 1] = (groups.at(-1) as number) + more;
  }
  return groups.reduce((sum, group) => sum + group, 0);
}

function compile(word: string, fault: Fault): RE2JS | undefined {
  try {
    // Before it is compiled, which takes as long as it is large.
    const pattern = grown(word) > GROWN_MOST ? undefined : RE2JS.compile(word);
    if (pattern && pattern.programSize() <= RULE_MOST) return pattern;
    fault('is too large; a repetition such as {1,500} is what makes it so');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    fault(`is not a regular expression that is taken (RE2, without look-around and back-references): ${reason}`);
  }
  return undefined;
}

/** Telephone numbers however they are written; other addresses without regard to case. */
const plainAddress = (address: string): string =>
  /^[+\d\s().-]+$/.test(address) ? address.replace(/[^\d]/g, '') : address.toLowerCase();

const folded = (text: string): string => text.normalize('NFKC').toLowerCase();
const IN_WORDS = /[\p{L}\p{M}\p{N}_]/u;
/** Scripts that put no space between words: there a word has no end to look for. */
const UNSPACED = /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}]/u;
const belongs = (character: string): boolean => IN_WORDS.test(character) && !UNSPACED.test(character);

function hasWord(text: string, word: string): boolean {
  const [first = '', last = ''] = [[...word][0], [...word].at(-1)];
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const before = [...text.slice(Math.max(0, at - 2), at)].at(-1) ?? '';
    const [after = ''] = text.slice(at + word.length, at + word.length + 2);
    if (!(belongs(first) && belongs(before)) && !(belongs(last) && belongs(after))) return true;
  }
  return false;
}

const factFor = (facts: Facts, kind: keyof Leaf): string | undefined =>
  kind === 'keyword' || kind === 'regex' ? facts.text?.slice(0, LOOKED_AT) : facts[kind];

interface Node {
  readonly leaves: readonly {
    readonly path: string;
    readonly leaf: Leaf;
    readonly kind: keyof Leaf;
    readonly test: Test;
  }[];
  holds(facts: Facts): boolean;
}

/** Every fault is told; what cannot be compiled matches nothing. */
function nodeOf(value: Conditions | Leaf, path: string, faults: FieldFault[]): Node {
  const at = (name: string | number) => (path ? `${path}.${name}` : String(name));
  const [[name, items] = ['all', []]] = Object.entries(value) as [string, readonly (Leaf | string)[]][];
  if (name === 'all' || name === 'any') {
    const nodes = items.map((item, index) => nodeOf(item as Leaf, `${at(name)}.${index}`, faults));
    return {
      leaves: nodes.flatMap(({ leaves }) => leaves),
      holds: (facts) =>
        name === 'all' ? nodes.every((node) => node.holds(facts)) : nodes.some((node) => node.holds(facts)),
    };
  }
  const kind = name as keyof Leaf;
  const test = KINDS[kind](items as readonly string[], (message) => faults.push({ path: at(name), message }));
  return {
    leaves: [{ path, leaf: value as Leaf, kind, test }],
    holds(facts) {
      const found = factFor(facts, kind);
      return found !== undefined && test.holds(found);
    },
  };
}

/** `faults` is told what of it cannot match, with paths below `conditions`. */
export function compileRule<R extends Judged>(row: R, faults: FieldFault[] = []): Rule<R> {
  const { leaves, holds } = nodeOf(row.conditions, '', faults);
  return {
    row,
    cost: leaves.reduce((sum, { test }) => sum + (test.cost ?? 0), 0),
    matches: holds,
    explain: (facts) =>
      leaves.map(({ path, leaf, kind, test }) => {
        const found = factFor(facts, kind);
        return { path, condition: leaf, found: found ?? null, matches: found !== undefined && test.holds(found) };
      }),
  };
}

/** Where events with these facts go: one rule after the other, until one says that this is the end. Others take turns in between. */
export async function targetsOf(
  rules: readonly Rule[],
  all: readonly Facts[],
  breathe: () => Promise<void> | undefined,
): Promise<ReadonlySet<string>> {
  const targets = new Set<string>();
  for (const facts of all)
    for (const { row, matches } of rules) {
      if (!row.enabled) continue;
      await breathe();
      if (!matches(facts)) continue;
      for (const target of row.targets) targets.add(target);
      if (row.stop) break;
    }
  return targets;
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** Of an event as the feed has it: `message.received` says who has written what. */
export function factsOf({
  type,
  data,
}: {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}): Facts {
  const content = (typeof data.content === 'object' && data.content !== null ? data.content : {}) as Record<
    string,
    unknown
  >;
  const facts = {
    channel: textOf(data.channel),
    message_type: textOf(content.kind),
    sender: textOf(data.from),
    text: textOf(content.text),
  };
  return { event_type: type, ...Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) };
}
