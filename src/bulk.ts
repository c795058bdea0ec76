/**
 * `carillon bulk`: sends a file to many people and shows how far it is. What is interrupted loses nothing: an upload goes on
 * under its key, and a delivery never needed this window.
 */
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { type Client, createClient } from './lib/client.ts';
import { publicUrlOf, readConfig } from './lib/config.ts';
import { ApiError } from './lib/errors.ts';
import { newId } from './lib/ids.ts';
import { out, progress } from './terminal.ts';

const BULK = '/api/v1/notifications/bulk';

interface Where {
  key: string;
  url?: string;
}
interface SendOptions extends Where {
  template?: string;
  channel?: string[];
  subject?: string;
  body?: string;
  language?: string;
  name?: string;
  sendAt?: string;
  resume?: string;
  watch: boolean;
}

/** What the server tells of a bulk, as far as it is shown. */
interface Bulk {
  bulk_id: string;
  status: string;
  accepted: number;
  rejected: number;
  counts: { queued: number; sent: number; delivered: number; failed: number };
  rate_per_second: number;
  estimated_finish_at?: string;
  results_url: string;
}

export function bulkCommand(): Command {
  const key = () => new Option('--key <key>', 'an API key').env('API_KEY').makeOptionMandatory();
  const url = () => new Option('--url <url>', 'of the installation; default: the one on this machine');
  const bulk = new Command('bulk').description('one message for many people');
  bulk
    .command('send')
    .description('send a CSV (or NDJSON whose first line says what to send) and watch it being delivered')
    .argument('<file>', 'one line for each person, under a line that names the columns')
    .option('--template <template>', 'what to send')
    .option('--channel <channel...>', 'on what; default: the channels the template has content for')
    .option('--subject <text>', 'raw text instead of a template')
    .option('--body <text>', 'raw text instead of a template')
    .option('--language <tag>', 'such as en')
    .option('--name <name>', 'for people, in lists')
    .option('--send-at <time>', 'not before this time, such as 2026-12-01T09:00:00Z')
    .option('--resume <key>', 'go on with an upload that was interrupted')
    .option('--no-watch', 'leave when everything is accepted')
    .addOption(key())
    .addOption(url())
    .action(send);
  bulk
    .command('watch')
    .description('show how far a bulk is')
    .argument('<bulk_id>')
    .addOption(key())
    .addOption(url())
    .action(async (id: string, where: Where) => watch(clientOf(where), id, where));
  return bulk;
}

const clientOf = ({ key, url }: Where): Client => {
  const config = readConfig();
  return createClient({ url: (url ?? publicUrlOf(config, config.port)).replace(/\/+$/, ''), key });
};

async function send(file: string, options: SendOptions): Promise<void> {
  const client = clientOf(options);
  const { size } = await stat(file).catch(() => {
    throw new Error(`There is no file ${file}.`);
  });
  const lines = /\.(ndjson|jsonl)$/i.test(file);
  const query = queryOf(lines ? options : await withChannels(client, options));
  if (lines && query) throw new Error('The first line of NDJSON says what to send: leave the options out.');
  const idempotencyKey = options.resume ?? newId();
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  process.once('SIGINT', stop);
  try {
    const accepted = await untilFree(stopped.signal, () =>
      client.upload({
        path: `${BULK}${query && `?${query}`}`,
        file,
        type: lines ? 'application/x-ndjson' : 'text/csv',
        idempotencyKey,
        signal: stopped.signal,
        onBytes: (bytes) => progress('Uploading', bytes, size, `${megabytes(bytes)} of ${megabytes(size)} MB`),
      }),
    );
    process.off('SIGINT', stop);
    const bulk = accepted as unknown as Bulk;
    out(`\n${count(bulk.accepted)} accepted, ${count(bulk.rejected)} rejected: ${bulk.bulk_id}`);
    if (bulk.rejected > 0) out(`What is wrong with them: GET ${bulk.results_url}?format=csv`);
    if (options.watch) await watch(client, bulk.bulk_id, options);
  } catch (error) {
    if (
      error instanceof ApiError &&
      !['upload_interrupted', 'unavailable', 'idempotency_in_progress'].includes(error.code)
    )
      throw error;
    out(`\nInterrupted; nothing was sent. Go on with:\n\n  ${again(file, options, idempotencyKey)}\n`);
    if (!stopped.signal.aborted) throw error;
    process.exitCode = 130;
  } finally {
    process.off('SIGINT', stop);
  }
}

/** What was cut off a moment ago may still be held by its old connection. */
async function untilFree<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'idempotency_in_progress' || tries >= 15) throw error;
      await delay(Number(error.headers['Retry-After'] ?? 5) * 1_000, undefined, { signal });
    }
  }
}

async function withChannels(client: Client, options: SendOptions): Promise<SendOptions> {
  if (options.channel || !options.template) return options;
  const { content } = await client.get(`/api/v1/templates/${encodeURIComponent(options.template)}`);
  return { ...options, channel: Object.keys(content as object) };
}

function queryOf({ template, channel, subject, body, language, name, sendAt }: SendOptions): string {
  const said = { template_id: template, channels: channel?.join(','), subject, body, language, name, send_at: sendAt };
  const given = Object.entries(said).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return new URLSearchParams(given).toString();
}

/** The command as it is typed again. */
function again(
  file: string,
  { key: _, resume: __, watch: ___, channel, sendAt, ...rest }: SendOptions,
  key: string,
): string {
  const quoted = (text: string): string => (/^[\w./:@+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
  const flags = Object.entries({ ...rest, 'send-at': sendAt }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name} ${quoted(value)}`],
  );
  const channels = channel ? [`--channel ${channel.map(quoted).join(' ')}`] : [];
  return ['carillon bulk send', quoted(file), ...flags, ...channels, '--resume', key].join(' ');
}

const LOOK_MS = 1_000;
const OVER = ['completed', 'cancelled', 'interrupted'];

async function watch(client: Client, id: string, where: Where): Promise<void> {
  const left = new AbortController();
  const leave = () => left.abort();
  process.once('SIGINT', leave);
  try {
    for (;;) {
      const bulk = (await client.get(`${BULK}/${id}`)) as unknown as Bulk;
      const { queued, sent, delivered, failed } = bulk.counts;
      const all = queued + sent + delivered + failed;
      const finish = bulk.estimated_finish_at ? `, done about ${bulk.estimated_finish_at.slice(0, 19)}Z` : '';
      const counts = `${count(queued)} queued, ${count(sent)} sent, ${count(delivered)} delivered, ${count(failed)} failed`;
      progress(bulk.status, all - queued, all, `${counts}; ${bulk.rate_per_second} a second${finish}`);
      if (OVER.includes(bulk.status)) return out('');
      await delay(LOOK_MS, undefined, { signal: left.signal });
    }
  } catch (error) {
    if (!left.signal.aborted) throw error;
    out(
      `\nIt goes on without this window. Look again with:\n\n  carillon bulk watch ${id}${where.url ? ` --url ${where.url}` : ''}\n`,
    );
  } finally {
    process.off('SIGINT', leave);
  }
}

const count = (value: number): string => value.toLocaleString('en');
const megabytes = (bytes: number): string => (bytes / 1_048_576).toFixed(1);
