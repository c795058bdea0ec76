/**
 * Credentials as people type them, and as they are kept: settings in the open, secrets apart. Judges them by the adapter's own
 * fields, draws the sandbox's, and says what may be shown of them. Pure.
 */
import { randomBytes } from 'node:crypto';
import { type AnyAdapter, type Field, fieldsSchema } from '../../channel-kit/index.ts';
import type { Egress } from '../../lib/egress.ts';
import { ApiError } from '../../lib/errors.ts';
import { invalid, type Validator, validator } from '../../lib/schema.ts';

export type Value = string | number | boolean;
export type Values = Readonly<Record<string, Value>>;

const AT = 'credentials';
const validators = new WeakMap<AnyAdapter, Validator<ReturnType<typeof fieldsSchema>>>();

/** Throws `validation_failed` with paths such as `credentials.access_token`. */
export function checkFields(adapter: AnyAdapter, given: Readonly<Record<string, unknown>>): Values {
  let judge = validators.get(adapter);
  if (!judge) {
    judge = validator(fieldsSchema(adapter.credentials));
    validators.set(adapter, judge);
  }
  const faults = judge.faults(given);
  if (faults.length > 0)
    throw invalid(faults.map(({ path, message }) => ({ path: path ? `${AT}.${path}` : AT, message })));
  return given as Values;
}

/** Throws `url_not_allowed` for an address that our guard would refuse to dial anyway. */
export function checkAddresses(adapter: AnyAdapter, values: Values, egress: Egress): void {
  for (const field of adapter.credentials) {
    const value = values[field.name] ?? field.default;
    if (typeof value !== 'string') continue;
    const refusal =
      field.type === 'url'
        ? refuseUrl(value, egress)
        : field.type === 'host'
          ? egress.refusal(value, portBeside(adapter, field, values))
          : undefined;
    if (!refusal) continue;
    const path = `${AT}.${field.name}`;
    const message = `${refusal}; if it is a server of your own, the operator can allow its host:port with EGRESS_ALLOW`;
    throw new ApiError('url_not_allowed', `${path}: ${message}.`, {
      param: path,
      details: { fields: [{ path, message }] },
    });
  }
}

function refuseUrl(value: string, egress: Egress): string | undefined {
  if (!URL.canParse(value)) return 'this is not an address';
  const { protocol, hostname, port } = new URL(value);
  const number = Number(port || (protocol === 'https:' ? 443 : 80));
  const host = hostname.replace(/^\[|\]$/g, '');
  if (protocol !== 'https:' && !egress.isAllowed(host, number)) return 'it must begin with https://';
  return egress.refusal(host, number);
}

/** The port belonging to a host: `port` for `host`, `smtp_port` for `smtp_host`. */
function portBeside(adapter: AnyAdapter, { name }: Field, values: Values): number {
  const beside = name.replace(/host$/, 'port');
  return Number(values[beside] ?? adapter.credentials.find((field) => field.name === beside)?.default ?? 0);
}

export interface Parts {
  readonly settings: Values;
  readonly secrets: Values;
}

export function split(adapter: AnyAdapter, values: Values): Parts {
  const secret = new Set(adapter.credentials.filter((field) => field.secret).map(({ name }) => name));
  const pick = (wanted: boolean): Values =>
    Object.fromEntries(Object.entries(values).filter(([name]) => secret.has(name) === wanted));
  return { settings: pick(false), secrets: pick(true) };
}

/** Given over known; `null` takes a field away. */
export const merge = (known: Values, given: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries({ ...known, ...given }).filter(([, value]) => value !== null));

/**
 * Secrets follow an address only when they are typed in again: otherwise whoever may edit a connection, but may not read its
 * secrets, could have them sent to a server of their own. Throws `validation_failed`.
 */
export function checkSecretsRepeated(adapter: AnyAdapter, known: Values, next: Values, given: object): void {
  const moved = adapter.credentials.some(
    ({ name, type, default: absent }) =>
      (type === 'url' || type === 'host') && (known[name] ?? absent) !== (next[name] ?? absent),
  );
  if (!moved) return;
  const kept = adapter.credentials.filter(
    ({ name, secret }) => secret && known[name] !== undefined && !Object.hasOwn(given, name),
  );
  if (kept.length > 0)
    throw invalid(
      kept.map(({ name }) => ({
        path: `${AT}.${name}`,
        message: 'must be given again, because the address it is sent to changes',
      })),
    );
}

/** The last four characters of a long secret help to tell two apart; of a short one they would give too much away. */
const SHOWN_FROM = 20;

export function mask(adapter: AnyAdapter, secrets: Values): Record<string, { set: boolean; last_four?: string }> {
  const masked: Record<string, { set: boolean; last_four?: string }> = {};
  for (const { name, secret } of adapter.credentials) {
    if (!secret) continue;
    const value = secrets[name];
    masked[name] =
      typeof value === 'string' && value.length >= SHOWN_FROM
        ? { set: true, last_four: value.slice(-4) }
        : { set: value !== undefined };
  }
  return masked;
}

export const accountOf = (adapter: AnyAdapter, values: Values): string | undefined => {
  const value = adapter.account === undefined ? undefined : values[adapter.account];
  return value === undefined ? undefined : String(value);
};

/** What the person sees as the sender, by the names adapters give such a field. */
const SENDERS = ['from', 'from_address', 'from_number', 'sender', 'phone_number'];
export const senderOf = (settings: Values): string | null => {
  const name = SENDERS.find((candidate) => settings[candidate] !== undefined);
  return name === undefined ? null : String(settings[name]);
};

/**
 * Credentials that lead nowhere, for the sandbox: every secret random, so that signatures are really checked; the account a
 * number of its own, so that callbacks find their tenant; the rest as the adapter's examples.
 */
export function sandboxValues(adapter: AnyAdapter): Values {
  const values: Record<string, Value> = {};
  for (const field of adapter.credentials) {
    if (field.secret) values[field.name] = randomBytes(16).toString('hex');
    else if (field.name === adapter.account)
      values[field.name] = `9${BigInt(`0x${randomBytes(6).toString('hex')}`)
        .toString()
        .padStart(15, '0')}`;
    else if (field.required && field.default === undefined) values[field.name] = field.example ?? plausible(field);
  }
  return values;
}

function plausible({ type = 'text', options = [], min = 1 }: Field): Value {
  switch (type) {
    case 'number':
      return min;
    case 'boolean':
      return false;
    case 'choice':
      return options[0] ?? 'sandbox';
    case 'phone':
      return '+14155550100';
    case 'email':
      return 'sender@sandbox.test';
    case 'url':
      return 'https://sandbox.test';
    case 'host':
      return 'sandbox.test';
    case 'text':
      return 'sandbox';
  }
}
