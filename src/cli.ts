/** The `carillon` command. It works beside a running embedded installation, whose database it finds through DATA_DIR. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { migrations } from '../migrations/index.ts';
import { bulkCommand } from './bulk.ts';
import { eraseCommand, quarantineCommand } from './custody.ts';
import { createDeps, type Deps } from './deps.ts';
import { examine, type Finding } from './doctor.ts';
import { keysCommand } from './keys.ts';
import { type Config, loadEnvFile, publicUrlOf, readConfig, startedByNpm } from './lib/config.ts';
import { type EmbeddedServer, findEmbedded, startEmbedded } from './lib/embedded.ts';
import { createLog } from './lib/log.ts';
import { migrateUp } from './lib/migrate.ts';
import { start, withKeys } from './main.ts';
import { loadPlugins } from './plugins.ts';
import { findTenant, tenantCommand, tenantOption } from './tenants.ts';
import { banner, nodeNotice, out, outJson, problem } from './terminal.ts';
import { NOT_YET, verify } from './verify.ts';

/** Runs one command; errors become one clear text and exit code 1. */
export async function run(args: readonly string[]): Promise<void> {
  loadEnvFile();
  try {
    await createProgram().parseAsync([...args], { from: 'user' });
  } catch (error) {
    problem(error);
    process.exitCode = 1;
  }
}

/** Every command and option there is; the guard of the documents reads them here. */
export function createProgram(): Command {
  const program = new Command('carillon')
    .description('Notifications over every channel, on your own machine.')
    .showHelpAfterError();
  program
    .command('start', { isDefault: true })
    .description('run the API, the worker and the portal (ROLE chooses)')
    .action(startCommand);
  program
    .command('migrate')
    .description('bring the database schema up to date')
    .action(async () => {
      const config = readConfig();
      await withDatabase(config, async (url) => {
        const ran = await migrateUp(url, migrations);
        out(ran.length === 0 ? 'The schema is up to date.' : `Ran ${ran.join(', ')}.`);
      });
    });
  program
    .command('doctor')
    .description('check database, queue, keys and connections, and say what to do')
    .option('--json', 'one JSON object')
    .action(async ({ json }: { json?: boolean }) => {
      const config = readConfig();
      const isRunning = config.databaseUrl !== undefined || (await findEmbedded(config.dataDir)) !== undefined;
      const looked = await withDatabase(config, (url) => examine(config, url));
      const findings = isRunning ? looked : [...looked, STOPPED];
      if (json) outJson({ ok: findings.every(({ ok }) => ok), findings });
      else
        for (const { ok, name, text, fix } of findings)
          out(`${ok ? '  ok    ' : '  FAIL  '}${name.padEnd(14)} ${text}${fix ? `\n${' '.repeat(23)}→ ${fix}` : ''}`);
      if (!findings.every(({ ok }) => ok)) process.exitCode = 1;
    });

  program
    .command('verify')
    .description('ask the store whether every promise holds; reads everything, changes nothing')
    .option('--json', 'one JSON object')
    .action(async ({ json }: { json?: boolean }) => {
      const verdicts = await withDatabase(readConfig(), verify);
      const isGood = verdicts.every(({ ok }) => ok);
      if (json) outJson({ ok: isGood, verdicts, not_applicable: NOT_YET });
      else {
        for (const { ok, id, promise, offenders, more } of verdicts) {
          const broken = `\n${' '.repeat(13)}${offenders.join(' ')}${more ? ' …' : ''}`;
          out(`${ok ? '  ok    ' : '  BROKEN'} ${id.padEnd(4)} ${promise}${ok ? '' : broken}`);
        }
        for (const { id, promise } of NOT_YET) out(`  n/a    ${id.padEnd(4)} ${promise}`);
      }
      if (!isGood) process.exitCode = 1;
    });

  program.addCommand(tenantCommand(withDeps));
  program
    .command('connection')
    .description('provider credentials of a tenant')
    .command('create')
    .description('connect a channel')
    .addOption(tenantOption('whose'))
    .requiredOption('--channel <channel>', 'such as email')
    .option('--adapter <adapter>', 'default: the first of the channel')
    .option('--name <name>', 'default: the name of the adapter')
    .option('--set <field=value...>', 'a setting or secret of the adapter')
    .option('--per-second <n>', 'calls a second; default: what the adapter assumes', Number)
    .option('--concurrency <n>', 'calls in flight per process; default: what the adapter assumes', Number)
    .option('--test', 'try the credentials right away')
    .option('--json', 'one JSON object')
    .action(connectionCommand);

  program
    .command('invite')
    .description('let somebody make an account: prints a link, and mails it where SYSTEM_SMTP_URL is set')
    .requiredOption('--email <address>', 'who is invited; the account gets this address')
    .option('--json', 'one JSON object')
    .action(async ({ email, json }: { email: string; json?: boolean }) => {
      await withDeps(async ({ tenants }) => {
        const made = await tenants.invite(email);
        if (json) outJson({ email: made.email, url: made.url, mailed: made.mailed, expires_at: made.expiresAt });
        else
          out(
            `Invitation for ${made.email}${made.mailed ? ', handed to the mail server as well' : ''}:\n\n  ${made.url}\n\nIt works once, within 7 days.`,
          );
      });
    });
  program
    .command('user')
    .description('the people who sign in to the portal')
    .command('link')
    .description('print a one-time link that lets somebody set a new password')
    .requiredOption('--email <address>', 'whose account')
    .option('--sign-in', 'a link that signs in and leaves the password as it is')
    .option('--json', 'one JSON object')
    .action(async ({ email, signIn, json }: { email: string; signIn?: boolean; json?: boolean }) => {
      await withDeps(async ({ tenants }) => {
        const url = await tenants.linkFor(email, signIn ? 'sign_in' : 'reset');
        if (json) outJson({ url });
        else
          out(
            `${signIn ? 'Signs in' : 'Sets a new password'}; works once, within ${signIn ? 'the hour' : '30 minutes'}:\n\n  ${url}\n\nWhoever opens it gets into the account: hand it to nobody else.`,
          );
      });
    });

  program.addCommand(bulkCommand());
  program.addCommand(quarantineCommand(withDeps));
  program.addCommand(eraseCommand(withDeps));
  program.addCommand(keysCommand(withDeps));
  return program;
}

