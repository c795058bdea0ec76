/**
 * `npm run bench`: each figure of the table beside its limit and beside the usual design, measured in one run on this machine.
 *
 *   --quick        small rounds, under two minutes in all; an indication, nothing is written
 *   --json         one object a line instead of the table
 *   --only <part>  the figures whose name contains it
 *   --rounds <n>   instead of five; one for a first look, nothing is written
 *
 * A run that is not quick also writes its figures to docs/benchmarks.md and its chart. Ends with 1 when a goal was missed or a
 * figure could not be had.
 */
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { FIGURES } from './figures.ts';
import { keep } from './ledger.ts';
import { createLoadCheck } from './lib/load.ts';
import { startPart } from './lib/part.ts';
import { jsonLine, type Outcome, table, verdict } from './results.ts';
import { accept } from './scenes/accept.ts';
import { bulkAccept } from './scenes/bulk-accept.ts';
import { callbacks } from './scenes/callbacks.ts';
import { deliver } from './scenes/deliver.ts';
import { doors } from './scenes/doors.ts';
import { history } from './scenes/history.ts';
import { live } from './scenes/live.ts';
import { mail } from './scenes/mail.ts';
import { memory } from './scenes/memory.ts';
import { missing, type Scale, type Scene } from './scenes/scene.ts';
import { slowProvider } from './scenes/slow-provider.ts';
import { setStage } from './stage.ts';

const SCENES: readonly Scene[] = [
  accept,
  deliver,
  live,
  slowProvider,
  bulkAccept,
  mail,
  doors,
  callbacks,
  memory,
  history,
];
const QUICK: Scale = {
  rounds: 1,
  repeats: 0,
  roundMs: 1_000,
  queued: 4_000,
  rows: 50_000,
  mails: 2_000,
  callbacks: 4_000,
  memory: [60_000, 10_000],
  history: [200_000, 10_000],
};
const FULL: Scale = {
  rounds: 5,
  repeats: 3,
  roundMs: 6_000,
  queued: 60_000,
  rows: 500_000,
  mails: 10_000,
  callbacks: 20_000,
  memory: [1_000_000, 60_000],
  history: [10_000_000, 10_000],
};

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    json: { type: 'boolean' },
    only: { type: 'string' },
    rounds: { type: 'string' },
  },
});
const scale = flags.quick ? QUICK : { ...FULL, ...(flags.rounds ? { rounds: Number(flags.rounds) } : {}) };
const wants = (name: string): boolean => name.includes(flags.only ?? '');
const say = (line: string): void => void process.stderr.write(`${line}\n`);

const asked = FIGURES.filter(({ name }) => wants(name));
if (asked.length === 0) {
  say(`No figure has ${flags.only} in its name. There are: ${FIGURES.map(({ name }) => name).join(', ')}`);
  process.exit(1);
}

const load = createLoadCheck();
const stage = await setStage(load);
/** Whoever stops the bench finds no database, folder or process of it afterwards. */
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)
  process.once(signal, async () => {
    // Clients of a server that is going fail, which is no news.
    process.on('uncaughtException', () => undefined);
    process.on('unhandledRejection', () => undefined);
    await stage.close().catch((error: unknown) => say(String(error)));
    process.exit(code);
  });
const stub = await startPart<{ port: number }>('parts/stub');
const generator = await startPart('parts/generator');
const outcomes: Outcome[] = [];
const add = (found: readonly Outcome[]): void => {
  outcomes.push(...found);
  if (flags.json) for (const one of found) process.stdout.write(`${jsonLine(one)}\n`);
};
try {
  for (const scene of SCENES) {
    const names = scene.figures.filter(wants);
    if (names.length === 0) continue;
    say(`… ${names.join(', ')}`);
    try {
      add(await scene.run({ stage, load, scale, stub, generator, wants, say }));
    } catch (error) {
      say(error instanceof Error ? (error.stack ?? error.message) : String(error));
      add(names.map((name) => missing(name, error instanceof Error ? error.message : String(error))));
    }
  }
} finally {
  await Promise.all([generator.stop(), stub.stop()]);
  await stage.close();
}
const measured = new Set(outcomes.map(({ figure }) => figure.name));
add(asked.filter(({ name }) => !measured.has(name)).map(({ name }) => missing(name, 'not measured yet')));

if (!flags.json) process.stdout.write(`${table(outcomes)}\n`);
if (!flags.quick && !flags.rounds) {
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.versions.node}`;
  keep(outcomes, { machine, store: stage.store, rounds: scale.rounds });
}
const { isGood, text } = verdict(outcomes);
// In JSON mode every line of the output is an object.
if (flags.json) say(text);
else process.stdout.write(`\n${text}\n`);
process.exitCode = isGood ? 0 : 1;
