/**
 * Slack's three control characters. `<!channel>` pings a room and `<https://…|text>` hides an address, so a value from
 * outside must never bring its own angle brackets. Source: Slack, formatting text for app surfaces, read 2026-08.
 */
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

export const escapeText = (text: string): string => text.replace(/[&<>]/g, (sign) => ENTITIES[sign] ?? sign);

export const unescapeText = (text: string): string =>
  text.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');
