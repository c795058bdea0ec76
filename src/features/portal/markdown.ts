/**
 * The small Markdown of the channels' set-up guides: headings, lists, paragraphs, code, bold, emphasis, links. Everything
 * is escaped before a tag is written, so a guide of a stranger's plugin is words and nothing else. Pure, and total.
 */
import Handlebars from 'handlebars';

const plain = (text: string) => Handlebars.escapeExpression(text);

/** Markup for a guide. Headings become h3, so that they sit under the page's own. */
export function markdown(text: string): string {
  const out: string[] = [];
  for (const block of text.replaceAll('\r\n', '\n').split(/\n{2,}/)) {
    if (block.trim() === '') continue;
    if (block.startsWith('```')) {
      out.push(`<pre tabindex="0">${plain(block.replace(/^```\w*\n?|\n?```$/g, ''))}</pre>`);
      continue;
    }
    out.push(...piece(block.split('\n')));
  }
  return out.join('\n');
}

function piece(lines: readonly string[]): readonly string[] {
  const out: string[] = [];
  let kind: 'ol' | 'ul' | 'p' | undefined;
  let items: string[] = [];
  const close = () => {
    if (kind === 'p') out.push(`<p>${inline(items.join(' '))}</p>`);
    else if (kind) out.push(`<${kind}>${items.map((item) => `<li>${inline(item)}</li>`).join('')}</${kind}>`);
    kind = undefined;
    items = [];
  };
  for (const line of lines) {
    const heading = /^#{1,4}\s+(.*)$/.exec(line);
    const ordered = /^\s*\d+[.)]\s+(.*)$/.exec(line);
    const bullet = /^\s*[-*]\s+(.*)$/.exec(line);
    const begins = ordered ? 'ol' : bullet ? 'ul' : undefined;
    if (heading) {
      close();
      out.push(`<h3>${inline(heading[1] ?? '')}</h3>`);
    } else if (begins) {
      if (kind !== begins) close();
      kind = begins;
      items.push((ordered ?? bullet)?.[1] ?? '');
    } else if (kind) items.push(`${items.pop() ?? ''} ${line.trim()}`.trim());
    else {
      kind = 'p';
      items = [line.trim()];
    }
  }
  close();
  return out;
}

/** Code first, so that nothing inside it is read as markup. */
function inline(text: string): string {
  return text
    .split(/(`[^`]+`)/)
    .map((part) =>
      part.startsWith('`') && part.endsWith('`') && part.length > 2
        ? `<code>${plain(part.slice(1, -1))}</code>`
        : plain(part)
            .replace(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>')
            .replace(/\*([^*\s][^*]*)\*/g, '<em>$1</em>')
            .replace(/\[([^\]]+)\]\((https:\/\/[^\s)]+)\)/g, '<a href="$2" rel="noopener noreferrer">$1</a>'),
    )
    .join('');
}
