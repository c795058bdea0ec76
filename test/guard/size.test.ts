/** Files stay short enough to be read in one go. */
import { expect, test } from 'vitest';
import { sources } from '../support/sources.ts';

const MOST = 400;
const ASKS_FOR_A_REASON = 300;

/** Longer than 300 lines, and why. */
const REASONS: Readonly<Record<string, string>> = {
  'src/cli.ts': 'every command with its options, in one list',
  'src/features/erasure/scans.ts': 'every table in which a person may stand, in one list',
  'src/deps.ts': 'the only wiring, in the order in which things need each other',
  'src/features/notifications/schema.ts': 'the wire shapes of one surface, read side by side',
  'src/features/portal/site.ts':
    'what every page shares: who is looking, the check of forms, the headers, the redirects',
  'src/lib/config.ts': 'the one table of settings, and all that reads the environment',
  'src/lib/errors.ts': 'the catalogue of refusals, one entry after the other',
};
/** Tables of cases may be long: nobody reads them in one go. */
const TABLES: Readonly<Record<string, string>> = {
  'test/channels/fixtures/mail.ts': 'what mail services and mail servers post, case by case',
  'test/channels/fixtures/whatsapp.ts': 'what Meta posts, type by type',
  'test/faults/erase-places.test.ts': 'every place in the store where a person may stand',
  'test/integration/connections.test.ts': 'the routes of connections, outcome by outcome',
  'test/integration/templates.test.ts': 'the routes of templates, outcome by outcome',
  'test/portal/forms.test.ts': 'every form of the portal, and what it asks of the services',
  'test/portal/fixtures.ts': 'a stand-in for each service the pages ask',
  'test/unit/templates/engine.test.ts': 'what the engine accepts and refuses, case by case',
};

const files = [...sources(/^(src|channels|migrations|test)\/.*\.(ts|js|css)$/)].map(([path, text]) => ({
  path,
  lines: text.split('\n').length - 1,
}));

test(`no file is longer than ${MOST} lines`, () => {
  expect(files.filter(({ path, lines }) => lines > MOST && !TABLES[path])).toEqual([]);
});

test(`a file of the product longer than ${ASKS_FOR_A_REASON} lines says why`, () => {
  const long = files.filter(({ path, lines }) => lines > ASKS_FOR_A_REASON && !path.startsWith('test/'));
  expect(long.filter(({ path }) => !REASONS[path])).toEqual([]);
});

test('no reason outlives its file', () => {
  const long = new Set(files.filter(({ lines }) => lines > ASKS_FOR_A_REASON).map(({ path }) => path));
  expect([...Object.keys(REASONS), ...Object.keys(TABLES)].filter((path) => !long.has(path))).toEqual([]);
});
