/** The verbs of bulks. */
import type { Registry } from '../../channel-kit/index.ts';
import { type BodyStream, collect } from '../../lib/body.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Db } from '../../lib/db.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Principal, Reply } from '../../lib/http.ts';
import { fromWire, toWire } from '../../lib/ids.ts';
import { readJsonObject } from '../../lib/json.ts';
import { type List, readCursor } from '../../lib/list.ts';
import { validator } from '../../lib/schema.ts';
import type { Connections } from '../connections/index.ts';
import { BULK_LIMITS } from '../notifications/index.ts';
import { acceptJson } from './accept.ts';
import { type Control, type ControlDeps, createControl } from './control.ts';
import type { Source, UploadDeps } from './head.ts';
import { type Judged, judgeUpload, peek, type Table, type Wanted } from './judge.ts';
import { resultLines } from './results.ts';
import { shapes } from './schema.ts';
import { type BulkRow, findBulk, listBulks, sumTallies } from './store.ts';
import { upload } from './upload.ts';
import { type BulkView, bulkView } from './view.ts';

export interface Bulks {
  /** JSON, NDJSON or CSV, as the stream's type says. Throws what concerns the request as a whole; rows are told one by one. */
  send(source: Omit<Source, 'type'>, stream: BodyStream): Promise<Reply>;
  /** What `send` would say of a CSV or of NDJSON; nothing is stored. Throws as `send`. */
  judge(source: Omit<Source, 'type'>, stream: BodyStream, wanted: Wanted): Promise<Judged>;
  /** The columns of a CSV and their first values, before anybody has said what they are. Throws `csv_header_invalid`. */
  peek(csv: Buffer, values: number): Table;
  /** What a row may say beside variables. */
  readonly fields: ReadonlySet<string>;
  /** Throws `not_found`, as do all below. */
  get(principal: Principal, bulkId: string): Promise<BulkView>;
  /** Newest first. */
  list(principal: Principal, page: { readonly limit: number; readonly cursor?: string }): Promise<List<BulkView>>;
  results(principal: Principal, bulkId: string, format: 'ndjson' | 'csv'): Promise<AsyncIterable<string>>;
  /** Throw `bulk_state`. Each answers with the bulk as it is then. */
  pause(principal: Principal, bulkId: string): Promise<BulkView>;
  resume(principal: Principal, bulkId: string): Promise<BulkView>;
  cancel(principal: Principal, bulkId: string): Promise<BulkView>;
  readonly cancelSome: Control['cancelSome'];
  readonly tellEnded: Control['tellEnded'];
  readonly purge: Control['purge'];
}

export interface BulksDeps extends Omit<UploadDeps, 'shared' | 'row' | 'fields'>, ControlDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly connections: Connections;
}

/** A row has a handful of properties; what is told of it apart from that is bounded by the size of the body. */
const JSON_LIMITS = { properties: 400_000, values: 400_000 };

export function createBulks(deps: BulksDeps): Bulks {
  const { db, clock, registry, connections } = deps;
  const { shared, request, row } = shapes(registry);
  const judges = {
    shared: validator(shared) as UploadDeps['shared'],
    request: validator(request) as UploadDeps['shared'],
    row: validator(row) as UploadDeps['row'],
  };
  const fields = new Set(Object.keys(row.properties).filter((name) => name !== 'data'));
  const control = createControl(deps);

  async function find({ tenantId, mode }: Principal, bulkId: string): Promise<BulkRow> {
    const id = fromWire('bulk', bulkId);
    const found = id ? await db.read(tenantId, (sql) => findBulk(sql, tenantId, mode, id)) : undefined;
    if (!found) throw new ApiError('not_found');
    return found;
  }

  async function views({ tenantId, mode }: Principal, rows: readonly BulkRow[]): Promise<BulkView[]> {
    const tallies = new Map(
      (
        await db.read(tenantId, (sql) =>
          sumTallies(
            sql,
            rows.map(({ id }) => id),
          ),
        )
      ).map((sum) => [sum.bulkId, sum]),
    );
    const routes = await connections.routes(tenantId, mode);
    return rows.map((bulk) => {
      const paces = bulk.channels.flatMap((id) => routes.get(id)?.adapter.perSecond ?? []);
      const sum = tallies.get(bulk.id);
      // Channels go side by side; the slowest is the last to finish.
      const pace = paces.length > 0 ? Math.min(...paces) * bulk.channels.length : undefined;
      return bulkView(bulk, sum, sum?.now ?? clock.now(), pace);
    });
  }
  const get = async (principal: Principal, bulkId: string): Promise<BulkView> =>
    (await views(principal, [await find(principal, bulkId)]))[0] as BulkView;

  return {
    async send(source, stream) {
      if (stream.type !== 'text/csv' && Object.keys(source.query).length > 0)
        throw new ApiError('validation_failed', 'The query is for text/csv; here the body says it all.');
      if (stream.type !== 'application/json')
        return upload({ ...deps, ...judges, fields }, { ...source, type: stream.type }, stream);
      const body = readJsonObject(await collect(stream, BULK_LIMITS.json.bytes), JSON_LIMITS);
      return acceptJson({ ...deps, ...judges }, source.origin, body, source.headers);
    },
    judge: (source, stream, wanted) =>
      judgeUpload({ ...deps, ...judges, fields }, { ...source, type: stream.type }, stream, wanted),
    peek,
    fields,
    get,
    async list(principal, { limit, cursor }) {
      const before = readCursor('bulk', cursor);
      const { tenantId, mode } = principal;
      const rows = await db.read(tenantId, (sql) => listBulks(sql, tenantId, mode, limit + 1, before));
      const data = await views(principal, rows.slice(0, limit));
      const more = rows.length > limit;
      const last = rows[limit - 1];
      return { object: 'list', data, has_more: more, next_cursor: more && last ? toWire('bulk', last.id) : null };
    },
    async results(principal, bulkId, format) {
      return resultLines(db, await find(principal, bulkId), format);
    },
    async pause(principal, bulkId) {
      await control.pause(principal, bulkId);
      return get(principal, bulkId);
    },
    async resume(principal, bulkId) {
      await control.resume(principal, bulkId);
      return get(principal, bulkId);
    },
    async cancel(principal, bulkId) {
      await control.cancel(principal, bulkId);
      return get(principal, bulkId);
    },
    cancelSome: control.cancelSome,
    tellEnded: control.tellEnded,
    purge: control.purge,
  };
}
