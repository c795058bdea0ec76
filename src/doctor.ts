/** `carillon doctor`: looks at everything an installation stands on, and says what to do about what it finds. */
import { migrations } from '../migrations/index.ts';
import { createDeps } from './deps.ts';
import { type Config, isLoopback, publicUrlOf } from './lib/config.ts';
import { createDb, READER_ROLE } from './lib/db.ts';
import { findEmbedded } from './lib/embedded.ts';
import { createLog } from './lib/log.ts';
import { checkSchema } from './lib/migrate.ts';
import { withKeys } from './main.ts';

export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly text: string;
  readonly fix?: string;
}

/** Changes nothing. */
export async function examine(config: Config): Promise<readonly Finding[]> {
  const found = config.databaseUrl ? undefined : await findEmbedded(config.dataDir);
  const url = config.databaseUrl ?? found?.url;
  if (!url)
    return [
      {
        name: 'database',
        ok: false,
        text: `no embedded database is running in ${config.dataDir}`,
        fix: 'Start it with npm start, or set DATABASE_URL.',
      },
    ];
  const findings: Finding[] = [];
  const log = createLog('silent');
  const look = async (name: string, fix: string, work: () => Promise<string>): Promise<void> => {
    try {
      findings.push({ name, ok: true, text: await work() });
    } catch (error) {
      findings.push({
        name,
        ok: false,
        text: (error as Error).message || String((error as { code?: string }).code),
        fix,
      });
    }
  };

  const db = createDb({ url, log, connections: 2 });
  try {
    await look('database', 'Check DATABASE_URL, that the server runs, and that it lets this machine in.', async () => {
      const [row] = await db.query<{ version: string; number: number }>(
        `select current_setting('server_version') as version, current_setting('server_version_num')::int as number`,
      );
      if (!row || row.number < 150_000) throw new Error(`PostgreSQL ${row?.version} is too old; 15 or newer is needed`);
      return `PostgreSQL ${row.version}`;
    });
    if (!findings[0]?.ok) return findings;
    await look('schema', 'Run: carillon migrate', async () => {
      await checkSchema(url, migrations);
      return `at ${migrations.at(-1)?.name}`;
    });
    await look(
      'durability',
      'Turn synchronous_commit on: with it off, an acknowledged message can be lost with the machine.',
      async () => {
        const [row] = await db.query<{ commit: string; fsync: string }>(
          `select current_setting('synchronous_commit') as commit, current_setting('fsync') as fsync`,
        );
        if (row?.commit === 'off' || row?.fsync === 'off')
          throw new Error(`synchronous_commit is ${row.commit}, fsync is ${row.fsync}`);
        return 'an acknowledged message is on disk';
      },
    );
    await look(
      'isolation',
      `As a superuser: create role ${READER_ROLE} nologin; grant ${READER_ROLE} to <the user of DATABASE_URL>; then take the migrations down and up, or grant by hand as 0010 does.`,
      async () => {
        const [who] = await db.read('00000000-0000-0000-0000-000000000000', (sql) =>
          sql.query<{ name: string }>(
            'select current_user::text as name from (select 1 from tenants limit 1) t right join (select 1) one on true',
          ),
        );
        if (who?.name !== READER_ROLE) throw new Error(`reads run as ${who?.name}`);
        const [row] = await db.query<{ enabled: boolean }>(
          `select relrowsecurity as enabled from pg_class where oid = 'messages'::regclass`,
        );
        if (!row?.enabled) throw new Error('row-level security is off');
        return 'reads are confined to one tenant by row-level security';
      },
    );
    const deps = await createDeps({
      config: config.databaseUrl ? config : withKeys(config),
      databaseUrl: url,
      log,
      publicUrl: () => publicUrlOf(config, config.port),
    });
    try {
      await look(
        'queue',
        config.redisUrl
          ? 'Check REDIS_URL and that the server runs. Messages are delivered all the same, up to a second later.'
          : 'The queue lives in the database; see above.',
        async () => {
          await deps.queues.check();
          return deps.queues.kind === 'redis' ? 'Redis answers' : 'on PostgreSQL';
        },
      );
      const { mail } = deps;
      if (mail)
        await look(
          'mail',
          'Check SYSTEM_SMTP_URL: host, port, user, password, and that this machine may connect.',
          () => mail.check(),
        );
      await look('keys', 'Add the key that sealed them to the end of ENCRYPTION_KEYS.', async () => {
        const rows = await db.query<{ id: string }>(`select id from connections where archived_at is null`);
        const open = await deps.connections.open(rows.map(({ id }) => id));
        if (open.size < rows.length)
          throw new Error(
            `${rows.length - open.size} of ${rows.length} connections cannot be unsealed with the keys that are loaded`,
          );
        return `${rows.length} connection(s) can be unsealed`;
      });
      await look('connections', 'Open Channels in the portal and press Test beside the one that fails.', async () => {
        const rows = await db.query<{ channel: string; name: string; note: string | null }>(
          `select channel, name, health_note as note from connections where archived_at is null and mode = 'live' and health = 'failing'`,
        );
        if (rows.length > 0)
          throw new Error(
            rows.map(({ channel, name, note }) => `${channel} "${name}" fails${note ? `: ${note}` : ''}`).join('; '),
          );
        return 'none is known to fail';
      });
    } finally {
      await deps.close();
    }
    const publicHost = new URL(publicUrlOf(config, config.port)).hostname;
    findings.push(
      isLoopback(publicHost)
        ? {
            name: 'public address',
            ok: true,
            text: `${publicUrlOf(config, config.port)}: providers cannot call back to it; test keys work, live receipts do not arrive`,
            fix: 'For live sending set PUBLIC_URL to the address under which this installation is reachable.',
          }
        : { name: 'public address', ok: true, text: publicUrlOf(config, config.port) },
    );
    return findings;
  } finally {
    await db.close();
  }
}
