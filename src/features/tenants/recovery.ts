/**
 * Links that work once, by mail or by the operator's hand: to confirm an address, to set a new password, to accept an
 * invitation; and what people change about themselves. Looking at a link spends nothing, so that a mail scanner cannot use
 * it up. What was asked for is committed before a letter leaves, and a letter that got lost can be asked for again.
 */
import type { Soon } from '../../lib/cache.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Config } from '../../lib/config.ts';
import { checkPassword, hashPassword, newToken, sha256 } from '../../lib/crypto.ts';
import type { Db } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import type { Log } from '../../lib/log.ts';
import { invalid, validator } from '../../lib/schema.ts';
import type { Audit } from '../audit/index.ts';
import type { Recovery, Tenant } from './door.ts';
import type { Letters } from './letters.ts';
import * as links from './link-store.ts';
import { PASSWORD_MAX, passwordFault } from './password.ts';
import { inviteForm, nameForm } from './schema.ts';
import * as rows from './session-store.ts';
import { openSession } from './sessions.ts';
import * as store from './store.ts';
import { createLimit, createTries, networkOf, spendOrThrow } from './tries.ts';

export interface RecoveryDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  readonly config: Pick<Config, 'signUp'>;
  readonly audit: Audit;
  readonly letters: Letters;
  /** Waits for a place to stretch a password. */
  readonly inLine: <T>(work: () => Promise<T>) => Promise<T>;
  readonly tenant: (id: string) => Soon<Tenant>;
}

const QUARTER_MS = 15 * 60_000;
const HOUR_MS = 60 * 60_000;
const OPERATOR = { kind: 'operator', id: 'operator' } as const;
const invitations = validator(inviteForm);
const names = validator(nameForm);

