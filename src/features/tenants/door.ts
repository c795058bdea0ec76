/** What other features may ask of this one. */
import type { Soon } from '../../lib/cache.ts';
import type { Sql } from '../../lib/db.ts';
import type { Mode, Principal, Scope } from '../../lib/http.ts';
import type { List } from '../../lib/list.ts';
import type {
  CreateKey,
  KeyItem,
  KeyWithSecret,
  LimitTenant,
  RotateKey,
  TenantItem,
  TenantLimits,
  UpdateKey,
} from './schema.ts';

export interface Tenant {
  /** UUID. */
  readonly id: string;
  readonly name: string;
  /** ISO 3166-1 alpha-2: the tenant's own, else the installation's. */
  readonly defaultCountry: string | undefined;
  /** BCP 47. */
  readonly defaultLanguage: string | undefined;
  /** Live messages of the category otp for one address within an hour; 0: no limit. */
  readonly otpPerHour: number;
}

export interface TenantSettings {
  readonly name: string;
  /** `null` takes it away. */
  readonly defaultCountry?: string | null;
  readonly defaultLanguage?: string | null;
}

export interface User {
  /** UUID. */
  readonly id: string;
  readonly email: string;
  readonly name: string;
  /** While mail is set up: the address has not been confirmed, so live keys wait. */
  readonly unconfirmed?: boolean;
}

export interface Session {
  /** Acts with every scope, in the mode the person has chosen. */
  readonly principal: Principal;
  readonly user: User;
  readonly tenant: Tenant;
}

export interface SignUp {
  readonly email: string;
  readonly password: string;
  readonly name: string;
  readonly organization: string;
  /** Token of an invitation; the account gets the invited address, which counts as confirmed. */
  readonly invitation?: string | undefined;
  /** Who asks; ten accounts an hour. Absent: not counted. */
  readonly ip?: string;
}

