/**
 * The verbs of templates. A name is looked up for five seconds at most before the store is asked again, and at once after
 * a change here; a version is kept as long as there is room, because it never changes. A change is one transaction that
 * holds the template's row, so numbers have no gaps and one version is active.
 */
import type { Registry } from '../../channel-kit/index.ts';
import { createCache } from '../../lib/cache.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db, Sql } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import { fromWire, newId, toWire } from '../../lib/ids.ts';
import { canonicalJson } from '../../lib/json.ts';
import type { Log } from '../../lib/log.ts';
import { createRecent } from '../../lib/recent.ts';
import { invalid } from '../../lib/schema.ts';
import type { Audit } from '../audit/index.ts';
import { type Authored, author } from './authored.ts';
import type { ResolvedTemplate, Templates, TemplateVersion } from './door.ts';
import { preview, previewWritten } from './preview.ts';
import { createRendering } from './rendering.ts';
import { pickVersion } from './rollout.ts';
import { actorOf, createRollouts, publish } from './rollouts.ts';
import { endRollout } from './rollouts-store.ts';
import { readStarters } from './starters.ts';
import * as store from './store.ts';
import { summaryView, templateView, versionHeadView, versionOf, versionView } from './views.ts';

export interface TemplatesDeps {
  readonly db: Db;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: Audit;
}

const VERSIONS_KEPT = 1_000;