/** What is sound and does not run delivers nothing. */
const STOPPED: Finding = {
  name: 'process',
  ok: false,
  text: 'Carillon is not running',
  fix: 'Start it with: npm start',
};

/** Milliseconds beyond STOP_SECONDS after which the process ends whatever hangs; and while it is still starting. */
const LEAVE_MS = 4_800;
const LEAVE_START_MS = 10_000;
/** One Ctrl-C comes twice under npm: from the terminal, and handed on by npm. */
const ONE_WISH_MS = 1_000;

async function startCommand(): Promise<void> {
  const began = performance.now();
  const config = readConfig();
  // Heard from the beginning: whoever stops a start that is under way must not leave a database behind.
  let leavingSince: number | undefined;
  let started = false;
  const asked = new Promise<void>((resolve) => {
    const leave = (word: string) => {
      if (leavingSince !== undefined) {
        if (performance.now() - leavingSince > ONE_WISH_MS) process.exit(130);
        return;
      }
      leavingSince = performance.now();
      out(`${word}Finishing what is under way; once more to leave at once.`);
      // Whatever hangs, the process ends, and nothing is lost: what it held is found again when its lease ends. A start that
      // hangs has nothing under way that is worth the wait.
      setTimeout(() => process.exit(), config.stopSeconds * 1_000 + LEAVE_MS).unref();
      setTimeout(() => started || process.exit(1), LEAVE_START_MS).unref();
      resolve();
    };
    process.on('SIGINT', () => leave(''));
    // A closed terminal (SIGHUP) is a wish to stop too.
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => leave('Asked to stop. '));
    if (startedByNpm()) onceAbandoned(() => leave('npm has gone. '));
  });
  nodeNotice();
  const running = await start({ config, say: out });
  started = true;
  if (leavingSince === undefined) out(await banner(running, (performance.now() - began) / 1_000));
  const died = running.died.then((reason) => {
    problem(new Error(`The embedded database ended: ${reason}. Start again; nothing that was acknowledged is lost.`));
    process.exitCode = 1;
  });
  await Promise.race([asked, died]);
  setTimeout(() => process.exit(), config.stopSeconds * 1_000 + LEAVE_MS).unref();
  await running.stop();
  process.exit(process.exitCode ?? 0);
}

