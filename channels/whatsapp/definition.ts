/**
 * The text of a template, read once: where values go, and what cannot be right.
 *
 * In comes the provider's `components` with `{{1}}` or `{{name}}` in its texts; out comes a list of slots, one for each
 * component that takes values, in reading order. Throws `ContentError` with the place of the mistake.
 * Source: Cloud API, template components and message templates, read 2026-08.
 */
import { ContentError } from '../../src/channel-kit/index.ts';
import type { Definition, DefinitionComponent } from './content.ts';

/** One component of the message that takes values. */
export interface Slot {
  readonly type: 'header' | 'body' | 'button';
  /** Of a button: its position among all buttons, and how its value is written. */
  readonly index?: number;
  readonly subType?: 'url' | 'copy_code';
  /** A header whose value is a file or a place. Its value cannot be derived from the text. */
  readonly media?: 'image' | 'video' | 'document' | 'location';
  /** Distinct placeholders in order of appearance: variable names, or `1`, `2`, …. */
  readonly names: readonly string[];
  /** Where it is written, as a JSON pointer within the content. */
  readonly path: string;
}

export interface Outline {
  readonly slots: readonly Slot[];
  readonly named: boolean;
  /** Texts have `{{1}}`, not `{{name}}`. */
  readonly numbered: boolean;
}

const PLACEHOLDER = /\{\{([^{}]*)\}\}/g;
const NUMBER = /^[1-9]\d?$/;
const NAME = /^[A-Za-z_][A-Za-z0-9_.]*$/;
const LIMITS: Readonly<Record<string, number>> = { HEADER: 60, BODY: 1_024, FOOTER: 60 };
const MEDIA = { IMAGE: 'image', VIDEO: 'video', DOCUMENT: 'document', LOCATION: 'location' } as const;
/** One-time passwords and coupons have no placeholder in the text; these variables fill them. */
export const CODE_VARIABLE = 'code';
export const COUPON_VARIABLE = 'coupon_code';

/** Distinct placeholders in order of appearance. */
export function placeholders(text: string): string[] {
  return [...new Set(Array.from(text.matchAll(PLACEHOLDER), (match) => (match[1] ?? '').trim()))];
}

/** The text with each placeholder replaced. */
export function fill(text: string, value: (name: string) => string): string {
  return text.replace(PLACEHOLDER, (_, name: string) => value(name.trim()));
}

export function outline(definition: Definition): Outline {
  const slots: Slot[] = [];
  const seen = new Set<string>();
  const isCode = definition.components.some((c) => c.buttons?.some((b) => upper(b.type) === 'OTP'));
  for (const [position, component] of definition.components.entries()) {
    const path = `/definition/components/${position}`;
    const type = upper(component.type);
    if (!['HEADER', 'BODY', 'FOOTER', 'BUTTONS'].includes(type))
      throw new ContentError(`${path}/type`, `${component.type} is not HEADER, BODY, FOOTER or BUTTONS.`);
    if (seen.has(type)) throw new ContentError(path, `A template has one ${type}, this one has two.`);
    seen.add(type);
    slots.push(...componentSlots(type, component, path, isCode));
  }
  if (!seen.has('BODY')) throw new ContentError('/definition/components', 'A template needs a BODY.');
  slots.sort((a, b) => ORDER[a.type] - ORDER[b.type] || (a.index ?? 0) - (b.index ?? 0));
  return { slots, ...style(slots, definition) };
}

const ORDER = { header: 0, body: 1, button: 2 } as const;
const upper = (word: string) => word.toUpperCase();

function componentSlots(type: string, component: DefinitionComponent, path: string, isCode: boolean): Slot[] {
  if (type === 'BUTTONS') return buttonSlots(component, path);
  const media = type === 'HEADER' ? MEDIA[upper(component.format ?? 'TEXT') as keyof typeof MEDIA] : undefined;
  if (media) return [{ type: 'header', media, names: [], path }];
  if (type === 'BODY' && isCode) return [{ type: 'body', names: [CODE_VARIABLE], path }];
  if (type === 'FOOTER' && isCode) return [];
  const text = component.text ?? '';
  checkText(type, text, `${path}/text`);
  const names = placeholders(text);
  if (type === 'FOOTER' && names.length > 0)
    throw new ContentError(`${path}/text`, 'A footer takes no variables. Move them into the body.');
  if (type === 'HEADER' && names.length > 1)
    throw new ContentError(`${path}/text`, `A header takes one variable, this one has ${names.length}.`);
  return names.length > 0 ? [{ type: type === 'HEADER' ? 'header' : 'body', names, path: `${path}/text` }] : [];
}

