/** Which rule answers a message. Pure. */
import type { Word } from '../suppressions/index.ts';

export interface Rule {
  readonly id: string;
  readonly trigger: 'keyword' | 'default' | Word;
  readonly keywords: readonly string[];
  readonly match: 'exact' | 'contains';
  readonly channel: string | null;
  readonly connectionId: string | null;
}

export interface Said {
  readonly channel: string;
  readonly connectionId: string;
  readonly kind: string;
  readonly text?: string | undefined;
  /** What the provider made of it: then the provider has answered, too. */
  readonly word?: Word | undefined;
}

/** They are about another message, and nobody waits for an answer. */
const QUIET: ReadonlySet<string> = new Set(['reaction', 'edit', 'revoke', 'system']);

/** The first of `rules`, which are in their order. `word`: what the message is, if it is STOP, START or HELP and nothing else. */
export function ruleFor<R extends Rule>(rules: readonly R[], said: Said, word: Word | undefined): R | undefined {
  if (QUIET.has(said.kind) || said.word) return undefined;
  const here = rules.filter(
    ({ channel, connectionId }) =>
      (channel === null || channel === said.channel) && (connectionId === null || connectionId === said.connectionId),
  );
  if (word) return here.find(({ trigger }) => trigger === word);
  const text = plain(said.text ?? '');
  return (
    here.find(
      ({ trigger, keywords, match }) => trigger === 'keyword' && keywords.some((one) => fits(text, one, match)),
    ) ?? here.find(({ trigger }) => trigger === 'default')
  );
}

const plain = (text: string): string => text.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();
const LETTER = /[\p{L}\p{N}\p{M}]/u;

function fits(text: string, keyword: string, match: Rule['match']): boolean {
  const wanted = plain(keyword);
  if (match === 'exact') return text === wanted;
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    const [before = '', after = ''] = [text[at - 1], text[at + wanted.length]];
    if (!LETTER.test(before) && !LETTER.test(after)) return true;
  }
  return false;
}
