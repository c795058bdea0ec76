/** API keys: made with a name, a mode and scopes; shown once; rotated; revoked. */
import type { Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Reply, Route, Scope } from '../../lib/http.ts';
import { type Faults, faultsOf, lastPart } from './forms.ts';
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
  const shownOnce = (visit: Visit, { id, key }: { readonly id: string; readonly key: string }): Reply =>
    visit.go(`/portal/keys/${id}/shown`, undefined, [site.handOver(visit.token, { key })]);

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
    site.post(
      '/portal/keys/:key_id/rotate',
      'Replaces a key by a new one.',
      async (visit) => {
        const grace = GRACES.find(({ seconds }) => String(seconds) === visit.fields.grace) ?? GRACES[0];
        try {
          const made = await keys.rotate(visit.principal, visit.params.key_id ?? '', {
            grace_seconds: grace?.seconds ?? 0,
          });
          return shownOnce(visit, made);
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
        await keys.revoke(visit.principal, visit.params.key_id ?? '');
        return visit.go('/portal/keys', 'key_revoked');
      },
      { audit: 'key.revoked' },
    ),
  ];
}
