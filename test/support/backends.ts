/** The back ends of this run. A suite that must hold on each is written once: `describe.each(backends())('… on %s', (backend) => …)`. */
import { inject } from 'vitest';
import type { BackendForTests, BackendName } from './global-setup.ts';

export type { BackendName } from './global-setup.ts';

/** Those that answer; the embedded one always does. The reporter says which do not, and why. */
export function backends(): BackendName[] {
  const found = inject('backends');
  return (Object.keys(found) as BackendName[]).filter((name) => !('missing' in found[name]));
}

/** Throws when it does not answer. */
export function backend(name: BackendName): BackendForTests {
  const found = inject('backends')[name];
  if ('missing' in found) throw new Error(`the back end ${name} is not there: ${found.missing}`);
  return found;
}