/** A signal to npm ends npm and its shell but does not reach us; nobody would stop a server that outlived them. */
function onceAbandoned(act: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    act();
  }, 500);
  timer.unref();
}

interface ConnectionOptions {
  tenant: string;
  channel: string;
  adapter?: string;
  name?: string;
  set?: string[];
  perSecond?: number;
  concurrency?: number;
  test?: boolean;
  json?: boolean;
}

async function connectionCommand({
  tenant,
  channel: channelId,
  adapter: adapterId,
  name,
  set = [],
  perSecond,
  concurrency,
  test,
  json,
}: ConnectionOptions): Promise<void> {
  await withDeps(async (deps) => {
    const { connections, registry } = deps;
    const channel = registry.channel(channelId);
    if (!channel)
      throw new Error(
        `There is no channel ${channelId}; there are ${registry.channels.map(({ id }) => id).join(', ')}.`,
      );
    const adapter = adapterId ? channel.adapters.find(({ id }) => id === adapterId) : channel.adapters[0];
    if (!adapter)
      throw new Error(
        `${channelId} has no adapter ${adapterId}; it has ${channel.adapters.map(({ id }) => id).join(', ')}.`,
      );
    await findTenant(deps, tenant);
    const principal = {
      tenantId: tenant,
      mode: 'live',
      scopes: ['manage'],
      actor: { kind: 'operator', id: 'operator' },
    } as const;
    const credentials = Object.fromEntries(set.map((pair) => readSetting(pair, adapter.credentials)));
    const made = await connections.create(principal, {
      channel: channelId,
      adapter: adapter.id,
      name: name ?? adapter.label,
      credentials,
      limits: { per_second: perSecond ?? null, concurrency: concurrency ?? null },
    });
    const result = test ? await connections.test(principal, made.id) : undefined;
    if (json) outJson({ ...made, ...(result ? { test: result } : {}) });
    else
      out(
        `Connection ${made.id} (${channelId}, ${adapter.label}).${made.callback_url ? `\nCallbacks  ${made.callback_url}` : ''}${result ? `\nTest       ${result.note}` : ''}`,
      );
  });
}

/** Work with the house: beside a running installation, or with its database started for the while. */
async function withDeps<T>(work: (deps: Deps) => Promise<T>): Promise<T> {
  const config = readConfig();
  return withDatabase(config, async (databaseUrl) => {
    await migrateUp(databaseUrl, migrations);
    // Whoever types a command reads its answer, which tells what a warning of the service would.
    const log = createLog('error');
    const deps = await createDeps({
      config: config.databaseUrl ? config : withKeys(config),
      databaseUrl,
      log,
      plugins: await loadPlugins(config.plugins, log),
      publicUrl: () => publicUrlOf(config, config.port),
    });
    try {
      return await work(deps);
    } finally {
      await deps.close();
    }
  });
}

async function withDatabase<T>(config: Config, work: (url: string) => Promise<T>): Promise<T> {
  if (config.databaseUrl) return work(config.databaseUrl);
  const found = await findEmbedded(config.dataDir);
  if (found) return work(found.url);
  // A command in the wrong folder must not make a database there.
  if (!existsSync(join(config.dataDir, 'embedded.json')))
    throw new Error(
      `There is no installation in ${config.dataDir}. Start one with npm start, or set DATA_DIR or DATABASE_URL.`,
    );
  process.stderr.write(
    `Carillon is not running in ${config.dataDir}; its database is started for this command alone. Start it with: npm start\n`,
  );
  let server: EmbeddedServer | undefined;
  try {
    server = await startEmbedded({ dataDir: config.dataDir, log: () => undefined });
    return await work(server.url);
  } finally {
    await server?.stop();
  }
}

function readSetting(
  pair: string,
  fields: readonly { name: string; type?: string }[],
): [string, string | number | boolean] {
  const at = pair.indexOf('=');
  if (at < 1) throw new Error(`--set ${pair}: write it as field=value`);
  const name = pair.slice(0, at);
  const value = pair.slice(at + 1);
  const type = fields.find((field) => field.name === name)?.type;
  if (type === 'number') return [name, Number(value)];
  if (type === 'boolean') return [name, value === 'true'];
  return [name, value];
}
