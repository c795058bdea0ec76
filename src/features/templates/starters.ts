/** The templates every new tenant finds: words in `templates/starters`, one file each, read and judged once. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Registry } from '../../channel-kit/index.ts';
import { projectRoot } from '../../lib/config.ts';
import { validator } from '../../lib/schema.ts';
import { type Authored, author } from './authored.ts';
import { type TemplateInput, templateInput } from './schema.ts';

export interface Starter {
  readonly slug: string;
  readonly name: string;
  readonly category: 'transactional' | 'marketing' | 'otp';
  readonly authored: Authored;
}

/** Channels that this installation does not have are left out. Throws when one of ours could not be saved by a person. */
export function readStarters(registry: Registry): readonly Starter[] {
  const folder = join(projectRoot, 'templates', 'starters');
  const shape = validator(templateInput);
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .flatMap((file) => {
      try {
        const input = shape.check(JSON.parse(readFileSync(join(folder, file), 'utf8'))) as TemplateInput;
        const known = Object.entries(input.content).filter(([channel]) => registry.channel(channel));
        if (known.length === 0) return [];
        const { template_id: slug, name = slug, category = 'transactional', variables = {} } = input;
        return [
          { slug, name, category, authored: author(registry, { content: Object.fromEntries(known), variables }) },
        ];
      } catch (error) {
        throw new Error(`the starter template ${file} cannot be used: ${(error as Error).message}`, { cause: error });
      }
    });
}
