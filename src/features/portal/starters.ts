/** What a guest is shown of the templates that every new account has: their names and data, from the files themselves. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../lib/config.ts';
import type { TemplateContent, TemplatesDoor } from './ports.ts';
import type { TemplateSample } from './samples.ts';

type Written = Parameters<TemplatesDoor['previewUnsaved']>[0] & { readonly template_id: string };

/** For each channel the first starter that has it. The templates feature refuses to start with a file that cannot be used. */
export function starterSamples(
  templates: Pick<TemplatesDoor, 'previewUnsaved'>,
  folder: string = join(projectRoot, 'templates', 'starters'),
): (channel: string) => TemplateSample | undefined {
  const starters = readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Written);
  const known = new Map<string, TemplateSample | undefined>();
  const sampleOf = (channel: string): TemplateSample | undefined => {
    const starter = starters.find(({ content }) => Object.hasOwn(content, channel));
    if (!starter) return undefined;
    const content: TemplateContent = { [channel]: starter.content[channel] ?? {} };
    const { variables } = starter;
    const { data } = templates.previewUnsaved({ content, channel, ...(variables ? { variables } : {}) });
    return { id: starter.template_id, data };
  };
  return (channel) => {
    if (!known.has(channel)) known.set(channel, sampleOf(channel));
    return known.get(channel);
  };
}
