/**
 * The settings of the process: one table of key, form, default and meaning, and the only reader of the environment. The
 * README's table and `.env.example` are printed from this table. A wrong value stops the start, and every fault is named
 * at once.
 */
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EncryptionKey, readKeys } from './encryption-keys.ts';
import { readTraceSettings, type TraceSettings } from './trace-settings.ts';

export type Role = 'all' | 'api' | 'worker';
export type SignUp = 'open' | 'invite' | 'closed';

export interface Config {
  readonly port: number;
  readonly host: string;
  readonly dataDir: string;
  readonly publicUrl: string;
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
  readonly role: Role;
  /** Newest first: the first seals, all open. */
  readonly encryptionKeys: readonly EncryptionKey[];
  readonly adminKey: string | undefined;
  readonly signUp: SignUp;
  readonly systemSmtpUrl: string | undefined;
  readonly trustedProxies: number;
  readonly defaultCountry: string | undefined;
  readonly plugins: readonly string[];
  readonly metricsPort: number | undefined;
  /** What is under way when the process is asked to stop has so long. */
  readonly stopSeconds: number;
  /** Of these, the door stays open so long while readiness is red. */
  readonly drainSeconds: number;
  /** 0: for ever. */
  readonly retentionDays: number;
  /** `host:port` pairs that outbound calls may reach although they are private. */
  readonly egressAllow: readonly string[];
  /** Of a tenant in each mode; absent: none. */
  readonly rateLimit: { readonly requests: number; readonly seconds: number } | undefined;
  /** 0: no limit. */
  readonly otpPerHour: number;
  readonly logLevel: string;
  /** Absent: no traces. */
  readonly traces: TraceSettings | undefined;
  readonly production: boolean;
}

interface Setting {
  readonly key: string;
  /** As the README shows it. */
  readonly default: string;
  readonly meaning: string;
  readonly example?: string;
}

export const SETTINGS: readonly Setting[] = [
  { key: 'PORT', default: '3000', meaning: 'Port of the API and the portal. 0 lets the system choose.' },
  { key: 'HOST', default: '127.0.0.1', meaning: 'Address to listen on. 0.0.0.0 for every network.' },
  {
    key: 'DATA_DIR',
    default: './data',
    meaning:
      'Folder of the embedded database and the generated encryption key. Unused when DATABASE_URL and ENCRYPTION_KEYS are set.',
  },
  {
    key: 'PUBLIC_URL',
    default: 'http://localhost:PORT',
    meaning:
      'Address under which people and providers reach this installation; callback addresses and links are made of it.',
    example: 'https://notify.example.com',
  },
  {
    key: 'DATABASE_URL',
    default: 'embedded',
    meaning: 'PostgreSQL 15 or newer. Without it a PostgreSQL is started in DATA_DIR.',
    example: 'postgres://carillon:secret@db.internal:5432/carillon',
  },
  {
    key: 'REDIS_URL',
    default: 'none',
    meaning: 'Moves the job queue from PostgreSQL to Redis.',
    example: 'redis://cache.internal:6379',
  },
  { key: 'ROLE', default: 'all', meaning: 'What this process does: all, api (answers requests) or worker (delivers).' },
  {
    key: 'ENCRYPTION_KEYS',
    default: 'generated into DATA_DIR',
    meaning:
      'Keys that seal stored credentials: id:base64 of 32 bytes, newest first, with commas or line ends between them. Required with DATABASE_URL or NODE_ENV=production.',
    example: 'k1:BASE64_OF_32_RANDOM_BYTES',
  },
  {
    key: 'ADMIN_KEY',
    default: 'none',
    meaning: 'Key of the operator API, at least 32 characters. Without it that API is off.',
  },
  {
    key: 'SIGNUP',
    default: 'open on loopback, else closed',
    meaning: 'Who may create an account in the portal: open, invite or closed.',
  },
  {
    key: 'SYSTEM_SMTP_URL',
    default: 'none',
    meaning:
      'Mail server for messages of the installation itself: confirming addresses, new passwords, invitations. The sender is the user name when that is an address, else ?from=. smtps:// is TLS from the start; smtp:// with a password insists on STARTTLS unless ?tls=none. Without it addresses are not verified.',
    example: 'smtp://user:secret@mail.example.com:587?from=bells@example.com',
  },
  {
    key: 'TRUSTED_PROXIES',
    default: '0',
    meaning: 'Number of reverse proxies in front whose X-Forwarded-For is believed.',
  },
  {
    key: 'DEFAULT_COUNTRY',
    default: 'none',
    meaning:
      'ISO country code that lets national phone numbers be used without a plus sign, for tenants that set none.',
    example: 'DE',
  },
  {
    key: 'PLUGINS',
    default: 'none',
    meaning: 'Channel modules to load: package names or paths, comma-separated.',
    example: './my-channel/index.js',
  },
  {
    key: 'METRICS_PORT',
    default: 'none',
    meaning:
      'Port of a listener of its own for metrics and, where there is no API, /health/live and /health/ready; on HOST. Without it there is none.',
  },
  {
    key: 'STOP_SECONDS',
    default: '25',
    meaning:
      'Seconds that requests and provider calls under way may take when the process is asked to stop, 1 to 600; it ends at most 5 seconds later.',
  },
  {
    key: 'DRAIN_SECONDS',
    default: '0',
    meaning:
      'Of STOP_SECONDS, how long the port stays open while /health/ready already answers 503, so that a load balancer sees it first.',
    example: '5',
  },
  {
    key: 'EGRESS_ALLOW',
    default: 'none',
    meaning: 'host:port list that outbound calls may reach although the address is private.',
    example: '10.0.0.5:25',
  },
  {
    key: 'RETENTION_DAYS',
    default: '0',
    meaning:
      'Days that messages, their history, providers’ callbacks and deliveries to webhooks are kept, at least 35; the first three go by whole months. 0 keeps them for ever.',
    example: '400',
  },
  {
    key: 'RATE_LIMIT_PER_SECOND',
    default: '50000',
    meaning:
      'Requests, and rows of bulks, that a tenant may make a second in each mode, where the operator has set no other for it; those of a minute may come at once. 0 is no limit.',
    example: '100',
  },
  {
    key: 'OTP_PER_HOUR',
    default: '5',
    meaning:
      'Live messages of the category otp that one address gets from a tenant within an hour, against SMS pumping. 0 is no limit.',
  },
  {
    key: 'LOG_LEVEL',
    default: 'info',
    meaning:
      'fatal, error, warn, info, debug or silent. info tells of attempts that went wrong; debug has a line for each attempt and request.',
  },
  {
    key: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    default: 'none',
    meaning: 'OpenTelemetry collector (OTLP over HTTP, JSON) that gets the traces. Without it there are none.',
    example: 'http://collector.internal:4318',
  },
  {
    key: 'OTEL_EXPORTER_OTLP_HEADERS',
    default: 'none',
    meaning: 'Headers for the collector: name=value pairs, comma-separated.',
    example: 'authorization=Bearer%20secret',
  },
  { key: 'OTEL_SERVICE_NAME', default: 'carillon', meaning: 'Name of this installation in the traces.' },
  {
    key: 'OTEL_TRACES_SAMPLER_ARG',
    default: '1',
    meaning: 'Share of the notifications whose trace is kept, from 0 to 1; every process keeps the same ones.',
    example: '0.01',
  },
];