function checkText(type: string, text: string, path: string): void {
  const max = LIMITS[type] ?? 0;
  if (!text.trim()) throw new ContentError(path, `The ${type} has no text.`);
  if (text.length > max) throw new ContentError(path, `The ${type} has ${text.length} characters; ${max} are allowed.`);
  if (/\}\}\{\{/.test(text))
    throw new ContentError(path, 'Two variables touch each other. Put a word or a sign between them.');
  const broken = text.replace(PLACEHOLDER, '').match(/\{\{|\}\}/);
  if (broken) throw new ContentError(path, `${broken[0]} has no counterpart. A variable is written {{name}}.`);
}

function buttonSlots(component: DefinitionComponent, path: string): Slot[] {
  const buttons = component.buttons ?? [];
  const types = buttons.map((button) => upper(button.type));
  const most: readonly (readonly [string, number])[] = [
    ['URL', 2],
    ['PHONE_NUMBER', 1],
    ['COPY_CODE', 1],
    ['OTP', 1],
  ];
  for (const [type, max] of most)
    if (types.filter((t) => t === type).length > max)
      throw new ContentError(`${path}/buttons`, `A template has at most ${max} ${type} button${max > 1 ? 's' : ''}.`);
  const replies = types.map((t) => (t === 'QUICK_REPLY' ? 'q' : 'o')).join('');
  if (/qo+q/.test(replies))
    throw new ContentError(`${path}/buttons`, 'Quick replies must stand together, before or after the other buttons.');
  return buttons.flatMap((button, index) => buttonSlot(button, types[index] ?? '', index, `${path}/buttons/${index}`));
}

type Button = NonNullable<DefinitionComponent['buttons']>[number];

function buttonSlot(button: Button, type: string, index: number, path: string): Slot[] {
  if ((button.text?.length ?? 0) > 25) throw new ContentError(`${path}/text`, 'A button has at most 25 characters.');
  // The one-time password is sent twice, the second time as if the copy button were a link.
  if (type === 'OTP') return [{ type: 'button', index, subType: 'url', names: [CODE_VARIABLE], path }];
  if (type === 'COPY_CODE') return [{ type: 'button', index, subType: 'copy_code', names: [COUPON_VARIABLE], path }];
  if (type !== 'URL') return [];
  const url = button.url ?? '';
  const names = placeholders(url);
  if (names.length === 0) return [];
  if (names.length > 1 || !/\}\}$/.test(url))
    throw new ContentError(`${path}/url`, 'A link takes one variable, at its very end.');
  return [{ type: 'button', index, subType: 'url', names, path: `${path}/url` }];
}

/** Numbers or names, never both; numbers start at 1 and leave none out. */
function style(slots: readonly Slot[], definition: Definition): { named: boolean; numbered: boolean } {
  const named = upper(definition.parameter_format ?? 'POSITIONAL') === 'NAMED';
  const written = slots.filter((slot) => slot.path.endsWith('/text') || slot.path.endsWith('/url'));
  const numbered = written.some((slot) => slot.names.some((name) => NUMBER.test(name)));
  for (const { names, path } of written) {
    const wrong = names.find((name) => !(numbered ? NUMBER : NAME).test(name));
    if (wrong !== undefined)
      throw new ContentError(
        path,
        numbered ? `{{${wrong}}} stands among numbers. Use either.` : `{{${wrong}}} is not a variable.`,
      );
    if (numbered && names.some((_, i) => !names.includes(String(i + 1))))
      throw new ContentError(path, `Numbers run from {{1}} to {{${names.length}}} without a gap.`);
    const unfit = named && !numbered ? names.find((name) => !/^[a-z_]+$/.test(name)) : undefined;
    if (unfit)
      throw new ContentError(path, `{{${unfit}}}: named parameters have lower-case letters and underscores only.`);
  }
  if (named && numbered)
    throw new ContentError('/definition/parameter_format', 'The format is NAMED, but the texts have numbers.');
  return { named, numbered };
}
