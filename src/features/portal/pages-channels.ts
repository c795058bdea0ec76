/** Channels: what is connected, is it well, and how does one connect it? Forms are drawn from the adapter's own fields. */
import type { AnyAdapter, AnyChannel, Field, Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { changeOf } from '../audit/index.ts';
import { type Faults, type Fields, faultsOf } from './forms.ts';
import { healthOf } from './health-words.ts';
import { markdown } from './markdown.ts';
import type { Connection, ConnectionsDoor, Limits } from './ports.ts';
import type { Site, Visit } from './site.ts';
import { safe } from './view.ts';

export interface ChannelPagesDeps {
  readonly site: Site;
  readonly connections: ConnectionsDoor;
  readonly registry: Registry;
}

/** Credentials travel under a prefix, so that a field called `name` is not the connection's own. */
const PREFIX = 'c_';
const inputOf = (path: string): string | undefined =>
  path.startsWith('credentials.')
    ? `${PREFIX}${path.slice('credentials.'.length)}`
    : path === 'name'
      ? 'name'
      : LIMITS.find((name) => path === `limits.${name}`);

const LIMITS = ['per_second', 'concurrency'] as const;

export function channelPages({ site, connections, registry }: ChannelPagesDeps): readonly Route[] {
  const found = (connection: Connection): { channel: AnyChannel; adapter: AnyAdapter } => {
    const known = registry.adapter(connection.adapter);
    // A plugin that was taken out of the configuration leaves its connections behind.
    if (!known) throw new ApiError('not_found');
    return known;
  };
  const addPage = (visit: Visit, channel: AnyChannel, adapter: AnyAdapter, faults?: Faults): Reply =>
    visit.render(
      'connection-new',
      { title: `Connect ${channel.label}`, section: 'channels', ...(faults ? { faults } : {}) },
      {
        channel: { id: channel.id, label: channel.label },
        adapter: { id: adapter.id, label: adapter.label },
        others: channel.adapters
          .filter(({ id }) => id !== adapter.id)
          .map(({ id, label }) => ({ id, label, channel: channel.id })),
        name: visit.fields.name ?? '',
        inputs: adapter.credentials.map((field) => draw(field, visit.fields)),
        limits: drawLimits(adapter, visit.fields),
        guide: safe(markdown(adapter.guide)),
      },
    );
  const connectionPage = async (visit: Visit, connection: Connection, faults?: Faults): Promise<Reply> => {
    const { channel, adapter } = found(connection);
    const posted = faults !== undefined && visit.fields.name !== undefined;
    return visit.render(
      'connection',
      { title: connection.name, section: 'channels', ...(faults ? { faults } : {}) },
      {
        connection,
        channel: { id: channel.id, label: channel.label },
        adapter: { id: adapter.id, label: adapter.label },
        callback: adapter.webhook ? connection.callback_url : undefined,
        name: posted ? visit.fields.name : connection.name,
        inputs: adapter.credentials.map((field) => draw(field, posted ? visit.fields : undefined, connection)),
        limits: drawLimits(adapter, posted ? visit.fields : undefined, connection),
        guide: safe(markdown(adapter.guide)),
        status: healthOf(connection),
      },
    );
  };
  const one = (visit: Visit) => connections.get(visit.principal, visit.params.connection_id ?? '');

  return [
    site.get('/portal/channels', 'Every channel, and what it is connected to.', async (visit) => {
      const { data } = await connections.list(visit.principal, { limit: 100 });
      return visit.render(
        'channels',
        { title: 'Channels', section: 'channels' },
        {
          channels: registry.channels.map((channel) => ({
            id: channel.id,
            label: channel.label,
            rule: rule(channel),
            adapters: channel.adapters.map(({ id, label }) => ({ id, label })),
            connections: data
              .filter((connection) => connection.channel === channel.id)
              .map((connection) => ({
                ...connection,
                adapter_label: registry.adapter(connection.adapter)?.adapter.label ?? connection.adapter,
                status: healthOf(connection),
              })),
          })),
        },
      );
    }),
    site.get(
      '/portal/connections/new',
      'The form for a new connection.',
      async (visit) => {
        if (visit.principal.mode !== 'live') return visit.go('/portal/channels');
        const channel = registry.channel(visit.query.channel ?? '');
        const adapter = channel?.adapters.find(({ id }) => id === visit.query.adapter) ?? channel?.adapters[0];
        if (!channel || !adapter) throw new ApiError('not_found');
        return addPage(visit, channel, adapter);
      },
      { query: ['channel', 'adapter'] },
    ),
    site.post(
      '/portal/connections',
      'Saves a new connection.',
      async (visit) => {
        const known = registry.adapter(visit.fields.adapter ?? '');
        if (!known) throw new ApiError('not_found');
        const { channel, adapter } = known;
        try {
          const made = await connections.create(visit.principal, {
            channel: channel.id,
            adapter: adapter.id,
            ...(visit.fields.name ? { name: visit.fields.name } : {}),
            credentials: readCredentials(adapter, visit.fields),
            limits: readLimits(visit.fields),
          });
          return {
            ...visit.go(`/portal/connections/${made.id}`, 'connection_added'),
            noted: changeOf(undefined, made),
          };
        } catch (error) {
          return addPage(visit, channel, adapter, faultsOf(error, inputOf));
        }
      },
      { audit: 'connection.created' },
    ),
    site.get('/portal/connections/:connection_id', 'One connection.', async (visit) =>
      connectionPage(visit, await one(visit)),
    ),
    site.post(
      '/portal/connections/:connection_id',
      'Saves a connection.',
      async (visit) => {
        const connection = await one(visit);
        const { adapter } = found(connection);
        try {
          const credentials = readCredentials(adapter, visit.fields, connection);
          const after = await connections.patch(visit.principal, connection.id, {
            ...(visit.fields.name ? { name: visit.fields.name } : {}),
            credentials,
            limits: readLimits(visit.fields),
          });
          return {
            ...visit.go(`/portal/connections/${connection.id}`, 'connection_saved'),
            noted: { ...changeOf(connection, after), credentials_given: Object.keys(credentials) },
          };
        } catch (error) {
          return connectionPage(visit, connection, faultsOf(error, inputOf));
        }
      },
      { audit: 'connection.updated' },
    ),
    site.post(
      '/portal/connections/:connection_id/test',
      'Asks the provider whether the credentials work.',
      async (visit) => {
        const path = `/portal/connections/${visit.params.connection_id}`;
        try {
          await connections.test(visit.principal, visit.params.connection_id ?? '');
          return visit.go(path, 'connection_ok');
        } catch (error) {
          if (!(error instanceof ApiError) || error.code !== 'connection_failed') throw error;
          // The reason is kept with the connection, unless the store of it lags; then it is in the refusal itself.
          return connectionPage(visit, await one(visit), { general: error.message, fields: {} });
        }
      },
      { audit: 'connection.tested' },
    ),
    site.post(
      '/portal/connections/:connection_id/default',
      'Makes it the one new messages use.',
      async (visit) => {
        const before = await one(visit);
        const after = await connections.patch(visit.principal, before.id, { is_default: true });
        return {
          ...visit.go(`/portal/connections/${before.id}`, 'connection_default'),
          noted: changeOf(before, after),
        };
      },
      { audit: 'connection.updated' },
    ),
    site.post(
      '/portal/connections/:connection_id/remove',
      'Removes a connection.',
      async (visit) => {
        const before = await one(visit);
        await connections.archive(visit.principal, before.id);
        return { ...visit.go('/portal/channels', 'connection_removed'), noted: changeOf(before, undefined) };
      },
      { audit: 'connection.archived' },
    ),
  ];
}

function rule(channel: AnyChannel): string {
  const { send, reply } = channel.templatePolicy;
  const opening = send === 'required' ? 'Templates only' : 'Template or plain text';
  const answer =
    reply === 'anytime' || send !== 'required'
      ? ''
      : `, free text within ${reply.hoursAfterInbound} hours of an answer`;
  const { receipts } = channel.capabilities;
  const told = receipts.length > 0 ? `Can report: ${receipts.join(', ')}.` : 'Reports nothing after the hand-over.';
  return `${opening}${answer}. ${told}`;
}

/** One input, ready to be drawn. A secret is never put back into a page. */
function draw(field: Field, typed: Fields | undefined, connection?: Connection) {
  const name = `${PREFIX}${field.name}`;
  const stored = connection?.settings[field.name];
  const value = field.secret ? '' : (typed?.[name] ?? stored ?? field.default ?? '');
  const secret = connection?.secrets[field.name];
  const type = field.secret ? 'password' : (INPUTS[field.type ?? 'text'] ?? 'text');
  return {
    name,
    label: field.label,
    type,
    is_choice: field.type === 'choice',
    is_boolean: field.type === 'boolean',
    ticked: typed && Object.keys(typed).length > 0 ? typed[name] !== undefined : value === true || value === 'true',
    // A secret that is there may stay as it is.
    required: Boolean(field.required) && field.default === undefined && !secret?.set,
    optional: !field.required || Boolean(secret?.set),
    value: typeof value === 'boolean' ? '' : String(value),
    options: (field.options ?? []).map((option) => ({ option, chosen: option === String(value) })),
    ...(field.min === undefined ? {} : { min: field.min }),
    ...(field.max === undefined ? {} : { max: field.max }),
    placeholder: secret?.set
      ? `stored${secret.last_four ? `, ends in ${secret.last_four}` : ''}; empty keeps it`
      : field.example,
    help: field.help,
  };
}
const INPUTS: Readonly<Record<string, string>> = { phone: 'tel', email: 'email', url: 'url', number: 'number' };

/** Texts of a form as the values of the adapter's fields. When changing, an empty secret stays and an emptied setting goes. */
function readCredentials(adapter: AnyAdapter, fields: Fields, connection?: Connection): Record<string, unknown> {
  return Object.fromEntries(
    adapter.credentials.flatMap((field): [string, unknown][] => {
      const text = fields[`${PREFIX}${field.name}`]?.trim() ?? '';
      if (field.type === 'boolean') return [[field.name, text !== '']];
      if (text === '') return connection && !field.secret && !field.required ? [[field.name, null]] : [];
      // What is no number goes on as it is, so that the door says what is wrong with it.
      if (field.type === 'number') return [[field.name, Number.isNaN(Number(text)) ? text : Number(text)]];
      return [[field.name, text]];
    }),
  );
}

/** Empty is the adapter's own, which the field shows. */
const drawLimits = (adapter: AnyAdapter, typed: Fields | undefined, connection?: Connection) => ({
  per_second: typed?.per_second ?? connection?.limits.per_second ?? '',
  concurrency: typed?.concurrency ?? connection?.limits.concurrency ?? '',
  assumed: { per_second: adapter.perSecond, concurrency: adapter.concurrency },
});

/** A form shows every limit, so an empty one was emptied; one that it did not show stays. What is no number is the door's to refuse. */
const readLimits = (fields: Fields): Limits =>
  Object.fromEntries(
    LIMITS.flatMap((name): [string, unknown][] => {
      const text = fields[name]?.trim();
      return text === undefined ? [] : [[name, text === '' ? null : Number(text)]];
    }),
  );
