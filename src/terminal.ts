/** What the process says to the person at the terminal; everything else goes to the log. */
import { ConfigError } from './lib/config.ts';
import { AlreadyRunning } from './lib/embedded.ts';
import { ApiError } from './lib/errors.ts';
import { SchemaMismatch } from './lib/migrate.ts';
import type { Running } from './main.ts';

export const out = (line: string): void => void process.stdout.write(`${line}\n`);
export const outJson = (value: object): void => out(JSON.stringify(value));

const BAR = 30;
let shownAt = Number.NEGATIVE_INFINITY;

/** One line that is drawn anew; where nobody watches, a line now and then. The last state is always told. */
export function progress(title: string, done: number, all: number, text: string): void {
  const now = performance.now();
  const share = all > 0 ? Math.min(1, done / all) : 1;
  if (share < 1 && now - shownAt < (process.stdout.isTTY ? 100 : 5_000)) return;
  shownAt = now;
  const full = Math.round(share * BAR);
  const line = `${title.padEnd(10)} ${'#'.repeat(full)}${'.'.repeat(BAR - full)} ${String(Math.floor(share * 100)).padStart(3)} %  ${text}`;
  process.stdout.write(process.stdout.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
}

/** One clear text; a stack only for what nobody foresaw. */
export function problem(error: unknown): void {
  const known =
    error instanceof ConfigError ||
    error instanceof SchemaMismatch ||
    error instanceof AlreadyRunning ||
    error instanceof ApiError;
  if (error instanceof ApiError && error.details?.fields)
    process.stderr.write(
      `${(error.details.fields as { path: string; message: string }[]).map(({ path, message }) => `${path}: ${message}`).join('\n')}\n`,
    );
  else if (error instanceof Error) process.stderr.write(`${known || !isBug(error) ? error.message : error.stack}\n`);
  else process.stderr.write(`${String(error)}\n`);
}
const isBug = (error: Error): boolean =>
  error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;

export function nodeNotice(): void {
  if (Number(process.versions.node.split('.')[0]) < 22)
    out(`Node ${process.versions.node} is past its end of life; 22 or 24 is recommended.`);
}

export async function banner({ deps, url, port, database, demo }: Running, seconds: number): Promise<string> {
  const { config, queues, tenants } = deps;
  const parts = [
    `Carillon   ready in ${seconds.toFixed(1)} s`,
    database,
    `queue on ${queues.kind === 'redis' ? 'Redis' : 'PostgreSQL'}`,
    `Node ${process.versions.node}`,
  ];
  const lines = ['', `  ${parts.join(' · ')}`];
  if (port === undefined) return [...lines, '  Role      worker: delivers what other processes accept', ''].join('\n');
  const local = `http://localhost:${port}`;
  lines.push(`  Portal    ${url}/portal`, `  API docs  ${url}/docs`);
  const unclaimed = demo || config.databaseUrl ? undefined : await tenants.unclaimed();
  if (!demo)
    return [
      ...lines,
      ...(unclaimed
        ? [`  Sign in   nobody has set a password yet: npx carillon user link --email ${unclaimed} --sign-in`]
        : []),
      `  Keys      ${url}/portal/keys, or: npx carillon tenant create --name "My company"`,
      ...production(config.databaseUrl),
      '',
    ].join('\n');
  const link = await tenants.signInLink(demo.userId);
  return [
    ...lines,
    `  Outbox    ${url}/portal/outbox   what is sent with a test key lands here; nothing leaves this machine`,
    `  Sign in   ${url}/portal/enter?token=${link}   (once, within the hour)`,
    `  Key       ${demo.testKey}   (test only, shown this once)`,
    '',
    '  Try it:',
    '',
    `  curl -s ${local}/api/v1/notifications/send -H 'X-API-Key: ${demo.testKey}' -H 'Content-Type: application/json' -d '{"recipient":{"email":"delivered@sandbox.test"},"notification":{"channels":["email"],"subject":"Hello","body":"It works."}}'`,
    ...production(config.databaseUrl),
    '',
  ].join('\n');
}

const production = (databaseUrl: string | undefined): string[] =>
  databaseUrl
    ? []
    : [
        '',
        '  Credentials are sealed with the key in the data folder (encryption.key): back it up with the data.',
        '  In production set DATABASE_URL, ENCRYPTION_KEYS and PUBLIC_URL; the README says how.',
      ];
