/** `carillon keys`: which keys the stored secrets are sealed with, and how they move to the newest. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import type { Deps } from './deps.ts';
import { PLATFORM } from './features/audit/index.ts';
import { SEALED_CONNECTIONS } from './features/connections/index.ts';
import { SEALED_ERASURES } from './features/erasure/index.ts';
import { SEALED_SUPPRESSIONS } from './features/suppressions/index.ts';
import { SEALED_ENDPOINTS } from './features/webhooks/index.ts';
import { ConfigError, readConfig } from './lib/config.ts';
import { newEncryptionKey } from './lib/crypto.ts';
import { type EncryptionKey, nextKeyId, readKeys } from './lib/encryption-keys.ts';
import { countByKey, ROOT, reseal } from './lib/sealed.ts';
import { out, outJson } from './terminal.ts';

const COLUMNS = [ROOT, SEALED_CONNECTIONS, SEALED_ERASURES, SEALED_ENDPOINTS, SEALED_SUPPRESSIONS];
type Part = Pick<Deps, 'db' | 'vault' | 'audit'>;

export interface KeyState {
  readonly id: string;
  readonly rows: number;
  readonly loaded: boolean;
  readonly newest: boolean;
}

/** Every key that is loaded or in use. */
export async function keyStates({ db, vault }: Pick<Part, 'db' | 'vault'>): Promise<readonly KeyState[]> {
  const counts = await countByKey(db, COLUMNS);
  return [...new Set([...vault.keyIds, ...counts.keys()])].map((id) => ({
    id,
    rows: counts.get(id) ?? 0,
    loaded: vault.keyIds.includes(id),
    newest: id === vault.keyId,
  }));
}

/** Everything to the newest key. What is written meanwhile with an older one, by a process that knows no other, is seen in `keys`. */
export async function rotate(deps: Part): Promise<{ resealed: number; unreadable: number; keys: readonly KeyState[] }> {
  const { resealed, unreadable } = await reseal(deps.db, deps.vault, COLUMNS);
  await deps.audit.record(deps.db, {
    tenantId: PLATFORM,
    actor: { kind: 'operator', id: 'operator' },
    action: 'encryption.rotated',
    target: deps.vault.keyId,
    detail: { resealed, unreadable },
  });
  return { resealed, unreadable, keys: await keyStates(deps) };
}

export function keysCommand(withDeps: <T>(work: (deps: Deps) => Promise<T>) => Promise<T>): Command {
  const keys = new Command('keys').description('the encryption keys of stored credentials');
  keys
    .command('new')
    .description('print a new key, to be put in front of ENCRYPTION_KEYS')
    .option('--id <id>', 'its name; default: the next that is free')
    .action(({ id }: { id?: string }) => out(newEncryptionKey(id ?? nextKeyId(loadedKeys()))));
  keys
    .command('list')
    .description('how many rows are sealed with which key')
    .option('--json', 'one JSON object')
    .action(({ json }: { json?: boolean }) =>
      withDeps(async (deps) => {
        const states = await keyStates(deps);
        if (json) outJson({ keys: states });
        else for (const state of states) out(line(state));
      }),
    );
  keys
    .command('rotate')
    .description('seal everything with the newest key, while the installation works')
    .option('--json', 'one JSON object')
    .action(({ json }: { json?: boolean }) =>
      withDeps(async (deps) => {
        const result = await rotate(deps);
        if (json) outJson(result);
        else {
          out(`${result.resealed} row(s) are sealed with ${deps.vault.keyId} now.`);
          for (const state of result.keys) out(line(state));
        }
        if (result.keys.some(({ newest, rows }) => !newest && rows > 0)) process.exitCode = 1;
      }),
    );
  return keys;
}

/** Of this installation, which need not run, nor be there. */
function loadedKeys(): readonly EncryptionKey[] {
  try {
    const { encryptionKeys, dataDir } = readConfig();
    if (encryptionKeys.length > 0) return encryptionKeys;
    const file = join(dataDir, 'encryption.key');
    return existsSync(file) ? readKeys(readFileSync(file, 'utf8')).keys : [];
  } catch (error) {
    // The first key of an installation is made before there are settings that it could start with.
    if (error instanceof ConfigError) return [];
    throw error;
  }
}

const line = ({ id, rows, loaded, newest }: KeyState): string =>
  `  ${id.padEnd(20)} ${String(rows).padStart(6)} row(s)  ${newest ? 'seals now' : !loaded ? 'NOT LOADED: add it to the end of ENCRYPTION_KEYS' : rows === 0 ? 'may be removed' : 'still needed: carillon keys rotate'}`;
