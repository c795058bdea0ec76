/** The words of an HTML mail that brought no plain text. One pass over the signs, so that no mail is slow to read. */

const HIDDEN = ['style', 'script', 'head', 'title', 'template'];
const BREAKS = ['br', 'p', 'div', 'tr', 'li', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'blockquote', 'table'];
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

export function textOf(html: string): string {
  const pieces: string[] = [];
  let hidden: string | undefined;
  for (let from = 0; from < html.length; ) {
    const open = html.indexOf('<', from);
    if (!hidden) pieces.push(html.slice(from, open < 0 ? undefined : open));
    const close = open < 0 ? -1 : html.indexOf('>', open);
    if (close < 0) break;
    from = close + 1;
    const [, end, given = ''] = /^<(\/?)([a-z0-9]*)/i.exec(html.slice(open, open + 16)) ?? [];
    const name = given.toLowerCase();
    if (hidden) hidden = end && name === hidden ? undefined : hidden;
    else if (!end && HIDDEN.includes(name)) hidden = name;
    else if (BREAKS.includes(name)) pieces.push('\n');
  }
  return pieces
    .join('')
    .replace(/&(#\d{1,7}|[a-z]{2,6});/gi, (whole, name: string) => character(name) ?? whole)
    .split('\n')
    .map((line) => line.trim())
    .filter((line, i, lines) => line !== '' || lines[i - 1] !== '')
    .join('\n')
    .trim();
}

function character(name: string): string | undefined {
  if (!name.startsWith('#')) return ENTITIES[name.toLowerCase()];
  const code = Number(name.slice(1));
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}
