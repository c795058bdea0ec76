/** The verbs of campaigns. */
import type { Registry } from '../../channel-kit/index.ts';
import type { BodyStream } from '../../lib/body.ts';
import type { Db } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal } from '../../lib/http.ts';
import { fromWire, newId, toWire } from '../../lib/ids.ts';
import type { Bulks, Judged, Sample, Source, Table } from '../bulks/index.ts';
import type { Connections } from '../connections/index.ts';
import type { Origin } from '../notifications/index.ts';
import type { Templates } from '../templates/index.ts';
import { columnsOf, doubled, guess, type Meaning, meaningsOf, missing, type Variable } from './columns.ts';
import type { NewDraft, Settings, Timing } from './schema.ts';
import {
  claimSend,
  type DraftRow,
  deleteDraft,
  findDraft,
  giveBack,
  insertDraft,
  markSent,
  purgeDrafts,
  readCsv,
  updateSettings,
} from './store.ts';

export interface DraftView extends Settings {
  readonly draft_id: string;
  /** What it became; then nothing of it can be changed. */
  readonly bulk_id?: string;
  readonly created_at: string;
  readonly meanings: readonly Meaning[];
  /** Required meanings that no column has. */
  readonly missing: readonly Meaning[];
  /** Languages of the template over the channels of the draft. */
  readonly languages: readonly string[];
}

export interface Look extends Judged {
  /** What the pace of the connections allows at best; absent where it is not limited. */
  readonly leastSeconds?: number;
}

export interface Campaigns {
  /** Channels that a campaign could go out on now. */
  connected(principal: Principal): Promise<readonly string[]>;
  /** Throws `csv_header_invalid`, `validation_failed`, `template_not_found`. Returns the id of the draft. */
  draft(principal: Principal, asked: NewDraft, csv: Buffer): Promise<string>;
  /** Throws `not_found`, as do all below. */
  get(principal: Principal, draftId: string): Promise<DraftView>;
  /** The columns of the file with their first values. */
  table(principal: Principal, draftId: string): Promise<Table>;
  /** Throws `validation_failed` with the places of columns that mean what another means already. */
  assign(principal: Principal, draftId: string, columns: readonly string[], language?: string): Promise<void>;
  /** Throws `validation_failed` for a time that is none. */
  schedule(origin: Origin, draftId: string, timing: Timing): Promise<void>;
  /** What would come of it. Throws as a send does when it concerns all rows. */
  look(origin: Origin, draftId: string): Promise<Look>;
  /** One row of the file, counted from 0. Throws `not_found` when it would not be sent, too. */
  sample(origin: Origin, draftId: string, row: number): Promise<Sample>;
  /** Sends it, once, however often it is asked for. Returns the id of the bulk. Throws `idempotency_in_progress`. */
  send(origin: Origin, draftId: string): Promise<string>;
  discard(principal: Principal, draftId: string): Promise<void>;
  /** Removes drafts that are a day old; returns how many. */
  purge(): Promise<number>;
}

export interface CampaignsDeps {
  readonly db: Db;
  readonly registry: Registry;
  readonly connections: Pick<Connections, 'routes'>;
  readonly templates: Pick<Templates, 'get' | 'getVersion'>;
  readonly bulks: Pick<Bulks, 'send' | 'judge' | 'peek' | 'fields'>;
}

const VALUES = 3;
const DRAFTS_MAX = 20;
const KEPT_HOURS = 24;
/** What is judged before a send; the send itself judges every row. */
const LOOK = { rows: 50_000, faults: 20, samples: 3 };
/** Enough for the header and a first row. */
const HEAD_BYTES = 131_072;

