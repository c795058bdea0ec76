/** What the runbook tells an operator to ask the database can be asked of it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { readProjectFile } from '../support/sources.ts';

const statements = [...readProjectFile('docs/runbook.md').matchAll(/^ {4}(?:select|with|update|delete)\b[^;]*;/gm)].map(
  ([text]) => text.replaceAll(/\n {4}/g, '\n').trim(),
);

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

test('it has statements', () => expect(statements.length).toBeGreaterThan(6));

test.each(statements)('%s', async (statement) => {
  expect(Array.isArray(await database.query(statement))).toBe(true);
});
