/** How the fake Cloud API judges a template send: by the approved template, never by what the sender believes about it. */
import type { Json } from './fake.ts';

export interface MetaTemplate {
  readonly name: string;
  readonly language: string;
  readonly parameter_format?: 'positional' | 'named';
  readonly status?: 'APPROVED' | 'PAUSED' | 'DISABLED';
  readonly components: readonly {
    readonly type: string;
    readonly format?: string;
    readonly text?: string;
    readonly buttons?: readonly { readonly type: string; readonly text?: string; readonly url?: string }[];
  }[];
}

const holes = (text = '') => [...new Set(Array.from(text.matchAll(/\{\{(\w+)\}\}/g), (m) => m[1] ?? ''))];

/** The code this send is refused with, if it is. */
export function templateProblem(sent: Json | undefined, templates: readonly MetaTemplate[]): string | undefined {
  if (typeof sent?.name !== 'string' || typeof sent.language?.code !== 'string') return '100';
  const template = templates.find((t) => t.name === sent.name && t.language === sent.language.code);
  if (!template) return '132001';
  if (template.status === 'PAUSED') return '132015';
  if (template.status === 'DISABLED') return '132016';
  const given: Json[] = sent.components ?? [];
  const part = (type: string) => template.components.find((c) => c.type === type);
  const buttons = part('BUTTONS')?.buttons ?? [];
  const otp = buttons.some((button) => button.type === 'OTP');
  const body = given.find((c) => c.type === 'body');
  const bodyProblem = textProblem(
    body,
    otp ? ['code'] : holes(part('BODY')?.text),
    template.parameter_format === 'named',
  );
  if (bodyProblem) return bodyProblem;
  const header = part('HEADER');
  const givenHeader = given.find((c) => c.type === 'header');
  if (header?.format && header.format !== 'TEXT') {
    const kind = header.format.toLowerCase();
    const parameter = givenHeader?.parameters?.[0];
    if (parameter?.type !== kind) return '132012';
    if (kind !== 'location' && Boolean(parameter[kind]?.id) === Boolean(parameter[kind]?.link)) return '131009';
  } else {
    const problem = textProblem(givenHeader, holes(header?.text), template.parameter_format === 'named');
    if (problem) return problem;
  }
  for (const [index, button] of buttons.entries()) {
    const sentButton = given.find((c) => c.type === 'button' && String(c.index) === String(index));
    const problem = buttonProblem(button, sentButton);
    if (problem) return problem;
  }
  return undefined;
}

function textProblem(component: Json | undefined, expected: readonly string[], named: boolean) {
  const parameters: Json[] = component?.parameters ?? [];
  if (parameters.length !== expected.length) return '132000';
  if (parameters.some((p) => p.type === 'text' && (typeof p.text !== 'string' || p.text === ''))) return '131008';
  if (parameters.some((p) => p.type === 'text' && p.text.length > 1_024)) return '132005';
  const names = parameters.map((p) => p.parameter_name);
  if (named && expected.some((name) => !names.includes(name))) return '132012';
  return !named && names.some((name) => name !== undefined) ? '132012' : undefined;
}

function buttonProblem(button: { type: string; url?: string }, sent: Json | undefined) {
  const parameter = sent?.parameters?.[0];
  if (button.type === 'OTP')
    return sent?.sub_type === 'url' && parameter?.text && parameter.text.length <= 15 ? undefined : '131008';
  if (button.type === 'COPY_CODE')
    return sent?.sub_type === 'copy_code' && parameter?.coupon_code ? undefined : '131008';
  if (button.type === 'URL' && holes(button.url).length > 0)
    return sent?.sub_type === 'url' && parameter?.type === 'text' && parameter.text ? undefined : '131008';
  return undefined;
}
