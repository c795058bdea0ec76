/** Channels of strangers: modules named in PLUGINS, held to what ours are held to, and left out loudly when they fail. */
import { isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type AnyChannel, conformanceFaults } from './channel-kit/index.ts';
import type { Log } from './lib/log.ts';

/** A module exports its channel as `default` or as `channel`, or a list of them as `channels`. */
export async function loadPlugins(modules: readonly string[], log: Log): Promise<readonly AnyChannel[]> {
  const loaded: AnyChannel[] = [];
  for (const name of modules) {
    try {
      const isPath = name.startsWith('.') || isAbsolute(name);
      const module = (await import(isPath ? pathToFileURL(resolve(name)).href : name)) as Record<string, unknown>;
      const found = module.channels ?? module.channel ?? module.default;
      for (const channel of (Array.isArray(found) ? found : [found]) as AnyChannel[]) {
        const faults = await conformanceFaults(channel);
        if (faults.length > 0) throw new Error(faults.join('; '));
        loaded.push(channel);
      }
    } catch (error) {
      log.error(
        { plugin: name, err: error },
        'this plugin is left out: it could not be loaded, or does not keep the contract of a channel',
      );
    }
  }
  return loaded;
}
