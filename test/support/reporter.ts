/**
 * What a run says besides vitest's own summary: its slowest tests, and on which back ends it ran and on which it did not,
 * and why. It is listed before the default reporter, so that the last lines are vitest's.
 */
import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node';
import type { BackendName } from './global-setup.ts';

const LABELS: Readonly<Record<BackendName, string>> = {
  embedded: 'embedded PostgreSQL',
  postgres: 'outside PostgreSQL',
  redis: 'Redis as the queue',
};
const SLOWEST = 5;

export default class Summary implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const say = (line: string) => this.#vitest?.logger.log(line);
    const slow = tests
      .map((test) => ({ test, ms: Math.round(test.diagnostic()?.duration ?? 0) }))
      .sort((a, b) => b.ms - a.ms)
      .slice(0, SLOWEST)
      .filter(({ ms }) => ms > 300);
    if (slow.length > 0) say('\n Slowest');
    for (const { test, ms } of slow) say(`  ${String(ms).padStart(6)} ms  ${test.fullName}`);
    const skipped = tests.filter((test) => test.result().state === 'skipped');
    if (skipped.length > 0) say('\n Skipped');
    for (const test of skipped) say(`  ${test.fullName}${note(test)}`);
    const line = this.#backends(tests);
    if (line) say(`\n ${line}`);
  }

  /** Undefined when no test needed a back end. */
  #backends(tests: readonly TestCase[]): string | undefined {
    const project = this.#vitest?.projects.find(({ name }) => name === 'store');
    const found = project?.getProvidedContext().backends;
    if (!found) return undefined;
    const parts = (Object.keys(LABELS) as BackendName[]).map((name) => {
      const on = found[name];
      if ('missing' in on) return `${LABELS[name]} not covered: ${on.missing}`;
      const ran = tests.filter((test) => test.fullName.includes(` on ${name} >`) && test.result().state === 'passed');
      if (ran.length === 0 && name !== 'embedded') return `${LABELS[name]} answers, no suite of this run used it`;
      return `${LABELS[name]} covered${ran.length > 0 ? ` (queue and pipeline: ${ran.length} passed)` : ''}`;
    });
    return `Back ends: ${parts.join(' · ')}`;
  }
}

function note(test: TestCase): string {
  const result = test.result();
  return result.state === 'skipped' && result.note ? `: ${result.note}` : '';
}
