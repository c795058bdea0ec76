import { defineConfig } from 'vitest/config';

/** With stores and processes of their own. */
const ALONE = ['test/faults/matrix.test.ts', 'test/faults/bulk-kill.test.ts'];

// Fast first, and what needs no store starts none. Two workers suit the smallest machine this must run on.
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    slowTestThreshold: 5_000,
    reporters: ['./test/support/reporter.ts', 'default'],
    projects: [
      {
        extends: true,
        test: {
          name: 'pure',
          include: ['test/{unit,channels,guard}/**/*.test.ts'],
          // A busy machine is no fault of the code.
          testTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'portal',
          include: ['test/portal/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'store',
          include: ['test/{integration,e2e,faults,regressions,attacks}/**/*.test.ts'],
          exclude: ALONE,
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 20_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        extends: true,
        test: {
          name: 'faults',
          include: ALONE,
          // Processes are killed here and waited for; whoever else works on the machine would be measured with them.
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
