/** The message as it looks in a Slack window, reduced to the few shapes the portal draws. Pure, and total. */
import { at, listAt, type Preview, type PreviewBlock, textAt } from '../../src/channel-kit/index.ts';
import type { SlackContent } from './index.ts';
import { readable } from './markup.ts';

export function preview({ body, text, blocks }: SlackContent): Preview {
  const words = body ?? (text === undefined ? '' : readable(text));
  return { kind: 'blocks', text: words, ...(blocks ? { blocks: blocks.map(drawn) } : {}) };
}

const words = (value: unknown, ...path: readonly (string | number)[]) => readable(textAt(value, ...path) ?? '');

function drawn(block: unknown): PreviewBlock {
  switch (textAt(block, 'type')) {
    case 'header':
      return { kind: 'header', text: words(block, 'text', 'text') };
    case 'divider':
      return { kind: 'divider' };
    case 'image':
      return { kind: 'image', text: words(block, 'alt_text') };
    case 'actions':
      return { kind: 'buttons', items: listAt(block, 'elements').map((e) => words(e, 'text', 'text')) };
    case 'context':
      return { kind: 'context', items: listAt(block, 'elements').map((e) => words(e, 'text') || words(e, 'alt_text')) };
    case 'section':
      return at(block, 'fields') === undefined
        ? { kind: 'text', text: words(block, 'text', 'text') }
        : {
            kind: 'fields',
            text: words(block, 'text', 'text'),
            items: listAt(block, 'fields').map((f) => words(f, 'text')),
          };
    default:
      return { kind: 'text', text: `[${textAt(block, 'type') ?? 'block'}]` };
  }
}
