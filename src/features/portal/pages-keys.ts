/** API keys: made with a name, a mode and scopes; shown once; changed; rotated; revoked. */
import type { Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Reply, Route, Scope } from '../../lib/http.ts';
import { changeOf } from '../audit/index.ts';
import { type Faults, type Fields, faultsOf, lastPart } from './forms.ts';
import type { TenantsDoor } from './ports.ts';
import { firstSend } from './samples.ts';
import type { Site, Visit } from './site.ts';

export interface KeyPagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly registry: Registry;
  readonly publicUrl: () => string;
}

const SCOPES: readonly { readonly scope: Scope; readonly label: string; readonly help: string }[] = [
  { scope: 'send', label: 'Send', help: 'Send, cancel and retry notifications.' },
  { scope: 'read', label: 'Read', help: 'Look at what was sent, and at templates.' },
  { scope: 'manage', label: 'Manage', help: 'Change keys, connections, templates and settings.' },
];
/** How long the old key may go on working after a rotation. */
const GRACES: readonly { readonly seconds: number; readonly label: string }[] = [
  { seconds: 0, label: 'stops at once' },
  { seconds: 3_600, label: 'works for another hour' },
  { seconds: 86_400, label: 'works for another day' },
];

export function keyPages({ site, tenants, registry, publicUrl }: KeyPagesDeps): readonly Route[] {
  const { keys } = tenants;

  const list = async (visit: Visit, faults?: Faults): Promise<Reply> => {
    const cursor = visit.query.cursor;
    const page = await keys.list(visit.principal, { limit: 50, cursor });
    const posted = visit.request.method === 'POST';
    const ticked = posted ? visit.values('scopes') : ['send', 'read'];
    return visit.render(
      'keys',
      { title: 'API keys', section: 'keys', ...(faults ? { faults } : {}) },
      {
        rows: page.data.map((key) => ({ ...key, active: key.status === 'active' })),
        graces: GRACES,
        next: page.next_cursor ? `/portal/keys?cursor=${encodeURIComponent(page.next_cursor)}` : undefined,
        form: { name: visit.fields.name, live: (visit.fields.mode ?? visit.principal.mode) === 'live' },
        scopes: SCOPES.map((entry) => ({ ...entry, ticked: ticked.includes(entry.scope) })),
        opened: posted,
      },
    );
  };
  const shownOnce = (visit: Visit, made: { readonly id: string; readonly key: string }, before?: object): Reply => ({
    ...visit.go(`/portal/keys/${made.id}/shown`, undefined, [site.handOver(visit.token, { key: made.key })]),
    noted: changeOf(before, made),
  });

  const edit = async (visit: Visit, faults?: Faults): Promise<Reply> => {
    const key = await keys.get(visit.principal, visit.params.key_id ?? '');
    const typed = faults ? visit.fields : undefined;
    return visit.render(
      'key-edit',
      { title: key.name, section: 'keys', ...(faults ? { faults } : {}) },
      {
        key,
        ip: visit.request.ip,
        form: {
          name: typed?.name ?? key.name,
          allowed_ips: typed?.allowed_ips ?? key.allowed_ips?.join('\n'),
          requests: typed?.requests ?? key.rate_limit?.requests,
          seconds: typed?.seconds ?? key.rate_limit?.seconds,
        },
      },
    );
  };

  return [
    site.get('/portal/keys', 'The keys of this mode.', (visit) => list(visit), { query: ['cursor'] }),
    site.post(
      '/portal/keys',
      'Makes a key.',
      async (visit) => {
        const scopes = SCOPES.map(({ scope }) => scope).filter((scope) => visit.values('scopes').includes(scope));
        if (scopes.length === 0)
          return list(visit, { fields: { scopes: 'Tick at least one: a key that may do nothing is of no use.' } });
        const mode = visit.fields.mode === 'live' ? 'live' : 'sandbox';
        try {
          const made = await keys.create({ ...visit.principal, mode }, { name: visit.fields.name ?? '', scopes });
          return shownOnce(visit, made);
        } catch (error) {
          return list(visit, faultsOf(error, lastPart('name', 'scopes')));
        }
      },
      { audit: 'key.created' },
    ),
    site.get('/portal/keys/:key_id/shown', 'A new key, shown once.', async (visit) => {
      const { secret, cookie } = site.takeOver(visit);
      if (!secret?.key) return visit.go('/portal/keys', 'key_gone');
      return visit.render(
        'key-shown',
        { title: 'Your new key', section: 'keys', cookies: [cookie] },
        { key: secret.key, curl: firstSend(registry, { baseUrl: publicUrl(), key: secret.key }) },
      );
    }),
    site.get('/portal/keys/:key_id', 'What a key may do, and from where.', (visit) => edit(visit)),
    site.post(
      '/portal/keys/:key_id',
      'Changes a key.',
      async (visit) => {
        const read = readForm(visit.fields);
        if ('faults' in read) return edit(visit, read.faults);
        try {
          const before = await keys.get(visit.principal, visit.params.key_id ?? '');
          const after = await keys.update(visit.principal, before.id, read.change, visit.request.ip);
          return { ...visit.go('/portal/keys', 'key_saved'), noted: changeOf(before, after) };
        } catch (error) {
          return edit(visit, faultsOf(error, inputOf));
        }
      },
      { audit: 'key.updated' },
    ),
    site.post(
      '/portal/keys/:key_id/rotate',
      'Replaces a key by a new one.',
      async (visit) => {
        const grace = GRACES.find(({ seconds }) => String(seconds) === visit.fields.grace) ?? GRACES[0];
        try {
          const before = await keys.get(visit.principal, visit.params.key_id ?? '');
          const made = await keys.rotate(visit.principal, before.id, {
            grace_seconds: grace?.seconds ?? 0,
          });
          return shownOnce(visit, made, before);
        } catch (error) {
          if (error instanceof ApiError && (error.status === 409 || error.code === 'address_unconfirmed'))
            return list(
              visit,
              faultsOf(error, () => undefined),
            );
          throw error;
        }
      },
      { audit: 'key.rotated' },
    ),
    site.post(
      '/portal/keys/:key_id/revoke',
      'Ends a key.',
      async (visit) => {
        const before = await keys.get(visit.principal, visit.params.key_id ?? '');
        const after = await keys.revoke(visit.principal, before.id);
        return { ...visit.go('/portal/keys', 'key_revoked'), noted: changeOf(before, after) };
      },
      { audit: 'key.revoked' },
    ),
  ];
}

/** Of a list, the input is one. */
const inputOf = (path: string): string | undefined =>
  path.startsWith('allowed_ips') ? 'allowed_ips' : lastPart('name', 'requests', 'seconds')(path);

type Change = Parameters<TenantsDoor['keys']['update']>[2];

/** As it was typed: one address a line, or with commas; a limit has both numbers or none. */
function readForm({
  name = '',
  allowed_ips = '',
  requests = '',
  seconds = '',
}: Fields): { readonly change: Change } | { readonly faults: Faults } {
  const list = allowed_ips.split(/[\s,;]+/).filter(Boolean);
  const numbers = [requests.trim(), seconds.trim()] as const;
  const missing = numbers.indexOf('');
  if (missing >= 0 && numbers.some((text) => text !== ''))
    return { faults: { fields: { [missing === 0 ? 'requests' : 'seconds']: 'A limit needs both numbers.' } } };
  const rate_limit = missing >= 0 ? null : { requests: Number(numbers[0]), seconds: Number(numbers[1]) };
  return { change: { name, allowed_ips: list.length > 0 ? list : null, rate_limit } };
}
