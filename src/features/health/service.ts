/**
 * Whether this process should be given work. Red while it leaves, while the store is gone or lacks what this build needs, and
 * while the queue would lose what it is given. A queue that is gone keeps nobody from accepting: the sweep delivers. The
 * reason stands in the log, once for each change, and nowhere else.
 */
import type { Db } from '../../lib/db.ts';
import type { Log } from '../../lib/log.ts';
import type { Queues } from '../../lib/queue.ts';
import { missingMigrations } from './store.ts';

export interface Health {
  isReady(): Promise<boolean>;
  /** From now on it is not: requests should go elsewhere. */
  leave(): void;
}

export interface HealthDeps {
  readonly db: Db;
  readonly queues: Pick<Queues, 'unfit'>;
  readonly log: Log;
  /** Names of the migrations that this build needs. */
  readonly migrations: readonly string[];
}

export function createHealth({ db, queues, log, migrations }: HealthDeps): Health {
  let isLeaving = false;
  let reason: string | undefined;

  /** A database that was migrated further than this build knows serves it all the same: that is how upgrades go. */
  async function storeTrouble(): Promise<string | undefined> {
    try {
      const missing = await missingMigrations(db, migrations);
      return missing[0] === undefined
        ? undefined
        : `the database lacks ${missing.length} migration(s), from ${missing[0]}; run carillon migrate`;
    } catch (error) {
      return `the database cannot be asked: ${(error as Error).message || (error as { code?: string }).code}`;
    }
  }

  return {
    async isReady() {
      const [store, queue] = isLeaving
        ? ['the process is leaving']
        : await Promise.all([storeTrouble(), queues.unfit()]);
      const found = store ?? queue;
      if (found !== reason) {
        if (found) log.warn({ reason: found }, 'not ready');
        else log.info('ready again');
        reason = found;
      }
      return found === undefined;
    },
    leave() {
      isLeaving = true;
    },
  };
}
