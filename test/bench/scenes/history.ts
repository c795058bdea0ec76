/**
 * What a message costs when many are stored: processor time of the API and of PostgreSQL for one that is accepted and looked
 * up, in a store that holds many of the same tenant over half a year, against one that holds few. Both stores are filled by
 * the same SQL, and asked in turns.
 */
import { cpuSecondsOf } from '../lib/load.ts';
import { inTurns, type Side } from '../lib/rounds.ts';
import { ratios, spread } from '../lib/stats.ts';
import { get, sendRequest } from '../sample.ts';
import { type Database, openAccount, startProduct } from '../stage.ts';
import { absolute, type Context, loaded, missing, type Scene, withAll } from './scene.ts';

const MONTHS = 6;
const CONNECTIONS = 64;
/** On disk for each message, half-filled pages and three indexes and the log included. */
const KB_A_MESSAGE = 2.5;
/** A fill that is slower ends the scene. */
const LEAST_PER_SECOND = 15_000;

/** Copies of the one message that is there, spread over months that get their partitions first. */
async function fill(database: Database, count: number): Promise<void> {
  await database.query(`set statement_timeout = ${60_000 + (count / LEAST_PER_SECOND) * 1_000}`);
  for (let back = MONTHS - 1; back >= 0; back--) {
    const month = `date_trunc('month', now() at time zone 'utc') at time zone 'utc' - interval '${back} months'`;
    const [found] = await database.query<{ name: string; lower: string; upper: string }>(
      `select 'messages_' || to_char((${month}) at time zone 'utc', 'YYYYMM') as name, uuid_at(${month}) as lower,
         uuid_at(${month} + interval '1 month') as upper`,
    );
    if (!found) throw new Error('no month');
    await database.query(
      `create table if not exists ${found.name} partition of messages for values from ('${found.lower}') to ('${found.upper}')
       with (fillfactor = 45)`,
    );
    // Ids of version 7 from times that rise evenly up to the end of the month, or to a minute ago.
    await database.query(
      `insert into messages (id, created_at, expires_at, address, tenant_id, mode, channel, recipient, connection_id,
         template_version_id, template_slug, language, input, category, lane, on_unknown, actor_id, status, attempts, sent_at)
       select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(i % 4096), 3, '0') || '8'
           || substr(md5(i::text), 1, 14) || '0')::uuid,
         at, at + interval '1 day', '+1415' || 2000000 + i % 1000000, m.tenant_id, m.mode, m.channel, m.recipient, m.connection_id,
         m.template_version_id, m.template_slug, m.language, m.input, m.category, m.lane, m.on_unknown, m.actor_id, 'sent', 1, at
       from (select * from messages order by id desc limit 1) m,
         generate_series(1, ${Math.ceil(count / MONTHS)}) i,
         lateral (select ${month} + i * (least(${month} + interval '1 month', now()) - interval '1 minute' - (${month}))
           / ${Math.ceil(count / MONTHS)} as at) t`,
    );
  }
  await database.query('set statement_timeout = 0');
  await database.query('vacuum analyze messages');
  await database.query('checkpoint');
}

/** A store with so many messages and the API before it; a round gives microseconds a message. */
async function side(
  context: Context,
  keep: Parameters<Parameters<typeof withAll>[0]>[0],
  name: string,
  stored: number,
) {
  const { stage, scale, stub, generator } = context;
  const database = await keep(stage.database());
  const api = await keep(startProduct(stage, database.url, { role: 'api', stubPort: stub.info.port }));
  const { liveKey } = await openAccount(database.url, api, stub.info.port);
  const order = { port: api.port, connections: CONNECTIONS };
  await loaded(generator, { ...order, requests: [sendRequest(liveKey)], count: 1 });
  await fill(database, stored);
  const pids = [api.pid, stage.storePid as number];
  const run = async () => {
    const count = scale.queued;
    const before = cpuSecondsOf(pids);
    const { kept } = await loaded(generator, { ...order, requests: [sendRequest(liveKey)], count, keep: count });
    const requests = kept.map((body) =>
      get(`/api/v1/notifications/${JSON.parse(body).notification_id}`, { 'x-api-key': liveKey }),
    );
    await loaded(generator, { ...order, requests, count });
    return ((cpuSecondsOf(pids) - before) / count) * 1e6;
  };
  return { name, run } satisfies Side;
}

export const history: Scene = {
  figures: ['history'],
  run: (context) =>
    withAll(async (keep) => {
      const { stage, load, scale, say } = context;
      const [many, few] = scale.history;
      if (stage.storePid === undefined) return [missing('history', 'the database stands elsewhere')];
      const free = await stage.freeGb();
      if (free === undefined || free < 3 + (many * KB_A_MESSAGE) / 2 ** 20)
        return [
          missing('history', free === undefined ? 'how full the disk is cannot be told' : 'the disk is too full'),
        ];
      say(`  … ${many.toLocaleString('en')} messages are put into the store`);
      const sides = [await side(context, keep, 'many', many), await side(context, keep, 'few', few)];
      const { values, disturbed } = await inTurns(sides, { ...scale, load });
      const [ours = [], theirs = []] = [values.get('many'), values.get('few')];
      const text = (micros: readonly number[], count: number) =>
        `${Math.round(spread(micros).median)} µs at ${count.toLocaleString('en')}`;
      const detail = `${text(ours, many)} against ${text(theirs, few)}`;
      return [absolute('history', ratios(ours, theirs), detail, disturbed)];
    }),
};
