/** `carillon doctor`: looks at everything an installation stands on, and says what to do about what it finds. */
import { migrations } from '../migrations/index.ts';
import { createDeps, type Deps } from './deps.ts';
import { keyStates } from './keys.ts';
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

/** Changes nothing. `at`: where the database is; an embedded one may have been started for this alone. */
export async function examine(config: Config, at = config.databaseUrl): Promise<readonly Finding[]> {
  const url = at ?? (await findEmbedded(config.dataDir))?.url;
  const stopped: Finding = {
    name: 'database',
    ok: false,
    text: `no embedded database is running in ${config.dataDir}`,
    fix: 'Start it with npm start, or set DATABASE_URL.',
  };
  if (!url) return [stopped];
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
    let deps: Deps;
    try {
      deps = await createDeps({
        config: config.databaseUrl ? config : withKeys(config),
        databaseUrl: url,
        log,
        publicUrl: () => publicUrlOf(config, config.port),
      });
    } catch (error) {
      return [
        ...findings,
        { name: 'keys', ok: false, text: (error as Error).message, fix: 'Put the missing key into ENCRYPTION_KEYS.' },
      ];
    }
    try {
      await look(
        'queue',
        config.redisUrl
          ? 'Check REDIS_URL and that the server runs. Messages are delivered all the same, up to a second later.'
          : 'The queue lives in the database; see above.',
        async () => {
          await deps.queues.check();
          const unfit = await deps.queues.unfit();
          if (unfit) throw new Error(unfit);
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
        const states = await keyStates(deps);
        const lost = states.filter(({ loaded }) => !loaded);
        if (lost.length > 0)
          throw new Error(
            `${lost.map(({ id, rows }) => `${rows} row(s) are sealed with ${id}`).join(', ')}, not loaded`,
          );
        const old = states.filter(({ newest, rows }) => !newest && rows > 0);
        return `${rows.length} connection(s) can be unsealed${old.length > 0 ? `; still sealed with ${old.map(({ id }) => id).join(', ')}: carillon keys rotate` : ''}`;
      });
      await look(
        'restore',
        'carillon quarantine list shows it; carillon quarantine release, or discard, decides about it.',
        async () => {
          const { active, reason, since, messages } = await deps.custody.list();
          if (active) throw new Error(`${messages} message(s) wait for you since ${since}: ${reason}`);
          const [row] = await db.query<{ may: boolean }>(
            `select has_function_privilege('pg_control_system()', 'execute') as may`,
          );
          return `nothing waits; a restore is recognised by the store's own record${row?.may ? ', its server and its timeline' : ' (this user may not ask for server and timeline)'}`;
        },
      );
      await look('audit', 'Run: carillon verify', async () => {
        const head = await deps.audit.head();
        return head
          ? `${head.position} row(s) are sealed; the chain ends with ${head.hash}: note it elsewhere now and then`
          : 'nothing is sealed yet';
      });
      await look(
        'erasures',
        'Put the missing key back into ENCRYPTION_KEYS, or look into the log; it goes on by itself then.',
        async () => {
          const stuck = await deps.erasures.stuck();
          if (stuck.length > 0) throw new Error(stuck.map(({ id, failure }) => `${id}: ${failure}`).join('; '));
          return 'every one that was asked for goes on or is done';
        },
      );
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