/** Every wrong setting of a start, each with its meaning. */
export class ConfigError extends Error {
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(`Carillon cannot start with these settings:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/** Reads the settings. Throws `ConfigError` naming every fault at once. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const faults: string[] = [];
  const read = <T>(key: string, fallback: T, parse: (text: string) => T | undefined, form: string): T => {
    const text = env[key]?.trim();
    if (text === undefined || text === '') return fallback;
    const value = parse(text);
    if (value !== undefined) return value;
    faults.push(
      `${key} must be ${form}; it is ${/KEY|URL|HEADERS/.test(key) ? 'something else' : JSON.stringify(text)}. ${SETTINGS.find((setting) => setting.key === key)?.meaning ?? ''}`.trim(),
    );
    return fallback;
  };
  const text = (value: string) => value;
  const whole = (low: number, high: number) => (value: string) =>
    /^\d+$/.test(value) && Number(value) >= low && Number(value) <= high ? Number(value) : undefined;
  const zeroOr = (parse: (value: string) => number | undefined) => (value: string) =>
    value === '0' ? 0 : parse(value);
  const oneOf =
    <T extends string>(...values: T[]) =>
    (value: string) =>
      values.find((known) => known === value);
  const url =
    (...schemes: string[]) =>
    (value: string) =>
      URL.canParse(value) && schemes.includes(new URL(value).protocol) ? value.replace(/\/+$/, '') : undefined;
  const list = (valid: (item: string) => boolean) => (value: string) => {
    const items = value
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean);
    return items.every(valid) ? items : undefined;
  };

  const port = read('PORT', 3000, whole(0, 65_535), 'a port number');
  const host = read(
    'HOST',
    '127.0.0.1',
    (value) => (isIP(value) || value === 'localhost' ? value : undefined),
    'an IP address of this machine, or localhost',
  );
  const databaseUrl = read<string | undefined>(
    'DATABASE_URL',
    undefined,
    url('postgres:', 'postgresql:'),
    'a postgres:// address',
  );
  const production = env.NODE_ENV === 'production';
  const wanted = env.ENCRYPTION_KEYS?.trim() ? readKeys(env.ENCRYPTION_KEYS) : { keys: [], faults: [] };
  const encryptionKeys = wanted.faults.length > 0 ? [] : wanted.keys;
  for (const fault of wanted.faults) faults.push(`ENCRYPTION_KEYS must be id:base64 pairs; ${fault}.`);
  if (encryptionKeys.length === 0 && !env.ENCRYPTION_KEYS && (databaseUrl || production))
    faults.push(
      `ENCRYPTION_KEYS is required with ${databaseUrl ? 'DATABASE_URL' : 'NODE_ENV=production'}. Make one with: node -p "'k1:'+crypto.randomBytes(32).toString('base64')"`,
    );

  const config: Config = {
    port,
    host,
    dataDir: resolve(read('DATA_DIR', './data', text, 'a folder')),
    publicUrl: read('PUBLIC_URL', '', url('http:', 'https:'), 'an http(s) address'),
    databaseUrl,
    redisUrl: read<string | undefined>('REDIS_URL', undefined, url('redis:', 'rediss:'), 'a redis:// address'),
    role: read<Role>('ROLE', 'all', oneOf('all', 'api', 'worker'), 'all, api or worker'),
    encryptionKeys,
    adminKey: read<string | undefined>(
      'ADMIN_KEY',
      undefined,
      (value) => (value.length >= 32 ? value : undefined),
      'at least 32 characters',
    ),
    signUp: read<SignUp>(
      'SIGNUP',
      isLoopback(host) ? 'open' : 'closed',
      oneOf('open', 'invite', 'closed'),
      'open, invite or closed',
    ),
    systemSmtpUrl: read<string | undefined>(
      'SYSTEM_SMTP_URL',
      undefined,
      (value) => (url('smtp:', 'smtps:')(value) && senderOf(value) ? value : undefined),
      'an smtp:// address that tells the sender, by its user name or ?from=bells@example.com',
    ),
    trustedProxies: read('TRUSTED_PROXIES', 0, whole(0, 10), 'a number from 0 to 10'),
    defaultCountry: read<string | undefined>(
      'DEFAULT_COUNTRY',
      undefined,
      (value) => (/^[A-Z]{2}$/.test(value) ? value : undefined),
      'two capital letters',
    ),
    plugins: read<readonly string[]>(
      'PLUGINS',
      [],
      list(() => true),
      'a list of modules',
    ),
    metricsPort: read<number | undefined>('METRICS_PORT', undefined, whole(1, 65_535), 'a port number'),
    stopSeconds: read('STOP_SECONDS', 25, whole(1, 600), 'a number of seconds from 1 to 600'),
    drainSeconds: read('DRAIN_SECONDS', 0, whole(0, 60), 'a number of seconds from 0 to 60'),
    egressAllow: read<readonly string[]>(
      'EGRESS_ALLOW',
      [],
      list((item) => /^(\[[0-9a-f:.]+\]|[\w.-]+):\d{1,5}$/i.test(item)),
      'host:port pairs',
    ),
    rateLimit: perMinute(read('RATE_LIMIT_PER_SECOND', 50_000, whole(0, 10_000_000), 'a whole number up to 10000000')),
    otpPerHour: read('OTP_PER_HOUR', 5, whole(0, 1_000), 'a number from 0 to 1000'),
    retentionDays: read('RETENTION_DAYS', 0, zeroOr(whole(35, 36_500)), '0 or a number from 35 to 36500'),
    logLevel: read(
      'LOG_LEVEL',
      'info',
      oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
      'fatal, error, warn, info, debug or silent',
    ),
    traces: readTraceSettings(read),
    production,
  };
  const known = new Set(SETTINGS.map(({ key }) => key));
  for (const key of Object.keys(env))
    if (key.startsWith('CARILLON_') && !known.has(key)) faults.push(`${key} is not a setting of Carillon.`);
  if (faults.length > 0) throw new ConfigError(faults);
  return config;
}

/** The base address of links and callbacks, once the real port is known. Never ends in a slash. */
export const publicUrlOf = (config: Config, port: number): string =>
  config.publicUrl || `http://${isLoopback(config.host) ? 'localhost' : config.host}:${port}`;

export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.');

/** Who the installation's own mail is from: `?from=`, else the user name where that is an address. */
export function senderOf(smtpUrl: string): string | undefined {
  try {
    const { searchParams, username } = new URL(smtpUrl);
    const sender = searchParams.get('from') ?? decodeURIComponent(username);
    return /^[^\s@<>()[\],;:"\\]+@[^\s@<>()[\],;:"\\]+$/.test(sender) ? sender : undefined;
  } catch {
    return undefined;
  }
}

const perMinute = (perSecond: number): Config['rateLimit'] =>
  perSecond === 0 ? undefined : { requests: perSecond * 60, seconds: 60 };

/** The folder that holds package.json, whether this runs from the sources or from `dist`. */
export const projectRoot: string = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
})();

/** Settings of a `.env` file in the working folder; what the environment says already stands. */
export function loadEnvFile(): void {
  if (existsSync('.env')) process.loadEnvFile('.env');
}

/** Whether `npm start` is above us, with a shell between. */
export const startedByNpm = (): boolean => process.env.npm_lifecycle_event !== undefined;
