/** The verbs of templates. */
import type { Registry } from '../../channel-kit/index.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db } from '../../lib/db.ts';
import type { Log } from '../../lib/log.ts';
import type { Templates } from './door.ts';

export interface TemplatesDeps {
  readonly db: Db;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
}

export function createTemplates(_deps: TemplatesDeps): Templates {
  throw new Error('not built yet');
}