/** Joins the transaction that makes the tenant. */
export type TenantSubscriber = (trx: Sql, tenant: Tenant) => Promise<void>;
export type Headers = Readonly<Record<string, string>>;
export interface Page {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** The programs' keys. Ids are on the wire form (`key_…`); an id of the other mode or tenant is `not_found`. */
export interface Keys {
  /** The plaintext is in the answer and nowhere else, ever. Throws `insufficient_scope` beyond the caller's own scopes. */
  create(principal: Principal, command: CreateKey): Promise<KeyWithSecret>;
  list(principal: Principal, page: Page): Promise<List<KeyItem>>;
  get(principal: Principal, id: string): Promise<KeyItem>;
  /** Felt here at once, within 5 s in other processes. Throws `validation_failed`, and `conflict` for a key that has ended, or when the key that asks would lock itself out at `ip`. */
  update(principal: Principal, id: string, change: UpdateKey, ip: string): Promise<KeyItem>;
  /** At once in this process, within 5 s in others. Revoking twice is no fault. */
  revoke(principal: Principal, id: string): Promise<KeyItem>;
  /** A new key with the name, scopes, mode, lifetime and limits of the old one, which ends after `grace_seconds` (default 0). Throws `conflict` when it has ended already. */
  rotate(principal: Principal, id: string, command: RotateKey): Promise<KeyWithSecret>;
}

/** People at the portal. Tokens are 256 random bits; the store has their digests only. */
export interface Sessions {
  /** Throws `sign_up_closed`, `validation_failed` (`details.fields`), `conflict` (`param: email`), `rate_limited`. `key` is a test key, shown once. With mail set up, a link to confirm the address is sent. */
  signUp(
    form: SignUp,
  ): Promise<{ readonly token: string; readonly key: string; readonly tenant: Tenant; readonly user: User }>;
  /** Throws `unauthorized`, one text for every reason, or `rate_limited` with Retry-After: five tries in 15 minutes. */
  signIn(form: {
    readonly email: string;
    readonly password: string;
    readonly ip: string;
  }): Promise<{ readonly token: string }>;
  /** `undefined` when it is unknown, idle for 30 minutes, or 12 hours old. */
  session(token: string): Promise<Session | undefined>;
  signOut(token: string): Promise<void>;
  signOutEverywhere(userId: string): Promise<void>;
  setMode(token: string, mode: Mode): Promise<void>;
  /** The address of the first person, while nobody has a password to sign in with. */
  unclaimed(): Promise<string | undefined>;
  /** A one-time token, good for an hour. */
  signInLink(userId: string): Promise<string>;
  /** Spends a one-time token for a session token. Throws `not_found`. */
  redeem(token: string): Promise<string>;
  /** Belongs to one session and changes with it. */
  csrfToken(sessionToken: string): string;
  checkCsrf(sessionToken: string, given: string | undefined): boolean;
}

export interface Account {
  readonly email: string;
  readonly name: string;
  readonly unconfirmed: boolean;
  /** False for who came in by a link only; the first password needs no old one. */
  readonly hasPassword: boolean;
  /** As the tenant set it, without the installation's own defaults. */
  readonly tenant: TenantSettings;
}

/** Links by mail or by the operator's hand, and what people change about themselves. Links work once. */
export interface Recovery {
  /** Sends a link for a new password, if there is such an account; the answer and its time are the same if not. Throws `rate_limited` by address of the caller alone. */
  forgot(form: { readonly email: string; readonly ip: string }): void;
  /** Whose link it is; spends nothing. */
  resetFor(token: string): Promise<{ readonly email: string } | undefined>;
  /** Sets the password, ends every session and link of that person, and opens a new session. Throws `not_found`, `validation_failed` (`password`); of two at once one wins. */
  reset(form: { readonly token: string; readonly password: string; readonly ip: string }): Promise<{
    readonly token: string;
  }>;
  /** What a link to confirm would confirm; spends nothing. */
  confirmFor(token: string): Promise<{ readonly email: string; readonly organization: string } | undefined>;
  /** Throws `not_found`. */
  confirm(token: string): Promise<void>;
  /** Sends the link to confirm again. Throws `rate_limited`: three in a quarter of an hour. */
  resendConfirmation(principal: Principal): Promise<void>;
  account(principal: Principal): Promise<Account>;
  /** Throws `validation_failed` (`name`). */
  rename(principal: Principal, name: string): Promise<void>;
  /** Ends every session of the person, and opens a new one in the mode of the caller. Throws `validation_failed` (`old_password`, `password`), `rate_limited`. */
  changePassword(
    principal: Principal,
    form: { readonly oldPassword: string; readonly password: string; readonly ip: string },
  ): Promise<{ readonly token: string }>;
  /** For the operator. Mailed where mail is set up. Throws `validation_failed`, `conflict`, `sign_up_closed` under SIGNUP=closed. */
  invite(
    email: string,
    actor?: Principal['actor'],
  ): Promise<{ readonly url: string; readonly email: string; readonly mailed: boolean; readonly expiresAt: Date }>;
  /** The address an invitation is for; spends nothing. */
  invitationFor(token: string): Promise<string | undefined>;
  /** For the operator: an address of a page that signs this person in, or lets them set a password. Throws `not_found`. */
  linkFor(email: string, purpose: 'sign_in' | 'reset'): Promise<string>;
}

export interface Tenants extends Sessions, Recovery {
  /** Throws `unauthorized`, `conflicting_credentials` or `ip_not_allowed`; and `rate_limited` in place of the former for an `ip` that sent a thousand wrong keys within a minute. Right keys are never held up. */
  authenticate(headers: Headers, ip?: string): Soon<Principal>;
  /** The operator. Throws `not_found` while no ADMIN_KEY is set, `unauthorized`, `insufficient_scope` for a tenant's key. */
  authenticateAdmin(headers: Headers): Promise<Principal>;
  readonly keys: Keys;
  /** For operators and the command line. Throws `validation_failed`. The keys are in the answer only. */
  create(
    settings: TenantSettings,
    actor?: Principal['actor'],
  ): Promise<{
    readonly tenant: Tenant;
    readonly item: TenantItem;
    readonly liveKey: string;
    readonly testKey: string;
  }>;
  /** Newest first. Operators only. */
  list(page: Page): Promise<List<TenantItem>>;
  /** At the first start of an installation without any tenant: one to try things with. Otherwise `undefined`. */
  ensureDemo(): Promise<{ readonly tenant: Tenant; readonly testKey: string; readonly userId: string } | undefined>;
  /** At most 5 s old. Throws `not_found`. */
  tenant(id: string): Soon<Tenant>;
  /** For the operator: what a tenant may ask for. Throws `not_found`. */
  limits(tenantId: string): Promise<TenantLimits>;
  /** Felt within 5 s. */
  limit(tenantId: string, change: LimitTenant, actor?: Principal['actor']): Promise<TenantLimits>;
  updateTenant(principal: Principal, settings: Partial<TenantSettings>): Promise<Tenant>;
  /** Who may sign in for a tenant, by name. */
  people(tenantId: string): Promise<readonly User[]>;
  /** Confirmed addresses of the tenant's people, for letters that concern all of them. */
  mailTo(tenantId: string): Promise<readonly string[]>;
  /** Runs inside the transaction of every new tenant, in the order of registration. */
  onTenantCreated(subscriber: TenantSubscriber): void;
  /** Writes down what is still in memory (when keys were last used). */
  close(): Promise<void>;
}

export const ALL_SCOPES: readonly Scope[] = ['send', 'read', 'manage'];
