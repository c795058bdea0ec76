import { describe, expect, test } from 'vitest';
import { ConfigError, isLoopback, publicUrlOf, readConfig } from '../../../src/lib/config.ts';
import { nextKeyId, readKeys } from '../../../src/lib/encryption-keys.ts';

const KEY = Buffer.alloc(32, 1).toString('base64');
function faults(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

describe('the settings of a start', () => {
  test('need nothing', () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      port: 3000,
      host: '127.0.0.1',
      role: 'all',
      signUp: 'open',
      databaseUrl: undefined,
      logLevel: 'info',
    });
  });

  test('name every fault at once', () => {
    const wrong = {
      PORT: '70000',
      PUBLIC_URL: 'notify.example.com',
      DATABASE_URL: 'mysql://localhost/a',
      REDIS_URL: 'localhost:6379',
      ROLE: 'boss',
      ENCRYPTION_KEYS: 'k1:short',
      ADMIN_KEY: 'short',
      SIGNUP: 'yes',
      SYSTEM_SMTP_URL: 'mail',
      TRUSTED_PROXIES: '-1',
      DEFAULT_COUNTRY: 'Germany',
      METRICS_PORT: '0',
      EGRESS_ALLOW: '10.0.0.5',
      LOG_LEVEL: 'loud',
      CARILLON_PROT: '1',
    };
    const found = faults(wrong);
    for (const key of Object.keys(wrong)) expect(found.filter((fault) => fault.startsWith(`${key} `))).toHaveLength(1);
    expect(found).toHaveLength(Object.keys(wrong).length);
  });

  test('never repeat a secret', () => {
    const secret = 'hunter2hunter2';
    const text = faults({
      ADMIN_KEY: secret,
      ENCRYPTION_KEYS: secret,
      DATABASE_URL: secret,
      REDIS_URL: secret,
      SYSTEM_SMTP_URL: secret,
    }).join();
    expect(text).not.toContain(secret);
  });

  test.each([
    ['an outside database', { DATABASE_URL: 'postgres://a@b/c' }],
    ['production', { NODE_ENV: 'production' }],
  ])('%s needs encryption keys, and the way to make one is said', (_why, env) => {
    expect(faults(env)).toEqual([expect.stringMatching(/^ENCRYPTION_KEYS is required.*randomBytes/)]);
    expect(faults({ ...env, ENCRYPTION_KEYS: `k1:${KEY}` })).toEqual([]);
  });

  test('an empty value is none', () =>
    expect(readConfig({ PORT: '', REDIS_URL: '  ' })).toMatchObject({ port: 3000, redisUrl: undefined }));
  test('an address loses its last slash', () =>
    expect(readConfig({ PUBLIC_URL: 'https://a.example/' }).publicUrl).toBe('https://a.example'));
  test('lists are split', () =>
    expect(readConfig({ EGRESS_ALLOW: '10.0.0.5:25, [fd00::1]:25,mail.internal:587' }).egressAllow).toEqual([
      '10.0.0.5:25',
      '[fd00::1]:25',
      'mail.internal:587',
    ]));
  test('sign-up is open on loopback alone', () => {
    expect(readConfig({ HOST: '0.0.0.0' }).signUp).toBe('closed');
    expect(readConfig({ HOST: '0.0.0.0', SIGNUP: 'invite' }).signUp).toBe('invite');
    expect(['localhost', '::1', '127.8.8.8', '0.0.0.0', '10.0.0.1'].map(isLoopback)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
  });
  test('links use the public address, else the host and the port that was given', () => {
    expect(publicUrlOf(readConfig({}), 4000)).toBe('http://localhost:4000');
    expect(publicUrlOf(readConfig({ HOST: '10.0.0.1' }), 4000)).toBe('http://10.0.0.1:4000');
    expect(publicUrlOf(readConfig({ PUBLIC_URL: 'https://a.example' }), 4000)).toBe('https://a.example');
  });
});

describe('encryption keys', () => {
  const ids = (text: string) => {
    const { keys, faults } = readKeys(text);
    expect(faults).toEqual([]);
    return keys.map(({ id }) => id);
  };
  test('come newest first, with commas or line ends between them', () => {
    for (const text of [`k2:${KEY}, k1:${KEY}`, `k2:${KEY}\nk1:${KEY}\n`, `\r\nk2:${KEY},\r\n\r\n k1:${KEY} \r\n`])
      expect(ids(text)).toEqual(['k2', 'k1']);
    expect(readConfig({ ENCRYPTION_KEYS: `k2:${KEY}\nk1:${KEY}` }).encryptionKeys).toHaveLength(2);
  });
  const other = Buffer.alloc(32, 2).toString('base64');
  test.each([
    ['', 'there is no key in it'],
    [KEY, 'entry 1 of 1 has no id: it must be id:key, with a colon between them'],
    [`k2:${KEY}\n${KEY}`, 'entry 2 of 2 has no id: it must be id:key, with a colon between them'],
    [`k 1:${KEY}`, 'entry 1 of 1 has an id that is not 1 to 32 letters, digits, _ or -'],
    [`k1:${KEY.slice(4)}`, 'entry 1 of 1 (k1) has a key of 29 bytes; it must be the base64 of 32'],
    [`k2:${KEY},k1:`, 'entry 2 of 2 (k1) has a key of 0 bytes; it must be the base64 of 32'],
    [`k1:${KEY} k0:${KEY}`, 'entry 1 of 1 (k1) has a key with characters that base64 does not have'],
    [`k1:${KEY}\nk1:${other}`, 'entry 2 of 2 (k1) has the id of another key before it'],
  ])('%#: what is wrong with which of them is said, and nothing of a key', (text, fault) => {
    expect(readKeys(text).faults).toEqual([fault]);
    if (text) expect(faults({ ENCRYPTION_KEYS: text })).toEqual([`ENCRYPTION_KEYS must be id:base64 pairs; ${fault}.`]);
  });
  test('the next id follows the highest', () => {
    const of = (text: string) => nextKeyId(readKeys(text).keys);
    expect(of('')).toBe('k1');
    expect(of(`old:${KEY}`)).toBe('k1');
    expect(of(`k9:${KEY}\nk10:${KEY}\nk2:${KEY}`)).toBe('k11');
  });
});