/** Throws when a starter template does not fit the channels: that is a fault of the build. */
export function createTemplates({ db, registry, clock, log, audit }: TemplatesDeps): Templates {
  const rendering = createRendering(registry);
  const starters = readStarters(registry);
  const names = createCache<string, ResolvedTemplate | undefined>({ clock });
  const versions = createRecent<string, TemplateVersion>(VERSIONS_KEPT);
  const nameKey = (tenantId: string, slug: string) => `${tenantId}/${slug}`;

  function keep(row: store.VersionRow): TemplateVersion {
    const version = versions.get(row.id) ?? versionOf(row);
    versions.set(row.id, version);
    return version;
  }

  async function found(sql: Sql, tenantId: string, slug: string): Promise<store.TemplateRow> {
    const row = await store.findTemplate(sql, tenantId, slug);
    return present(row, slug);
  }

  async function shown(
    sql: Sql,
    tenantId: string,
    slug: string,
  ): Promise<store.VersionRow & { of: store.TemplateRow }> {
    const of = await found(sql, tenantId, slug);
    const version = await store.findVersion(sql, tenantId, of.id, of.active_version ?? of.latest_version);
    if (!version) throw new ApiError('not_found');
    return { ...version, of };
  }

  const view = async (sql: Sql, tenantId: string, slug: string) => {
    const { of, ...version } = await shown(sql, tenantId, slug);
    return templateView(of, version);
  };

  /** A change, and what it leaves behind. */
  async function change<T>({ tenantId }: Principal, slug: string, work: (trx: Sql) => Promise<T>): Promise<T> {
    const result = await db.transaction(work);
    names.forget(nameKey(tenantId, slug));
    return result;
  }

  /** A change of a template that is there. */
  const changeOf = <T>(
    principal: Principal,
    slug: string,
    work: (trx: Sql, template: store.TemplateRow) => Promise<T>,
  ): Promise<T> =>
    change(principal, slug, async (trx) =>
      work(trx, present(await store.lockTemplate(trx, principal.tenantId, slug), slug)),
    );

  async function addVersion(
    trx: Sql,
    tenantId: string,
    template: { readonly id: string; readonly latest: number },
    { written, content, declared, variables }: Authored,
    how: { readonly draft: boolean; readonly createdBy: string | null },
  ): Promise<void> {
    const number = template.latest + 1;
    await store.insertVersion(trx, {
      id: newId(),
      tenantId,
      templateId: template.id,
      number,
      written,
      content,
      variables: { declared, inferred: variables },
      createdBy: how.createdBy,
    });
    if (!how.draft) await publish(trx, { tenantId, by: how.createdBy }, template.id, number);
  }

  return {
    ...rendering,
    ...createRollouts({
      db,
      audit,
      log,
      change: changeOf,
      found,
      view,
      forget: (tenantId, slug) => names.forget(nameKey(tenantId, slug)),
    }),
    pick: pickVersion,

    resolve(tenantId, slug) {
      const key = nameKey(tenantId, slug);
      return names.get(key, async () => {
        const [active, next] = await store.findSent(db, tenantId, slug);
        if (!active) {
          // What is not there may be there in a moment, and its author would wonder.
          process.nextTick(() => names.forget(key));
          return undefined;
        }
        const resolved = { ...keep(active), category: active.category };
        if (!next?.rollout_id || next.percent === null) return resolved;
        const { rollout_id: rolloutId, percent, category } = next;
        return { ...resolved, candidate: { rolloutId, percent, template: { ...keep(next), category } } };
      });
    },

    async versions(ids) {
      const result = new Map<string, TemplateVersion>();
      const unknown = new Set<string>();
      for (const id of ids) {
        const version = versions.get(id);
        if (version) result.set(id, version);
        else unknown.add(id);
      }
      if (unknown.size > 0) for (const row of await store.findVersions(db, [...unknown])) result.set(row.id, keep(row));
      return result;
    },

    async installStarters(trx, tenantId) {
      for (const { slug, name, category, authored } of starters) {
        const id = newId();
        if (await store.insertTemplate(trx, { id, tenantId, slug, name, category }))
          await addVersion(trx, tenantId, { id, latest: 0 }, authored, { draft: false, createdBy: null });
      }
    },

    async list({ tenantId }, { limit, cursor }) {
      const before = cursor === undefined ? undefined : fromWire('template', cursor);
      if (cursor !== undefined && before === undefined) throw badCursor();
      const rows = await db.read(tenantId, (sql) => store.listTemplates(sql, tenantId, limit + 1, before));
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return {
        object: 'list',
        data: page.map(summaryView),
        has_more: last !== undefined,
        next_cursor: last ? toWire('template', last.id) : null,
      };
    },

    get: ({ tenantId }, slug) => db.read(tenantId, (sql) => view(sql, tenantId, slug)),

    create(principal, { template_id: slug, name = slug, category = 'transactional', draft = false, ...input }) {
      const authored = author(registry, input);
      const { tenantId } = principal;
      return change(principal, slug, async (trx) => {
        let id = newId();
        let latest = 0;
        if (!(await store.insertTemplate(trx, { id, tenantId, slug, name, category }))) {
          const known = await store.lockTemplate(trx, tenantId, slug);
          if (!known?.archived_at)
            throw new ApiError(
              'conflict',
              `There is a template ${slug} already. Change it with PUT, or choose another name.`,
              {
                param: 'template_id',
              },
            );
          ({ id, latest_version: latest } = known);
          await store.updateTemplate(trx, tenantId, id, { name, category });
        }
        await addVersion(trx, tenantId, { id, latest }, authored, { draft, createdBy: actorOf(principal) });
        return view(trx, tenantId, slug);
      });
    },

    update(principal, slug, { name, category, draft = false, ...input }) {
      const authored = author(registry, input);
      const { tenantId } = principal;
      return changeOf(principal, slug, async (trx, row) => {
        const { id, latest_version: latest } = row;
        const renamed = { name: name ?? row.name, category: category ?? row.category };
        if (renamed.name !== row.name || renamed.category !== row.category)
          await store.updateTemplate(trx, tenantId, id, renamed);
        const same = async (number: number | null) => {
          const version = number === null ? undefined : await store.findVersion(trx, tenantId, id, number);
          return version !== undefined && equal(version, authored);
        };
        if (await same(row.active_version)) return view(trx, tenantId, slug);
        if (!(await same(latest)))
          await addVersion(trx, tenantId, { id, latest }, authored, { draft, createdBy: actorOf(principal) });
        else if (!draft) await publish(trx, { tenantId, by: actorOf(principal) }, id, latest);
        return view(trx, tenantId, slug);
      });
    },

    archive: (principal, slug) =>
      changeOf(principal, slug, async (trx, { id }) => {
        const end = { everybody: null, by: actorOf(principal), reason: 'The template was archived.' };
        await endRollout(trx, principal.tenantId, id, end);
        await store.archiveTemplate(trx, principal.tenantId, slug);
        log.debug({ template: slug }, 'template archived');
      }),

    listVersions: ({ tenantId }, slug, { limit, cursor }) =>
      db.read(tenantId, async (sql) => {
        if (cursor !== undefined && !/^[1-9]\d{0,8}$/.test(cursor)) throw badCursor();
        const { id } = await found(sql, tenantId, slug);
        const rows = await store.listVersions(sql, tenantId, id, limit + 1, cursor ? Number(cursor) : undefined);
        const page = rows.slice(0, limit);
        const last = rows.length > limit ? page.at(-1) : undefined;
        return {
          object: 'list',
          data: page.map((row) => versionHeadView(slug, row)),
          has_more: last !== undefined,
          next_cursor: last ? String(last.number) : null,
        };
      }),

    getVersion: ({ tenantId }, slug, number) =>
      db.read(tenantId, async (sql) => {
        const { id } = await found(sql, tenantId, slug);
        const row = await store.findVersion(sql, tenantId, id, number);
        if (!row) throw new ApiError('not_found', `The template ${slug} has no version ${number}.`);
        return versionView(row);
      }),

    activate: (principal, slug, number) =>
      changeOf(principal, slug, async (trx, { id, active_version: active }) => {
        const { tenantId } = principal;
        const by = actorOf(principal);
        if (!(await store.findVersion(trx, tenantId, id, number)))
          throw new ApiError('not_found', `The template ${slug} has no version ${number}.`);
        if (active !== number) await publish(trx, { tenantId, by }, id, number);
        else await endRollout(trx, tenantId, id, { everybody: number, by, reason: `Version ${number} was activated.` });
        return view(trx, tenantId, slug);
      }),

    async preview({ tenantId }, slug, { version: number, ...input }) {
      const version = await db.read(tenantId, async (sql) => {
        if (number === undefined) return shown(sql, tenantId, slug);
        const { id } = await found(sql, tenantId, slug);
        return store.findVersion(sql, tenantId, id, number);
      });
      if (!version) throw new ApiError('not_found', `The template ${slug} has no version ${number}.`);
      return preview(registry, rendering, keep(version), input);
    },

    previewUnsaved: (input) => previewWritten(registry, rendering, input),
  };
}

const missing = (slug: string) => new ApiError('not_found', `There is no template ${slug}.`);
const badCursor = () =>
  invalid([{ path: 'cursor', message: 'is not a next_cursor of this list; leave it out to start' }]);

function present(row: store.TemplateRow | undefined, slug: string): store.TemplateRow {
  if (!row || row.archived_at) throw missing(slug);
  return row;
}

const equal = (version: store.VersionRow, { written, declared }: Authored): boolean =>
  canonicalJson([version.written, version.variables.declared]) === canonicalJson([written, declared]);
