/**
 * A provider's own words, told on as they came. Written down as an event beside what was read of them, in the same
 * transaction, for tenants that have an endpoint which wants them; the bytes stay where they are stored and are read when
 * they are sent. A body may speak of several accounts: each owner is told of his own only.
 */
import type { AnyAdapter, AnyChannel, Passthrough, RawRequest, Registry } from '../../channel-kit/index.ts';
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import type { OpenConnection } from '../connections/index.ts';
import { type Events, RAW_TYPE } from '../events/index.ts';
import { readRequests, type StoredRequest } from './store.ts';

/** What stands in such an event. */
interface Mark {
  readonly inbound_id: string;
  readonly accounts: readonly string[];
}

export interface Passed {
  readonly request: RawRequest;
  readonly channel: AnyChannel;
  readonly adapter: AnyAdapter;
}

export interface PassOnDeps {
  readonly events: Events;
  /** Who has an endpoint that wants them. */
  readonly wanted: (sql: Sql) => Promise<readonly { readonly tenantId: string; readonly mode: Mode }[]>;
  /** The connection that an account of a request belongs to. */
  readonly ownerOf: (
    request: StoredRequest,
    connection: OpenConnection,
    account: string,
  ) => Promise<OpenConnection | undefined>;
}

/** Joins the transaction in which the requests are read. */
export function createPassOn({ events, wanted, ownerOf }: PassOnDeps) {
  return async (
    trx: Sql,
    requests: readonly StoredRequest[],
    opened: ReadonlyMap<string, OpenConnection>,
  ): Promise<void> => {
    const open = requests.flatMap((request) => {
      const connection = opened.get(request.connectionId);
      const words = connection?.adapter.id === request.adapter ? connection.adapter.webhook?.passthrough : undefined;
      return connection && words ? { request, connection, words } : [];
    });
    if (open.length === 0) return;
    const readers = new Set((await wanted(trx)).map(({ tenantId, mode }) => `${tenantId}|${mode}`));
    if (readers.size === 0) return;
    for (const { request, connection, words } of open) {
      const marks = new Map<string, { tenantId: string; mode: Mode; accounts: string[] }>();
      for (const account of words.accounts(request.body)) {
        const owner = isNamed(words, connection, account) ? connection : await ownerOf(request, connection, account);
        const key = `${owner?.tenantId}|${owner?.mode}`;
        if (!owner?.tenantId || !readers.has(key)) continue;
        const mark = marks.get(key) ?? { tenantId: owner.tenantId, mode: owner.mode, accounts: [] };
        mark.accounts.push(account);
        marks.set(key, mark);
      }
      await events.emit(
        trx,
        [...marks.values()].map(({ tenantId, mode, accounts }) => ({
          ...{ tenantId, mode, type: RAW_TYPE },
          data: { inbound_id: request.id, accounts } satisfies Mark,
        })),
      );
    }
  };
}

const isNamed = ({ names }: Passthrough, { credentials }: OpenConnection, account: string): boolean =>
  names.some((name) => credentials[name] === account);

/** What such events tell of, cut to their owner, in their order; `undefined`: it is no longer kept. */
export async function readPassed(
  sql: Sql,
  registry: Registry,
  marks: readonly Readonly<Record<string, unknown>>[],
): Promise<(Passed | undefined)[]> {
  const known = marks as unknown as readonly Mark[];
  const requests = new Map(
    (
      await readRequests(
        sql,
        known.map(({ inbound_id }) => inbound_id),
      )
    ).map((one) => [one.id, one]),
  );
  return known.map(({ inbound_id, accounts }) => {
    const request = requests.get(inbound_id);
    const { adapter, channel } = registry.adapter(request?.adapter ?? '') ?? {};
    const words = adapter?.webhook?.passthrough;
    if (!request || !channel || !words || request.body.length === 0) return undefined;
    return { channel, adapter, request: { ...request, body: words.part(request.body, new Set(accounts)) } };
  });
}
