/**
 * People at the portal: signing up, in and out. A cookie's token is 256 random bits, the store knows its digest; whether an
 * account exists cannot be told from the answer or the clock.
 */

import { createHmac } from 'node:crypto';
import type { Soon } from '../../lib/cache.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Config } from '../../lib/config.ts';
import { checkPassword, hashPassword, newToken, sameDigest, sha256, type Vault } from '../../lib/crypto.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Mode } from '../../lib/http.ts';
import { newId, toWire } from '../../lib/ids.ts';
import { invalid, validator } from '../../lib/schema.ts';
import type { Audit } from '../audit/index.ts';
import { ALL_SCOPES, type Sessions, type Tenant, type User } from './door.ts';
import type { Letters } from './letters.ts';
import * as links from './link-store.ts';
import { PASSWORD_MAX, passwordFault } from './password.ts';
import { signUpForm } from './schema.ts';
import * as rows from './session-store.ts';
import * as store from './store.ts';
import { createLimit, createTries, networkOf, spendOrThrow } from './tries.ts';

export interface SessionsDeps {
  readonly db: Db;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly config: Pick<Config, 'signUp'>;
  readonly audit: Audit;
  readonly letters: Letters;
  /** Waits for a place to stretch a password. */
  readonly inLine: <T>(work: () => Promise<T>) => Promise<T>;
  /** Makes a tenant within a transaction, with everything that belongs to a new one. */
  readonly makeTenant: (trx: Sql, name: string) => Soon<Tenant>;
  readonly issueTestKey: (trx: Sql, tenantId: string) => Promise<string>;
  readonly tenant: (id: string) => Soon<Tenant>;
}

const form = validator(signUpForm);

/** Opens a session; returns the token of its cookie. */
export async function openSession(sql: Sql, userId: string, mode: Mode = 'sandbox'): Promise<string> {
  const token = newToken();
  await rows.insertSession(sql, sha256(token), userId, mode);
  return token;
}

