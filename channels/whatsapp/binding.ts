/**
 * From named variables to the parameters the provider takes.
 *
 * In comes what the author wrote; out comes a message whose `template.components` are complete and fit the definition,
 * with `{{variables}}` still in place for the renderer. Components the author wrote stay as they are.
 */
import { ContentError } from '../../src/channel-kit/index.ts';
import type { Component, Definition, Parameter, WhatsAppContent } from './content.ts';
import { type Outline, outline, type Slot } from './definition.ts';

export function author(content: WhatsAppContent, language: string): WhatsAppContent {
  const { template, definition } = content;
  // Free text is an answer within the window, never a template: what opens a conversation was approved.
  if (content.type !== 'template')
    throw new ContentError('/type', 'must be "template": a WhatsApp template holds an approved message, not free text');
  if (!template) return content;
  const given = template.components ?? [];
  checkGiven(given);
  const components = definition ? complete(given, definition) : given;
  return {
    ...content,
    template: {
      ...template,
      language: template.language ?? { code: languageCode(language) },
      ...(components.length > 0 ? { components } : {}),
    },
  };
}

/** `pt-br` → `pt_BR`: the provider writes languages with an underscore. */
export function languageCode(language: string): string {
  const [base = '', ...rest] = language.split(/[-_]/);
  return [base.toLowerCase(), ...rest.map((part) => (part.length === 2 ? part.toUpperCase() : part))].join('_');
}

function complete(given: readonly Component[], definition: Definition): Component[] {
  const plan = outline(definition);
  for (const [position, component] of given.entries()) {
    const slot = plan.slots.find((s) => fits(s, component));
    if (slot) checkAgainst(component, slot, plan, `/template/components/${position}`);
    else if (component.type !== 'button' || component.sub_type === 'url' || component.sub_type === 'copy_code')
      throw new ContentError(
        `/template/components/${position}`,
        `The definition has no variable in its ${name(component)}.`,
      );
  }
  const open = plan.slots.filter((slot) => !given.some((component) => fits(slot, component)));
  const variables = namesFor(open, plan, definition);
  const derived = open.map((slot) => derive(slot, variables, plan.named && !plan.numbered));
  return [...given, ...derived].sort(
    (a, b) => ORDER[a.type] - ORDER[b.type] || Number(a.index ?? 0) - Number(b.index ?? 0),
  );
}

const ORDER = { header: 0, body: 1, button: 2 } as const;
const name = (c: Component) => (c.type === 'button' ? `button ${c.index ?? 0}` : c.type);
const fits = (slot: Slot, component: Component) =>
  slot.type === component.type && (slot.type !== 'button' || slot.index === Number(component.index ?? 0));

/** A queue of variable names for numbered slots, in reading order; named slots carry their own. */
function namesFor(open: readonly Slot[], plan: Outline, definition: Definition): string[] | undefined {
  if (!plan.numbered) {
    if (definition.variables)
      throw new ContentError('/definition/variables', 'The texts name their variables already. Leave this out.');
    return undefined;
  }
  const needed = open
    .filter((slot) => /^\d/.test(slot.names[0] ?? ''))
    .reduce((sum, slot) => sum + slot.names.length, 0);
  const variables = definition.variables ?? [];
  if (variables.length !== needed)
    throw new ContentError(
      '/definition/variables',
      `The texts have ${needed} numbered place${needed === 1 ? '' : 's'} to fill, ${variables.length} named here. ` +
        'Name a variable for each, in reading order: header, body, buttons.',
    );
  return [...variables];
}

function derive(slot: Slot, variables: string[] | undefined, named: boolean): Component {
  if (slot.media)
    throw new ContentError(
      '/template/components',
      `The header is a ${slot.media}. Add {"type":"header","parameters":[{"type":"${slot.media}","${slot.media}":{…}}]}.`,
    );
  // Within one text a number may come before a smaller one; parameters are ordered by number.
  const numbers = variables && /^\d/.test(slot.names[0] ?? '') ? variables.splice(0, slot.names.length) : undefined;
  const names = numbers ?? slot.names;
  const parameters = names.map((variable): Parameter => {
    const text = `{{${variable}}}`;
    if (slot.subType === 'copy_code') return { type: 'coupon_code', coupon_code: text };
    return { type: 'text', ...(named && slot.type !== 'button' ? { parameter_name: variable } : {}), text };
  });
  if (slot.type !== 'button') return { type: slot.type, parameters };
  return { type: 'button', sub_type: slot.subType ?? 'url', index: String(slot.index ?? 0), parameters };
}

/** Mistakes in written components that show without the definition. */
function checkGiven(given: readonly Component[]): void {
  const seen = new Set<string>();
  for (const [position, component] of given.entries()) {
    const path = `/template/components/${position}`;
    const place = name(component);
    if (seen.has(place)) throw new ContentError(path, `The ${place} is given twice.`);
    seen.add(place);
    if (component.type === 'button' && !component.sub_type)
      throw new ContentError(path, 'A button needs its sub_type: url, quick_reply, copy_code, flow or catalog.');
    const named = component.parameters.filter((p) => p.parameter_name !== undefined).length;
    if (named > 0 && named < component.parameters.length)
      throw new ContentError(`${path}/parameters`, 'Either every parameter has a parameter_name or none.');
    for (const [i, parameter] of component.parameters.entries())
      if (!(parameter.type in parameter))
        throw new ContentError(
          `${path}/parameters/${i}`,
          `A parameter of type ${parameter.type} needs "${parameter.type}".`,
        );
  }
}

function checkAgainst(component: Component, slot: Slot, plan: Outline, path: string): void {
  const { parameters } = component;
  if (slot.media) {
    if (parameters.length !== 1 || parameters[0]?.type !== slot.media)
      throw new ContentError(`${path}/parameters`, `The header takes one parameter of type ${slot.media}.`);
    return;
  }
  if (parameters.length !== slot.names.length)
    throw new ContentError(
      `${path}/parameters`,
      `The ${name(component)} has ${slot.names.length} variable${slot.names.length === 1 ? '' : 's'}, ` +
        `${parameters.length} parameter${parameters.length === 1 ? '' : 's'} given.`,
    );
  if (!plan.named || component.type === 'button') return;
  const missing = slot.names.find((n) => !parameters.some((p) => p.parameter_name === n));
  if (missing) throw new ContentError(`${path}/parameters`, `No parameter has the parameter_name ${missing}.`);
}
