/**
 * People at the portal: signing up, in and out. A cookie's token is 256 random bits, the store knows its digest; whether an
 * account exists cannot be told from the answer or the clock.
 */
import { createHmac } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import type { Config } from '../../lib/config.ts';
import { checkPassword, hashPassword, newToken, sameDigest, sha256, type Vault } from '../../lib/crypto.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import { newId, toWire } from '../../lib/ids.ts';
import { invalid, validator } from '../../lib/schema.ts';
import type { Audit } from '../audit/index.ts';
import { ALL_SCOPES, type Sessions, type Tenant } from './door.ts';
import { passwordFault } from './password.ts';
import { signUpForm } from './schema.ts';
import * as rows from './session-store.ts';
import * as store from './store.ts';
import { createQueue, createTries } from './tries.ts';

export interface SessionsDeps {
  readonly db: Db;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly config: Pick<Config, 'signUp'>;
  readonly audit: Audit;
  /** Makes a tenant within a transaction, with everything that belongs to a new one. */
  readonly makeTenant: (trx: Sql, name: string) => Promise<Tenant>;
  readonly issueTestKey: (trx: Sql, tenantId: string) => Promise<string>;
  readonly tenant: (id: string) => Promise<Tenant>;
}

const form = validator(signUpForm);
const PASSWORD_MAX = 1_024;

export function createSessions(deps: SessionsDeps): Sessions {
  const { db, vault, clock, config, audit } = deps;
  const csrfKey = vault.derive('csrf');
  const tries = createTries(clock);
  const inLine = createQueue();

  async function open(sql: Sql, userId: string): Promise<string> {
    const token = newToken();
    await rows.insertSession(sql, sha256(token), userId);
    return token;
  }
  const csrfToken = (sessionToken: string): string =>
    createHmac('sha256', csrfKey).update(sessionToken).digest('base64url');

  return {
    async signUp(given) {
      if (config.signUp !== 'open') throw new ApiError('sign_up_closed');
      const { password } = given;
      const [email, name, organization] = [given.email.trim(), given.name.trim(), given.organization.trim()];
      const faults = [...form.faults({ email, name, organization, password })];
      const weak = passwordFault(password, [email, name, organization]);
      if (weak) faults.push({ path: 'password', message: weak });
      if (faults.length > 0) throw invalid(faults);
      const passwordHash = await inLine(() => hashPassword(password));
      const user = { id: newId(), email, name };
      try {
        return await db.transaction(async (trx) => {
          const tenant = await deps.makeTenant(trx, organization);
          await store.insertUser(trx, { ...user, tenantId: tenant.id, passwordHash });
          const key = await deps.issueTestKey(trx, tenant.id);
          await audit.record(trx, {
            tenantId: tenant.id,
            actor: { kind: 'user', id: user.id },
            action: 'account.created',
            target: toWire('tenant', tenant.id),
          });
          return { token: await open(trx, user.id), key, tenant, user };
        });
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
      if (!user || !right || password.length > PASSWORD_MAX)
        throw new ApiError('unauthorized', 'The e-mail address or the password is wrong.');
      tries.forgive(email, ip);
      const token = await db.transaction(async (trx) => {
        const actor = { kind: 'user', id: user.id } as const;
        await audit.record(trx, { tenantId: user.tenant_id, actor, action: 'session.created', ip });
        return open(trx, user.id);
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
        user: { id: row.user_id, email: row.email, name: row.name },
        tenant: await deps.tenant(row.tenant_id),
      };
    },
    signOut: (token) => rows.deleteSession(db, sha256(token)),
    signOutEverywhere: (userId) => rows.deleteSessionsOf(db, userId),
    setMode: (token, mode) => rows.setSessionMode(db, sha256(token), mode),

    async signInLink(userId) {
      const token = newToken();
      if (!(await rows.insertLink(db, sha256(token), userId))) throw new ApiError('not_found');
      return token;
    },
    redeem: (token) =>
      db.transaction(async (trx) => {
        const userId = await rows.spendLink(trx, sha256(token));
        if (!userId)
          throw new ApiError('not_found', 'This sign-in link has been used, has expired, or was never valid.');
        return open(trx, userId);
      }),

    csrfToken,
    checkCsrf: (sessionToken, given) =>
      given !== undefined && sameDigest(sha256(given), sha256(csrfToken(sessionToken))),
  };
}