export function createSessions(deps: SessionsDeps): Sessions {
  const { db, vault, clock, config, audit, letters, inLine } = deps;
  const csrfKey = vault.derive('csrf');
  const tries = createTries(clock);
  const signUps = createLimit(clock, 10, 60 * 60_000);

  /** The invited address; `undefined` where everybody may come. Throws `sign_up_closed`. */
  async function invitedAddress(token: string | undefined): Promise<string | undefined> {
    if (config.signUp === 'closed') throw new ApiError('sign_up_closed');
    const invited = token ? await links.findInvitation(db, sha256(token)) : undefined;
    if (config.signUp === 'invite' && invited === undefined) throw notInvited(token);
    return invited;
  }
  const csrfToken = (sessionToken: string): string =>
    createHmac('sha256', csrfKey).update(sessionToken).digest('base64url');

  return {
    async signUp(given) {
      const { password, invitation = '', ip } = given;
      const invited = await invitedAddress(invitation);
      const [name, organization] = [given.name.trim(), given.organization.trim()];
      const email = given.email.trim() || (invited ?? '');
      const faults = [...form.faults({ email, name, organization, password })];
      const weak = passwordFault(password, [email, name, organization]);
      if (weak) faults.push({ path: 'password', message: weak });
      if (invited !== undefined && email.toLowerCase() !== invited.toLowerCase())
        faults.push({ path: 'email', message: 'must be the address that was invited' });
      if (faults.length > 0) throw invalid(faults);
      if (ip !== undefined && invited === undefined)
        spendOrThrow(signUps, networkOf(ip), 'Too many accounts were made from here. Wait as Retry-After says.');
      const passwordHash = await inLine(() => hashPassword(password));
      const confirmed = invited !== undefined;
      const mustConfirm = letters.canSend && !confirmed;
      const user: User = { id: newId(), email, name, ...(mustConfirm ? { unconfirmed: true } : {}) };
      const confirmation = newToken();
      try {
        const made = await db.transaction(async (trx) => {
          if (invited !== undefined && !(await links.spendLink(trx, sha256(invitation), 'invite')))
            throw notInvited(invitation);
          const tenant = await deps.makeTenant(trx, organization);
          await store.insertUser(trx, { id: user.id, email, name, tenantId: tenant.id, passwordHash, confirmed });
          if (mustConfirm) await links.insertLink(trx, sha256(confirmation), 'confirm', user.id);
          const key = await deps.issueTestKey(trx, tenant.id);
          await audit.record(trx, {
            tenantId: tenant.id,
            actor: { kind: 'user', id: user.id },
            action: 'account.created',
            target: toWire('tenant', tenant.id),
          });
          return { token: await openSession(trx, user.id), key, tenant, user };
        });
        if (mustConfirm) letters.send('confirm', email, letters.link('confirm', confirmation));
        return made;
      } catch (error) {
        if ((error as { constraint?: string }).constraint !== 'users_email') throw error;
        throw new ApiError('conflict', 'There is an account with this e-mail address already. Sign in instead.', {
          param: 'email',
          details: { fields: [{ path: 'email', message: 'has an account already; sign in instead' }] },
        });
      }
    },

    async signIn({ email: given, password, ip }) {
      const email = given.trim();
      tries.spend(email, ip);
      // What cannot be stored cannot be an account, and takes as long as one.
      const user = /^[^\0]{1,254}$/.test(email) ? await store.findUserByEmail(db, email) : undefined;
      const right = await inLine(() =>
        checkPassword(password.slice(0, PASSWORD_MAX), user?.password_hash ?? undefined),
      );
      if (!user || !right || password.length > PASSWORD_MAX) throw wrong();
      tries.forgive(email, ip);
      const token = await db.transaction(async (trx) => {
        const actor = { kind: 'user', id: user.id } as const;
        // A password that was changed while this one was checked must not let anybody in.
        if (!(await store.holdPassword(trx, user.id, user.password_hash))) throw wrong();
        await audit.record(trx, { tenantId: user.tenant_id, actor, action: 'session.created', ip });
        return openSession(trx, user.id);
      });
      return { token };
    },

    async session(token) {
      if (!/^[\w-]{43}$/.test(token)) return undefined;
      const digest = sha256(token);
      const row = await rows.findSession(db, digest);
      if (!row) return undefined;
      if (row.stale) await rows.touchSession(db, digest);
      return {
        principal: {
          tenantId: row.tenant_id,
          mode: row.mode,
          scopes: ALL_SCOPES,
          actor: { kind: 'user', id: row.user_id },
        },
        user: {
          id: row.user_id,
          email: row.email,
          name: row.name,
          ...(letters.canSend && !row.confirmed ? { unconfirmed: true } : {}),
        },
        tenant: await deps.tenant(row.tenant_id),
      };
    },
    signOut: (token) => rows.deleteSession(db, sha256(token)),
    signOutEverywhere: (userId) => rows.deleteSessionsOf(db, userId),
    setMode: (token, mode) => rows.setSessionMode(db, sha256(token), mode),

    unclaimed: () => store.findUnclaimed(db),
    async signInLink(userId) {
      const token = newToken();
      if (!(await links.insertLink(db, sha256(token), 'sign_in', userId))) throw new ApiError('not_found');
      return token;
    },
    redeem: (token) =>
      db.transaction(async (trx) => {
        const person = await links.findLink(trx, sha256(token), 'sign_in');
        if (!person || !(await links.spendLink(trx, sha256(token), 'sign_in')))
          throw new ApiError('not_found', 'This sign-in link has been used, has expired, or was never valid.');
        return openSession(trx, person.user_id);
      }),

    csrfToken,
    checkCsrf: (sessionToken, given) =>
      given !== undefined && sameDigest(sha256(given), sha256(csrfToken(sessionToken))),
  };
}

const wrong = (): ApiError => new ApiError('unauthorized', 'The e-mail address or the password is wrong.');

const notInvited = (token: string | undefined): ApiError =>
  new ApiError(
    'sign_up_closed',
    token
      ? 'This invitation was used already, is too old, or was never valid. Ask the operator for another one.'
      : 'Accounts are made by invitation here. Ask the operator of this installation for one.',
  );
