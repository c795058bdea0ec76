import { defineConfig } from 'vitest/config';

// Two projects, so that what needs no store starts none.
export default defineConfig({
  test: {
    projects: [
      {
        test: { name: 'pure', include: ['test/{unit,channels,guard}/**/*.test.ts'] },
      },
      {
        test: {
          name: 'store',
          include: ['test/{integration,e2e,faults,regressions}/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 20_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
