/** The bubble a person sees: the definition's text with the message's parameters in it. Pure, and total. */
import type { Preview } from '../../src/channel-kit/index.ts';
import type { Component, Definition, DefinitionComponent, Parameter, WhatsAppContent } from './content.ts';
import { fill, placeholders } from './definition.ts';

export function preview(content: WhatsAppContent): Preview {
  if (content.type === 'text') return { kind: 'bubble', text: content.text?.body ?? '' };
  const given = content.template?.components ?? [];
  if (!content.definition) return withoutText(content.template?.name ?? '', given);
  const { header, body, footer, buttons } = parts(content.definition);
  return {
    kind: 'bubble',
    ...optional('header', headerText(header, find(given, 'header'))),
    text: bodyText(body, find(given, 'body')),
    ...optional('footer', footer?.text ?? expiry(footer)),
    ...(buttons.length > 0
      ? { buttons: buttons.map((button) => button.text ?? LABELS[button.type.toUpperCase()] ?? '') }
      : {}),
  };
}

/** What the provider writes on buttons that have no text of their own. */
const LABELS: Readonly<Record<string, string>> = {
  OTP: 'Copy code',
  COPY_CODE: 'Copy offer code',
  CATALOG: 'View catalog',
};

const optional = <K extends string>(key: K, value: string | undefined) =>
  (value ? { [key]: value } : {}) as { readonly [P in K]?: string };
const find = (given: readonly Component[], type: Component['type']) =>
  given.find((c) => c.type === type)?.parameters ?? [];

function parts(definition: Definition) {
  const part = (type: string) => definition.components.find((c) => c.type.toUpperCase() === type);
  return {
    header: part('HEADER'),
    body: part('BODY'),
    footer: part('FOOTER'),
    buttons: part('BUTTONS')?.buttons ?? [],
  };
}

function headerText(header: DefinitionComponent | undefined, parameters: readonly Parameter[]): string | undefined {
  if (!header) return undefined;
  const first = parameters[0];
  const media = first?.image ?? first?.video ?? first?.document;
  if (media) return `[${first?.type}] ${media.filename ?? media.link ?? media.id ?? ''}`.trim();
  if (first?.location) return `[location] ${first.location.name ?? ''}`.trim();
  return header.text === undefined ? `[${(header.format ?? '').toLowerCase()}]` : filled(header.text, parameters);
}

/** A one-time password has no text in its definition; the provider writes it. */
function bodyText(body: DefinitionComponent | undefined, parameters: readonly Parameter[]): string {
  if (body?.text !== undefined) return filled(body.text, parameters);
  const code = parameters[0]?.text ?? '';
  const advice = body?.add_security_recommendation ? ' For your security, do not share this code.' : '';
  return `${code} is your verification code.${advice}`;
}

const expiry = (footer: DefinitionComponent | undefined) =>
  footer?.code_expiration_minutes ? `This code expires in ${footer.code_expiration_minutes} minutes.` : undefined;

function filled(text: string, parameters: readonly Parameter[]): string {
  const names = placeholders(text);
  return fill(text, (name) => {
    const position = /^\d+$/.test(name) ? Number(name) - 1 : names.indexOf(name);
    const parameter = parameters.find((p) => p.parameter_name === name) ?? parameters[position];
    return parameter ? shown(parameter) : `{{${name}}}`;
  });
}

const shown = (p: Parameter) =>
  p.text ?? p.currency?.fallback_value ?? p.date_time?.fallback_value ?? p.coupon_code ?? p.payload ?? '';

/** Without the definition only the values are known. */
function withoutText(template: string, given: readonly Component[]): Preview {
  const values = given.flatMap((component) => component.parameters.map(shown)).filter(Boolean);
  return { kind: 'bubble', header: template, text: values.join('\n') || template };
}
