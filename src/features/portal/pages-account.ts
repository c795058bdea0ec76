/** Coming and going: sign up, sign in, the one-time link, the key shown once, sign out, the switch between test and live. */
import type { Registry } from '../../channel-kit/index.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { faultsOf, lastPart } from './forms.ts';
import type { TenantsDoor } from './ports.ts';
import { firstSend } from './samples.ts';
import { ownPath, type Site, type Visit } from './site.ts';

export interface AccountPagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  readonly registry: Registry;
  readonly publicUrl: () => string;
  /** Who may make an account here. */
  readonly signUp: 'open' | 'invite' | 'closed';
  /** Whether addresses are confirmed by mail; without a mail server they are not, and the page says so. */
  readonly confirmsMail: boolean;
}

export function accountPages({
  site,
  tenants,
  registry,
  publicUrl,
  signUp,
  confirmsMail,
}: AccountPagesDeps): readonly Route[] {
  const signUpPage = async (visit: Visit, faults?: ReturnType<typeof faultsOf>, status?: number): Promise<Reply> => {
    const given = visit.fields.token ?? visit.query.token;
    const invited = given && signUp !== 'closed' ? await tenants.invitationFor(given) : undefined;
    return visit.render(
      'signup',
      {
        title: 'Create an account',
        layout: 'public',
        ...(faults ? { faults } : {}),
        ...(status ? { status } : {}),
      },
      {
        form: { ...visit.fields, email: visit.fields.email ?? invited },
        closed: signUp === 'closed',
        uninvited: signUp === 'invite' && invited === undefined,
        // An invitation that is not needed and not good is left out.
        link: signUp === 'invite' || invited !== undefined ? given : undefined,
        confirmsMail,
        channels: registry.channels.map((c) => c.label),
      },
    );
  };
  const signInPage = (visit: Visit, general?: string, status?: number): Reply =>
    visit.render(
      'login',
      {
        title: 'Sign in',
        layout: 'public',
        ...(general ? { faults: { general, fields: {} } } : {}),
        ...(status ? { status } : {}),
      },
      { form: visit.fields, next: visit.fields.next ?? visit.query.next, open: signUp === 'open' },
    );

  return [
    site.get('/portal/signup', 'The form for a new account.', (visit) => signUpPage(visit), {
      open: true,
      query: ['token'],
    }),
    site.post(
      '/portal/signup',
      'Makes the account, its first person and its first key.',
      async (visit) => {
        if (signUp === 'closed') return signUpPage(visit);
        const { organization = '', name = '', email = '', password = '', token: invitation } = visit.fields;
        const { ip } = visit.request;
        try {
          const { token, key } = await tenants.signUp({ organization, name, email, password, invitation, ip });
          return visit.go('/portal/welcome', undefined, [site.signedIn(token), site.handOver(token, { key })]);
        } catch (error) {
          const faults = faultsOf(error, lastPart('organization', 'name', 'email', 'password'));
          return signUpPage(visit, faults, (error as ApiError).status === 429 ? 429 : undefined);
        }
      },
      { open: true },
    ),
    site.get('/portal/welcome', 'The first key, shown once.', async (visit) => {
      const { secret, cookie } = site.takeOver(visit);
      if (!secret?.key) return visit.go('/portal');
      return visit.render(
        'key-shown',
        { title: `Welcome, ${visit.session?.user.name ?? ''}`, section: 'home', cookies: [cookie] },
        {
          key: secret.key,
          welcome: true,
          curl: firstSend(registry, { baseUrl: publicUrl(), key: secret.key }),
        },
      );
    }),

    site.get(
      '/portal/login',
      'The form to sign in.',
      async (visit) => (visit.session ? visit.go('/portal') : signInPage(visit)),
      {
        open: true,
        query: ['next'],
      },
    ),
    site.post(
      '/portal/login',
      'Signs in.',
      async (visit) => {
        const { email = '', password = '', next } = visit.fields;
        try {
          const { token } = await tenants.signIn({ email, password, ip: visit.request.ip });
          return visit.go(ownPath(next), undefined, [site.signedIn(token)]);
        } catch (error) {
          if (error instanceof ApiError && (error.status === 401 || error.status === 429 || error.status === 422))
            return signInPage(visit, error.message, error.status);
          throw error;
        }
      },
      { open: true },
    ),
    site.post('/portal/logout', 'Signs out, on the server too.', async (visit) => {
      await tenants.signOut(visit.token);
      return visit.go('/portal/login', 'signed_out', site.signedOut());
    }),

    site.get(
      '/portal/enter',
      'A one-time sign-in link. Looking at it spends nothing, so that a mail scanner cannot use it up.',
      async (visit) => visit.render('enter', { title: 'Sign in', layout: 'public' }, { link: visit.query.token }),
      { open: true, query: ['token'] },
    ),
    site.post(
      '/portal/enter',
      'Spends the link and signs in.',
      async (visit) => {
        try {
          const token = await tenants.redeem(visit.fields.token ?? '');
          return visit.go('/portal', undefined, [site.signedIn(token)]);
        } catch (error) {
          if (error instanceof ApiError && (error.status === 404 || error.status === 401))
            return visit.go('/portal/login', 'link_used');
          throw error;
        }
      },
      { open: true },
    ),

    site.post('/portal/mode', 'Switches between test and live.', async (visit) => {
      const mode = visit.fields.mode === 'live' ? 'live' : 'sandbox';
      await tenants.setMode(visit.token, mode);
      return visit.go(ownPath(visit.fields.next), mode === 'live' ? 'mode_live' : 'mode_test');
    }),
  ];
}
