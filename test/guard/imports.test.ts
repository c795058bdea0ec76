/** The import law of the house, on the house and on planted faults. */
import { describe, expect, test } from 'vitest';
import { channels } from '../../channels/index.ts';
import { FEATURES } from '../../src/features/index.ts';
import { channelFaults, cycles, globalFaults, importFaults } from '../support/house.ts';
import { sources } from '../support/sources.ts';

const files = sources(/^(src|channels|migrations)\/.*\.ts$/);
const ids = channels.map(({ id }) => id);

/** Words that are a channel's id by chance, with what they mean there. */
const NOT_A_CHANNEL: readonly (readonly [RegExp, string])[] = [
  [/^src\/features\/(tenants|portal)\/.*: names email$/, 'the address a person signs in with'],
  [/^src\/channel-kit\/(contract|fields)\.ts:\d+: names email$/, 'the form of a field'],
  [/^src\/features\/(contacts|conversations|sandbox)\/.*: names email$/, 'a kind of identity'],
  [/^src\/features\/campaigns\/columns\.ts:\d+: names email$/, 'the form of a field'],
  [/^src\/features\/connections\/settings\.ts:\d+: names email$/, 'the form of a field'],
];

describe('the house', () => {
  test('has files to look at', () => expect(files.size).toBeGreaterThan(100));

  test('lists every feature folder, and each one listed that has been built', () => {
    const folders = new Set([...files.keys()].flatMap((path) => /^src\/features\/([^/]+)\//.exec(path)?.[1] ?? []));
    expect([...folders].filter((name) => !(FEATURES as readonly string[]).includes(name))).toEqual([]);
    expect(new Set(FEATURES).size).toBe(FEATURES.length);
  });

  test('imports in one direction only', () => expect(importFaults(files, FEATURES)).toEqual([]));
  test('has no ring of imports', () => expect(cycles(files)).toEqual([]));
  test('leaves environment, clock, network and console to lib', () => expect(globalFaults(files)).toEqual([]));
  test('names no channel outside its folder', () => {
    const faults = channelFaults(files, ids).filter((fault) => !NOT_A_CHANNEL.some(([known]) => known.test(fault)));
    expect(faults.filter((fault) => !fault.startsWith('channels/'))).toEqual([]);
  });
});

describe('a planted fault is found', () => {
  const planted = (path: string, text: string) => new Map([...files, [path, text]]);
  const imports = (path: string, text: string) => importFaults(planted(path, text), FEATURES);

  test.each([
    ['src/lib/x.ts', `import { a } from '../features/audit/index.ts';`],
    ['src/lib/x.ts', `import type { A } from '../channel-kit/index.ts';`],
    ['src/channel-kit/x.ts', `import { a } from '../lib/db.ts';`],
    ['src/features/events/x.ts', `import type { A } from '../audit/index.ts';`],
    ['src/features/audit/x.ts', `import { a } from '../events/store.ts';`],
    ['src/features/connections/x.ts', `import type { A } from '../tenants/door.ts';`],
    ['src/features/audit/x.ts', `import { a } from '../../deps.ts';`],
    ['src/features/audit/x.ts', `import { a } from '../../../channels/index.ts';`],
    ['src/features/audit/x.ts', `import { a } from '../../channel-kit/faults.ts';`],
    ['src/features/audit/x.ts', `const a = await import('../docs/index.ts');`],
    ['src/features/audit/index.ts', `export { a } from './store.ts';`],
    ['src/features/stranger/x.ts', `import { a } from '../events/index.ts';`],
    ['src/app.ts', `import { channels } from '../channels/index.ts';`],
    ['src/app.ts', `import { a } from './features/audit/service.ts';`],
    ['src/deps.ts', `import { a } from './main.ts';`],
    ['src/main.ts', `import { a } from '../channels/email/index.ts';`],
    ['src/other.ts', `import { a } from './lib/db.ts';`],
    ['channels/email/x.ts', `import { a } from '../../src/lib/db.ts';`],
    ['channels/email/x.ts', `import { a } from '../sms/index.ts';`],
    ['channels/email/x.ts', `import {\n  a,\n} from '../../src/channel-kit/faults.ts';`],
    ['migrations/x.ts', `import { a } from '../src/lib/db.ts';`],
  ])('%s: %s', (path, text) => {
    expect(imports(path, text)).toHaveLength(1);
  });

  test.each([
    ['src/features/audit/x.ts', `// import { a } from '../docs/index.ts';`],
    ['src/features/audit/x.ts', `import { a } from '../events/index.ts';`],
    ['src/features/audit/x.ts', `import { a } from './store.ts';`],
    ['channels/email/x.ts', `import { a } from '../../src/channel-kit/index.ts';`],
  ])('and what is allowed is not: %s: %s', (path, text) => {
    expect(imports(path, text)).toEqual([]);
  });

  test.each([
    'const a = process.env.HOME;',
    'const a = new Date();',
    'const a = await fetch(url);',
    `console.log('a');`,
    'const a = `${new Date()}`;',
  ])('%s', (text) => {
    expect(globalFaults(new Map([['src/features/audit/x.ts', text]]))).toHaveLength(1);
    expect(globalFaults(new Map([['src/lib/x.ts', text]]))).toEqual([]);
  });

  test('but not in a comment, in a text, or as a method', () => {
    const text = `// new Date()\nconst a = 'process.env'; deps.fetch(url); new Date(0); prefetch(url);`;
    expect(globalFaults(new Map([['src/features/audit/x.ts', text]]))).toEqual([]);
  });

  test('a ring of three, and no ring made of types', () => {
    const ring = (word: string) =>
      new Map([
        ['src/lib/a.ts', `import { b } from './b.ts';`],
        ['src/lib/b.ts', `import { c } from './c.ts';`],
        ['src/lib/c.ts', `import ${word} from './a.ts';`],
      ]);
    expect(cycles(ring('{ a }'))).toEqual(['src/lib/a.ts → src/lib/b.ts → src/lib/c.ts → src/lib/a.ts']);
    expect(cycles(ring('type { A }'))).toEqual([]);
    expect(cycles(ring('{ type A, type B }'))).toEqual([]);
  });

  test('a channel named elsewhere', () => {
    expect(channelFaults(new Map([['src/features/audit/x.ts', `if (id === 'sms') a();`]]), ids)).toHaveLength(1);
    expect(channelFaults(new Map([['channels/sms/x.ts', `const id = 'sms';`]]), ids)).toEqual([]);
  });
});
