/** How many parts a text costs, and in which alphabet. One character outside the GSM alphabet moves the whole text to UCS-2. */
import { createRequire } from 'node:module';

interface Split {
  readonly characterSet: 'GSM' | 'Unicode';
  readonly parts: readonly unknown[];
}
// A CommonJS module without types.
const { split } = createRequire(import.meta.url)('split-sms') as {
  split(text: string, options: { summary: boolean }): Split;
};

export function segments(text: string): { readonly segments: number; readonly encoding: 'GSM-7' | 'UCS-2' } {
  const { characterSet, parts } = split(text, { summary: true });
  return { segments: parts.length, encoding: characterSet === 'GSM' ? 'GSM-7' : 'UCS-2' };
}
