/** Tests in a browser are skipped, aloud, where there is none; where BROWSER_TESTS is `required` that is a failure. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';

test('a browser is there when it must be', () => {
  const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  const found = places.some((path) => path && existsSync(path));
  if (process.env.BROWSER_TESTS === 'required') expect(found).toBe(true);
});
