/**
 * Links that came by mail or from the operator: to confirm an address, to set a new password. Looking at such a page spends
 * nothing; its button does. What a guest is told is the same whether there is an account or not.
 */
import { ApiError } from '../../lib/errors.ts';
import type { Reply, Route } from '../../lib/http.ts';
import { type Faults, faultsOf, lastPart } from './forms.ts';
import type { TenantsDoor } from './ports.ts';
import { ownPath, type Site, type Visit } from './site.ts';

export interface RecoveryPagesDeps {
  readonly site: Site;
  readonly tenants: TenantsDoor;
  /** Whether mail is set up; without it the page names the operator's command. */
  readonly sendsMail: boolean;
}

const OPEN = { open: true } as const;
const isGone = (error: unknown): boolean => error instanceof ApiError && error.code === 'not_found';

export function recoveryPages({ site, tenants, sendsMail }: RecoveryPagesDeps): readonly Route[] {
  const forgotPage = (visit: Visit, faults?: Faults, status?: number): Reply =>
    visit.render(
      'forgot',
      {
        title: 'Forgotten password',
        layout: 'public',
        ...(faults ? { faults } : {}),
        ...(status ? { status } : {}),
      },
      { sendsMail },
    );
  const resetPage = async (visit: Visit, token: string | undefined, faults?: Faults): Promise<Reply> => {
    const person = token ? await tenants.resetFor(token) : undefined;
    return visit.render(
      'reset',
      {
        title: 'New password',
        layout: 'public',
        ...(faults ? { faults } : {}),
        ...(person || !token ? {} : { status: 404 }),
      },
      { email: person?.email, link: token },
    );
  };
  const confirmPage = async (visit: Visit, token: string | undefined): Promise<Reply> => {
    const what = token ? await tenants.confirmFor(token) : undefined;
    return visit.render(
      'confirm',
      { title: 'Confirm your address', layout: 'public', ...(what || !token ? {} : { status: 404 }) },
      { ...what, link: token },
    );
  };

  return [
    site.get('/portal/forgot', 'Asks for a link to a new password.', async (visit) => forgotPage(visit), OPEN),
    site.post(
      '/portal/forgot',
      'Sends the link, if there is such an account.',
      async (visit) => {
        if (!sendsMail) return forgotPage(visit);
        try {
          tenants.forgot({ email: visit.fields.email ?? '', ip: visit.request.ip });
        } catch (error) {
          return forgotPage(
            visit,
            faultsOf(error, () => undefined),
            (error as ApiError).status,
          );
        }
        return visit.go('/portal/forgot', 'reset_asked');
      },
      OPEN,
    ),
    site.get(
      '/portal/reset',
      'The form for a new password. Looking at it spends nothing.',
      (visit) => resetPage(visit, visit.query.token),
      { open: true, query: ['token'] },
    ),
    site.post(
      '/portal/reset',
      'Sets the new password, signs every other browser out and this one in.',
      async (visit) => {
        const { token: link = '', password = '' } = visit.fields;
        try {
          const { token } = await tenants.reset({ token: link, password, ip: visit.request.ip });
          return visit.go('/portal', 'password_set', [site.signedIn(token)]);
        } catch (error) {
          if (isGone(error)) return resetPage(visit, link || 'none');
          return resetPage(visit, link, faultsOf(error, lastPart('password')));
        }
      },
      OPEN,
    ),

    site.get(
      '/portal/confirm',
      'The button that confirms an address. Looking at it spends nothing.',
      (visit) => confirmPage(visit, visit.query.token),
      { open: true, query: ['token'] },
    ),
    site.post(
      '/portal/confirm',
      'Confirms the address.',
      async (visit) => {
        const { token: link = '' } = visit.fields;
        try {
          await tenants.confirm(link);
        } catch (error) {
          if (isGone(error)) return confirmPage(visit, link || 'none');
          throw error;
        }
        return visit.go(visit.session ? '/portal' : '/portal/login', 'confirmed');
      },
      OPEN,
    ),
    site.post('/portal/confirm/resend', 'Sends the link to confirm again.', async (visit) => {
      const next = ownPath(visit.fields.next);
      try {
        await tenants.resendConfirmation(visit.principal);
      } catch (error) {
        if (error instanceof ApiError && error.code === 'rate_limited') return visit.go(next, 'confirm_wait');
        throw error;
      }
      return visit.go(next, 'confirm_sent');
    }),
  ];
}
