/**
 * The verbs of rollouts. A template's row is held while one begins, changes or ends by hand, so that there is one at most and
 * its versions are those of that moment. Its figures come from who watches the messages; judging them is done here, in the
 * write that adds them, and needs nobody to be at the desk.
 */
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import { newId } from '../../lib/ids.ts';
import type { Log } from '../../lib/log.ts';
import type { Audit } from '../audit/index.ts';
import type { Templates } from './door.ts';
import { addTo, NO_TALLY, tooManyFailed } from './rollout.ts';
import * as rows from './rollouts-store.ts';
import type { TemplateView } from './schema.ts';
import * as store from './store.ts';
import { rolloutView } from './views.ts';

export interface RolloutDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly log: Log;
  /** A transaction that holds the template, and forgets what was remembered of it. */
  readonly change: <T>(
    principal: Principal,
    slug: string,
    work: (trx: Sql, template: store.TemplateRow) => Promise<T>,
  ) => Promise<T>;
  /** Throws `not_found`. */
  readonly found: (sql: Sql, tenantId: string, slug: string) => Promise<store.TemplateRow>;
  readonly view: (sql: Sql, tenantId: string, slug: string) => Promise<TemplateView>;
  readonly forget: (tenantId: string, slug: string) => void;
}

/** Who acts where nobody asked. */
const ITSELF = 'carillon';
const LIMIT = { percent: 5, min_sent: 50 } as const;

export const actorOf = ({ actor }: Principal): string => `${actor.kind}:${actor.id}`;

/** From now on everybody gets this version, which ends a rollout: its own by completing it, any other by taking it back. */
export async function publish(
  trx: Sql,
  who: { readonly tenantId: string; readonly by: string | null },
  templateId: string,
  number: number,
  how: { readonly back?: boolean } = {},
): Promise<void> {
  const end = { everybody: number, by: who.by ?? ITSELF, reason: `Version ${number} was activated.` };
  await rows.endRollout(trx, who.tenantId, templateId, end);
  await store.activateVersion(trx, who.tenantId, templateId, number, how);
}

export function createRollouts({
  db,
  audit,
  log,
  change,
  found,
  view,
  forget,
}: RolloutDeps): Pick<Templates, 'rollOut' | 'rollout' | 'rollBack' | 'runningRollouts' | 'tallyRollout'> {
  return {
    rollOut: (principal, slug, { version, percent: asked, failure_limit: limit }) =>
      change(principal, slug, async (trx, { id: templateId, active_version: active }) => {
        const { tenantId } = principal;
        const by = actorOf(principal);
        const percent = Math.round(asked * 100) / 100;
        if (!(await store.findVersion(trx, tenantId, templateId, version)))
          throw new ApiError('not_found', `The template ${slug} has no version ${version}.`);
        if (active === null)
          throw refused(`No version of ${slug} is active yet, so there is none to roll out from. Activate one.`);
        if (active === version) throw refused(`Version ${version} is active already: everybody gets it.`);
        const last = await rows.lastRollout(trx, tenantId, templateId);
        if (last?.status !== 'running')
          await rows.insertRollout(trx, {
            id: newId(),
            tenantId,
            templateId,
            from: active,
            to: version,
            percent,
            limit: limit ?? LIMIT,
            tally: NO_TALLY,
            by,
          });
        else if (last.to_version === version) await rows.changeRollout(trx, last.id, percent, limit);
        else
          throw refused(
            `Version ${last.to_version} of ${slug} is being rolled out. Complete it with percent 100, or roll it back, first.`,
          );
        if (percent === 100) await publish(trx, { tenantId, by }, templateId, version);
        return rolloutView(present(await rows.lastRollout(trx, tenantId, templateId)), principal.mode);
      }),

    rollout: ({ tenantId, mode }, slug) =>
      db.read(tenantId, async (sql) => {
        const { id } = await found(sql, tenantId, slug);
        const last = await rows.lastRollout(sql, tenantId, id);
        return last && rolloutView(last, mode);
      }),

    rollBack: (principal, slug) =>
      change(principal, slug, async (trx, { id, active_version: active }) => {
        const { tenantId } = principal;
        const by = actorOf(principal);
        const end = { everybody: null, by, reason: 'Somebody asked for it.' };
        if (!(await rows.endRollout(trx, tenantId, id, end))) {
          const before = active === null ? null : await rows.predecessorOf(trx, id, active);
          if (before === null) throw refused(`There is no version of ${slug} to go back to: none was active before.`);
          await publish(trx, { tenantId, by }, id, before, { back: true });
        }
        return view(trx, tenantId, slug);
      }),

    runningRollouts: async () =>
      (await rows.runningRollouts(db)).map((row) => ({
        id: row.id,
        tenantId: row.tenant_id,
        slug: row.slug,
        versions: { from: row.from_id, to: row.to_id },
        limit: { percent: row.limit_percent, minSent: row.limit_min_sent },
        place: { position: row.place, id: row.event_id },
        tally: row.tally,
      })),

    async tallyRollout({ id, tenantId, slug, place: before, tally: known, limit }, { place, counts }) {
      const tally = addTo(known, counts);
      const reason = tooManyFailed(tally, limit);
      if (place.id === before.id && !reason) return false;
      const ended = await db.transaction(async (trx) => {
        const heard = await rows.moveTally(trx, id, before, { place, tally, reason, by: ITSELF });
        if (!heard || !reason) return false;
        await audit.record(trx, {
          tenantId,
          actor: { kind: 'operator', id: ITSELF },
          action: 'template.rolled_back',
          target: slug,
          detail: { reason },
        });
        return true;
      });
      if (ended) {
        forget(tenantId, slug);
        log.warn({ tenant: tenantId, template: slug, rollout: id, reason }, 'a rollout was rolled back by itself');
      }
      return ended;
    },
  };
}

const refused = (message: string) => new ApiError('conflict', message);

function present(row: rows.RolloutRow | undefined): rows.RolloutRow {
  if (!row) throw new Error('a rollout that was just written is there');
  return row;
}