export function createCampaigns({ db, registry, connections, templates, bulks }: CampaignsDeps): Campaigns {
  async function find(principal: Principal, draftId: string): Promise<DraftRow> {
    const id = fromWire('draft', draftId);
    const found = id ? await findDraft(db, principal, id) : undefined;
    if (!found) throw new ApiError('not_found');
    return found;
  }

  async function csvOf(principal: Principal, { id }: DraftRow): Promise<Buffer> {
    const csv = await readCsv(db, principal, id);
    if (!csv) throw new ApiError('not_found');
    return csv;
  }

  /** Of the version that would be sent now. */
  async function subject(principal: Principal, { template_id, channels }: Pick<NewDraft, 'template_id' | 'channels'>) {
    const template = await templates.get(principal, template_id);
    if (template.version === null) throw new ApiError('template_not_found', 'This template is not active yet.');
    const version = await templates.getVersion(principal, template_id, template.version);
    const variables = version.inferred_variables
      .filter((variable) => variable.channels.some((id: string) => channels.includes(id)))
      .map(({ name, required }): Variable => ({ name, required }));
    const languages = [...new Set(channels.flatMap((id) => Object.keys(version.content[id] ?? {})))].sort();
    const known = channels.map((id) => registry.channel(id)).filter((channel) => channel !== undefined);
    return { meanings: meaningsOf(known, bulks.fields, variables), languages };
  }

  async function sourceOf(origin: Origin, draft: DraftRow): Promise<Omit<Source, 'type'>> {
    const { principal } = origin;
    const { settings } = draft;
    const { meanings } = await subject(principal, settings);
    const { at, time_zone, quiet_from, quiet_to } = settings.timing;
    return {
      origin,
      headers: { 'idempotency-key': toWire('draft', draft.id) },
      query: {
        channels: settings.channels.join(','),
        template_id: settings.template_id,
        priority: settings.priority,
        name: settings.name,
        ...(settings.language ? { language: settings.language } : {}),
        ...(at ? { schedule_at: at } : {}),
        ...(at && time_zone ? { schedule_time_zone: time_zone } : {}),
        ...(quiet_from ? { quiet_from } : {}),
        ...(quiet_to ? { quiet_to } : {}),
      },
      columns: columnsOf(settings.columns, meanings),
    };
  }

  const routes = ({ tenantId, mode }: Principal) => connections.routes(tenantId, mode);

  return {
    async connected(principal) {
      const known = await routes(principal);
      return registry.channels.flatMap(({ id }) => (known.has(id) ? [id] : []));
    },
    async draft(principal, asked, csv) {
      const { columns } = bulks.peek(csv, VALUES);
      const { meanings } = await subject(principal, asked);
      const values = guess(
        columns.map(({ name }) => name),
        meanings,
      );
      const id = newId();
      const settings = { ...asked, columns: values, timing: {}, mapped: false };
      await insertDraft(db, principal, { id, csv, settings }, DRAFTS_MAX);
      return toWire('draft', id);
    },
    async get(principal, draftId) {
      const { id, settings, bulkId, createdAt } = await find(principal, draftId);
      const { meanings, languages } = await subject(principal, settings);
      return {
        ...settings,
        draft_id: toWire('draft', id),
        ...(bulkId ? { bulk_id: toWire('bulk', bulkId) } : {}),
        created_at: createdAt.toISOString(),
        meanings,
        missing: missing(settings.columns, meanings),
        languages,
      };
    },
    async table(principal, draftId) {
      return bulks.peek(await csvOf(principal, await find(principal, draftId)), VALUES);
    },
    async assign(principal, draftId, columns, language) {
      const { id, settings } = await find(principal, draftId);
      const twice = doubled(columns);
      if (twice.length > 0)
        throw new ApiError('validation_failed', undefined, {
          details: {
            fields: twice.map((place) => ({
              path: `column_${place}`,
              message: 'Another column is taken for this already. Choose something else, or do not use this one.',
            })),
          },
        });
      const { meanings } = await subject(principal, settings);
      const known = settings.columns.map((_, place) =>
        meanings.some(({ value }) => value === columns[place]) ? (columns[place] as string) : '',
      );
      await updateSettings(db, principal, id, { columns: known, mapped: true, language: language ?? '' });
    },
    async schedule(origin, draftId, timing) {
      const draft = await find(origin.principal, draftId);
      const csv = await csvOf(origin.principal, draft);
      const source = await sourceOf(origin, { ...draft, settings: { ...draft.settings, timing } });
      await bulks.judge(source, streamOf(csv.subarray(0, HEAD_BYTES)), { rows: 1, faults: 0, samples: 0 });
      await updateSettings(db, origin.principal, draft.id, { timing });
    },
    async look(origin, draftId) {
      const draft = await find(origin.principal, draftId);
      const csv = await csvOf(origin.principal, draft);
      const judged = await bulks.judge(await sourceOf(origin, draft), streamOf(csv), LOOK);
      const known = await routes(origin.principal);
      const paces = draft.settings.channels.flatMap((id) => known.get(id)?.adapter.perSecond ?? []);
      return { ...judged, ...(paces.length > 0 ? { leastSeconds: judged.accepted / Math.min(...paces) } : {}) };
    },
    async sample(origin, draftId, row) {
      const draft = await find(origin.principal, draftId);
      const csv = await csvOf(origin.principal, draft);
      const one = { from: row, rows: row + 1, faults: 0, samples: 1 };
      const [sample] = (await bulks.judge(await sourceOf(origin, draft), streamOf(csv), one)).samples;
      if (!sample) throw new ApiError('not_found');
      return sample;
    },
    async send(origin, draftId) {
      const { principal } = origin;
      const draft = await find(principal, draftId);
      if (draft.bulkId) return toWire('bulk', draft.bulkId);
      if (!(await claimSend(db, principal, draft.id))) {
        // Somebody else is sending it, or has just done so.
        const { bulkId } = await find(principal, draftId);
        if (bulkId) return toWire('bulk', bulkId);
        throw new ApiError('idempotency_in_progress');
      }
      const sending = async () => bulks.send(await sourceOf(origin, draft), streamOf(await csvOf(principal, draft)));
      const { body } = await sending().catch(async (error: unknown) => {
        await giveBack(db, principal, draft.id);
        throw error;
      });
      const { bulk_id } = JSON.parse(String(body)) as { bulk_id: string };
      await markSent(db, principal, draft.id, fromWire('bulk', bulk_id) as string);
      return bulk_id;
    },
    async discard(principal, draftId) {
      await deleteDraft(db, principal, (await find(principal, draftId)).id);
    },
    purge: () => purgeDrafts(db, KEPT_HOURS),
  };
}

const BLOCK = 65_536;

/** Piece by piece, so that the rows are judged while other requests have their turn. */
const streamOf = (csv: Buffer): BodyStream => ({
  type: 'text/csv',
  async *pieces() {
    for (let at = 0; at < csv.length; at += BLOCK) yield csv.subarray(at, at + BLOCK);
  },
});
