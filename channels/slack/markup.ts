/**
 * Slack's three control characters. `<!channel>` pings a room and `<https://…|text>` hides an address, so a value from
 * outside must never bring its own angle brackets. Source: Slack, formatting text for app surfaces, read 2026-08.
 */
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

export const escapeText = (text: string): string => text.replace(/[&<>]/g, (sign) => ENTITIES[sign] ?? sign);

const unescapeText = (text: string): string => text.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');

/** `<https://example.com|our page>` as `our page`, `<!here>` as `@here`, and the entities as what they stand for. */
export const readable = (markup: string): string =>
  unescapeText(
    markup.replace(/<([^<>|]*)(?:\|([^<>]*))?>/g, (_, target: string, label?: string) =>
      label ? label : target.replace(/^!/, '@'),
    ),
  );
