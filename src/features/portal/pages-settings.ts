/** What people change about themselves and their organization: names, defaults, the password, and where they are signed in. */
import type { Registry } from '../../channel-kit/index.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { changeOf } from '../audit/index.ts';
import { type Faults, faultsOf } from './forms.ts';
import type { ErasuresDoor, TenantsDoor } from './ports.ts';
import type { Site, Visit } from './site.ts';

export interface SettingsPagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly erasures: ErasuresDoor;
  readonly registry: Registry;
}

/** Names of inputs; `name` belongs to two forms, so each says which it means. */
const ORGANIZATION: Readonly<Record<string, string>> = {
  name: 'organization',
  default_country: 'default_country',
  default_language: 'default_language',
};
const named = (names: Readonly<Record<string, string>>) => (path: string) => names[path];

export function settingsPages({ site, tenants, erasures, registry }: SettingsPagesDeps): readonly Route[] {
  const page = async (visit: Visit, faults?: Faults, status?: number): Promise<Reply> => {
    const { email, name, hasPassword, unconfirmed, tenant } = await tenants.account(visit.principal);
    const typed = visit.fields;
    return visit.render(
      'settings',
      { title: 'Settings', section: 'settings', ...(faults ? { faults } : {}), ...(status ? { status } : {}) },
      {
        email,
        hasPassword,
        unconfirmed,
        form: {
          address: typed.address,
          name: typed.name ?? name,
          organization: typed.organization ?? tenant.name,
          default_country: typed.default_country ?? tenant.defaultCountry,
          default_language: typed.default_language ?? tenant.defaultLanguage,
        },
      },
    );
  };
  const refused = (visit: Visit, error: unknown, names: Readonly<Record<string, string>>): Promise<Reply> => {
    const faults = faultsOf(error, named(names));
    const { status } = error as { status: number };
    return page(visit, faults, status === 429 ? status : undefined);
  };

  return [
    site.get('/portal/settings', 'What can be changed about person and organization.', (visit) => page(visit)),
    site.post(
      '/portal/settings/profile',
      'Changes the name of the person.',
      async (visit) => {
        try {
          await tenants.rename(visit.principal, visit.fields.name ?? '');
        } catch (error) {
          return refused(visit, error, { name: 'name' });
        }
        return visit.go('/portal/settings', 'settings_saved');
      },
      { audit: 'user.updated' },
    ),
    site.post(
      '/portal/settings/organization',
      'Changes name and defaults of the organization.',
      async (visit) => {
        const { organization = '', default_country = '', default_language = '' } = visit.fields;
        const { tenant: before } = await tenants.account(visit.principal);
        let after: object;
        try {
          after = await tenants.updateTenant(visit.principal, {
            name: organization,
            defaultCountry: default_country.trim().toUpperCase() || null,
            defaultLanguage: default_language.trim() || null,
          });
        } catch (error) {
          return refused(visit, error, ORGANIZATION);
        }
        return { ...visit.go('/portal/settings', 'settings_saved'), noted: changeOf(before, after) };
      },
      { audit: 'tenant.updated' },
    ),
    site.post('/portal/settings/password', 'Changes the password and signs every other browser out.', async (visit) => {
      const { old_password: oldPassword = '', password = '' } = visit.fields;
      try {
        const { ip } = visit.request;
        const { token } = await tenants.changePassword(visit.principal, { oldPassword, password, ip });
        return visit.go('/portal/settings', 'password_set', [site.signedIn(token)]);
      } catch (error) {
        return refused(visit, error, { old_password: 'old_password', password: 'password' });
      }
    }),
    site.post(
      '/portal/settings/erase',
      'Erases a person from the data of this mode.',
      async (visit) => {
        const address = (visit.fields.address ?? '').trim();
        // Whichever channel reads an address from it.
        const names = registry.channels.flatMap(({ recipient }) => recipient.map(({ name }) => name));
        try {
          const recipient = Object.fromEntries(names.map((name) => [name, address]));
          const { status } = await erasures.erase(visit.principal, { recipient });
          return visit.go('/portal/settings', status === 'completed' ? 'erased' : 'erasing');
        } catch (error) {
          return refused(visit, error, { recipient: 'address' });
        }
      },
      { audit: 'recipient.erased' },
    ),
    site.post(
      '/portal/settings/sign-out',
      'Signs every browser out, this one too.',
      async (visit) => {
        await tenants.signOutEverywhere(visit.principal.actor.id);
        return visit.go('/portal/login', 'signed_out_everywhere', site.signedOut());
      },
      { audit: 'session.ended_everywhere' },
    ),
  ];
}
