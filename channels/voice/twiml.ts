/** The document that tells the provider what to say. Everything from outside is escaped, so a text can never become a command. */
export interface Speech {
  readonly text: string;
  readonly voice?: string;
  readonly language?: string;
  readonly loop?: number;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** XML 1.0 has no place for control characters and lone surrogates, not even as references; they are left out. */
export const escapeXml = (text: string): string =>
  text
    .replace(/[\ud800-\udfff]/gu, '')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones XML forbids
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
    .replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);

export function say({ text, voice, language, loop }: Speech): string {
  const attributes = Object.entries({ voice, language, loop })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}="${escapeXml(String(value))}"`);
  return `<?xml version="1.0" encoding="UTF-8"?><Response><Say${attributes.join('')}>${escapeXml(text)}</Say></Response>`;
}