export function createRecovery(deps: RecoveryDeps): Recovery & { close(): Promise<void> } {
  const { db, clock, config, audit, letters, inLine } = deps;
  const asked = createLimit(clock, 10, HOUR_MS);
  const written = createLimit(clock, 5, HOUR_MS);
  const resent = createLimit(clock, 3, QUARTER_MS);
  const guesses = createTries(clock);
  const afterwards = createAfterwards(deps.log);

  const user = async (id: string): Promise<store.UserRow> => {
    const row = await store.findUser(db, id);
    if (!row) throw new ApiError('not_found');
    return row;
  };
  const judge = (password: string, { email, name }: { email: string; name: string }): void => {
    const fault =
      password.length > PASSWORD_MAX
        ? `must be at most ${PASSWORD_MAX} characters long`
        : passwordFault(password, [email, name]);
    if (fault) throw invalid([{ path: 'password', message: fault }]);
  };
  const gone = (): ApiError => new ApiError('not_found', 'This link has been used, has expired, or was never valid.');

  return {
    forgot({ email: given, ip }) {
      spendOrThrow(asked, networkOf(ip), 'Too many letters were asked for from here. Wait as Retry-After says.');
      const email = given.trim();
      if (!letters.canSend || !/^[^\0]{1,254}$/.test(email)) return;
      // Nobody's mailbox is filled from many addresses either; that is not told, or it would tell who has an account.
      if (written.spend(email.toLowerCase()) !== undefined) return;
      // After the answer: whether there is an account cannot be told from its time.
      afterwards.add(async () => {
        const row = await store.findUserByEmail(db, email);
        if (!row) return;
        const token = newToken();
        if (await links.insertLink(db, sha256(token), 'reset', row.id))
          letters.send('reset', row.email, letters.link('reset', token));
      });
    },

    resetFor: (token) => links.findLink(db, sha256(token), 'reset'),

    async reset({ token, password, ip }) {
      const digest = sha256(token);
      const person = await links.findLink(db, digest, 'reset');
      if (!person) throw gone();
      judge(password, person);
      const hash = await inLine(() => hashPassword(password));
      const session = await db.transaction(async (trx) => {
        // The person's row first: whoever else sets this password waits here.
        await store.setPassword(trx, person.user_id, hash);
        if (!(await links.spendLink(trx, digest, 'reset'))) throw gone();
        // Who holds the link reads the mail of the address, or has the operator's word.
        await store.confirmUser(trx, person.user_id);
        // Links before sessions: a link that is being spent at this moment has its session ended, too.
        await links.endLinksOf(trx, person.user_id);
        await rows.deleteSessionsOf(trx, person.user_id);
        const actor = { kind: 'user', id: person.user_id } as const;
        await audit.record(trx, { tenantId: person.tenant_id, actor, action: 'password.reset', ip });
        return openSession(trx, person.user_id);
      });
      letters.send('password-changed', person.email, letters.forgotPage());
      return { token: session };
    },

    async confirmFor(token) {
      const person = await links.findLink(db, sha256(token), 'confirm');
      return person && { email: person.email, organization: (await deps.tenant(person.tenant_id)).name };
    },

    async confirm(token) {
      const digest = sha256(token);
      const person = await links.findLink(db, digest, 'confirm');
      if (!person) throw gone();
      await db.transaction(async (trx) => {
        if (!(await links.spendLink(trx, digest, 'confirm'))) throw gone();
        await store.confirmUser(trx, person.user_id);
        const actor = { kind: 'user', id: person.user_id } as const;
        await audit.record(trx, { tenantId: person.tenant_id, actor, action: 'address.confirmed' });
      });
    },

    async resendConfirmation({ actor }) {
      const person = await user(actor.id);
      if (person.confirmed || !letters.canSend) return;
      spendOrThrow(resent, person.id, 'The link was sent three times already. Look into the spam folder, or wait.');
      const token = newToken();
      await links.insertLink(db, sha256(token), 'confirm', person.id);
      letters.send('confirm', person.email, letters.link('confirm', token));
    },

    async account({ actor, tenantId }) {
      const [person, tenant] = await Promise.all([user(actor.id), store.findTenant(db, tenantId)]);
      if (!tenant) throw new ApiError('not_found');
      return {
        email: person.email,
        name: person.name,
        unconfirmed: letters.canSend && !person.confirmed,
        hasPassword: person.password_hash !== null,
        tenant: { name: tenant.name, defaultCountry: tenant.default_country, defaultLanguage: tenant.default_language },
      };
    },

    async rename({ actor }, given) {
      const name = given.trim();
      names.check({ name });
      await store.renameUser(db, actor.id, name);
    },

    async changePassword({ actor, tenantId, mode }, { oldPassword, password, ip }) {
      const person = await user(actor.id);
      judge(password, person);
      if (person.password_hash !== null) {
        guesses.spend(person.id, ip);
        if (!(await inLine(() => checkPassword(oldPassword.slice(0, PASSWORD_MAX), person.password_hash ?? undefined))))
          throw invalid([{ path: 'old_password', message: 'is not your password' }]);
        guesses.forgive(person.id, ip);
      }
      const hash = await inLine(() => hashPassword(password));
      const session = await db.transaction(async (trx) => {
        if (!(await store.replacePassword(trx, person.id, person.password_hash, hash)))
          throw new ApiError('conflict', 'The password was changed from elsewhere at this moment. Sign in again.');
        await links.endLinksOf(trx, person.id);
        await rows.deleteSessionsOf(trx, person.id);
        await audit.record(trx, { tenantId, actor, action: 'password.changed', ip });
        return openSession(trx, person.id, mode);
      });
      letters.send('password-changed', person.email, letters.forgotPage());
      return { token: session };
    },

    async invite(given, actor: Principal['actor'] = OPERATOR) {
      const email = given.trim();
      invitations.check({ email });
      if (config.signUp === 'closed')
        throw new ApiError(
          'sign_up_closed',
          'SIGNUP is closed, so nobody could use it. Set SIGNUP=invite and start again.',
        );
      if (await store.findUserByEmail(db, email))
        throw new ApiError('conflict', 'There is an account with this address already.', { param: 'email' });
      const token = newToken();
      const expiresAt = await db.transaction(async (trx) => {
        await audit.record(trx, { actor, action: 'invitation.created' });
        return links.insertInvitation(trx, sha256(token), email);
      });
      const url = letters.link('invite', token);
      letters.send('invite', email, url);
      return { url, email, mailed: letters.canSend, expiresAt };
    },

    invitationFor: (token) => links.findInvitation(db, sha256(token)),

    async linkFor(email, purpose) {
      const person = await store.findUserByEmail(db, email.trim());
      if (!person) throw new ApiError('not_found', 'There is no account with this address.');
      const token = newToken();
      await db.transaction(async (trx) => {
        await links.insertLink(trx, sha256(token), purpose, person.id);
        await audit.record(trx, { tenantId: person.tenant_id, actor: OPERATOR, action: 'link.created' });
      });
      return letters.link(purpose, token);
    },

    close: afterwards.idle,
  };
}

/** What is done after the answer, one at a time. Too many at once: the last are dropped, and can be asked for again. */
function createAfterwards(log: Log) {
  const WAITING_MAX = 200;
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();
  return {
    add(work: () => Promise<void>): void {
      if (waiting >= WAITING_MAX) {
        log.warn({ waiting }, 'a letter was not written: too much is waiting');
        return;
      }
      waiting++;
      last = last
        .then(work)
        .catch((error: unknown) => log.warn({ err: error }, 'a letter was not written'))
        .finally(() => {
          waiting--;
        });
    },
    idle: () => last,
  };
}
