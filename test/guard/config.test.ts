/** One table of settings: what is read, what the README says and what `.env.example` offers are the same. `npm run docs` prints both. */
import { describe, expect, test } from 'vitest';
import { readConfig, SETTINGS } from '../../src/lib/config.ts';
import { readProjectFile } from '../support/sources.ts';

const ROOT = '../..';
/** Read as Node itself does, and no setting of ours. */
const FOREIGN = new Set(['NODE_ENV']);

function keysRead(): readonly string[] {
  const read = new Set<string>();
  readConfig(
    new Proxy({} as NodeJS.ProcessEnv, {
      get: (_target, name) => {
        read.add(String(name));
        return undefined;
      },
      ownKeys: () => [],
    }),
  );
  return [...read].filter((name) => !FOREIGN.has(name));
}

const table = [
  '| setting | default | meaning |',
  '| --- | --- | --- |',
  ...SETTINGS.map(
    ({ key, default: fallback, meaning }) => `| \`${key}\` | ${fallback} | ${meaning.replaceAll('|', '\\|')} |`,
  ),
].join('\n');

const example = `# Settings of Carillon. Copy to .env and take the # away from what you change; what the environment says wins.\n${SETTINGS.map(
  ({ key, default: fallback, meaning, example: value = fallback }) =>
    `\n# ${meaning}\n# Default: ${fallback}\n#${key}=${value}\n`,
).join('')}`;

describe('the settings', () => {
  test('what is in the table is read, and what is read is in the table', () => {
    expect([...keysRead()].sort()).toEqual(SETTINGS.map(({ key }) => key).sort());
  });
  test('each says what it means, once', () => {
    expect(new Set(SETTINGS.map(({ key }) => key)).size).toBe(SETTINGS.length);
    for (const { meaning } of SETTINGS) expect(meaning).toMatch(/\.$/);
  });
  test('the README shows the table', async () => {
    const readme = readProjectFile('README.md');
    const marked = /(<!-- config:start -->\n)[\s\S]*?(<!-- config:end -->)/;
    expect(readme).toMatch(marked);
    await expect(readme.replace(marked, (_all, start, end) => `${start}${table}\n${end}`)).toMatchFileSnapshot(
      `${ROOT}/README.md`,
    );
  });
  test('.env.example offers each', async () => {
    await expect(example).toMatchFileSnapshot(`${ROOT}/.env.example`);
  });
});
