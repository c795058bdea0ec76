/** What the callbacks of a batch say, sorted by who takes it on. */
import { type ChannelEvent, type PreferenceEvent, type ReceiptEvent, storable } from '../../channel-kit/index.ts';
import type { Sql } from '../../lib/db.ts';
import type { Mode } from '../../lib/http.ts';
import { fromWire } from '../../lib/ids.ts';
import type { OpenConnection } from '../connections/index.ts';
import type { Heard, Notices, Take } from '../conversations/index.ts';
import type { NewReceipt } from '../notifications/index.ts';
import type { ReadRequest, StoredRequest } from './store.ts';

const ID_MAX = 512;
const TEXT_MAX = 1_000;

/** Somebody has told the provider what he wants, or no longer wants. */
export interface Preference extends Pick<PreferenceEvent, 'recipient' | 'category' | 'value' | 'at'> {
  readonly tenantId: string;
  readonly mode: Mode;
  readonly channel: string;
  readonly connectionId: string;
}

export type Hear = (
  trx: Sql,
  said: { readonly messages: readonly Heard[]; readonly preferences: readonly Preference[] },
) => Promise<void>;

/** What the requests of a batch say. */
export interface Found {
  readonly receipts: NewReceipt[];
  readonly messages: Parameters<Take>[1][number][];
  readonly preferences: Preference[];
  readonly notices: Parameters<Notices>[1][number][];
}

/** Of a connection that belongs to a tenant. */
export function add(
  { messages, preferences, notices }: Found,
  event: Exclude<ChannelEvent, { type: 'ignored' | 'receipt' }>,
  request: ReadRequest,
  connection: OpenConnection,
  tenantId: string,
): void {
  const { id: connectionId, mode, channel } = connection;
  if (event.type === 'message')
    messages.push({ connection, tenantId, inboundId: request.id, receivedAt: request.at, event });
  else if (event.type === 'notice') notices.push({ connection, tenantId, event });
  else preferences.push({ ...event, tenantId, mode, channel: channel.id, connectionId });
}

/** What a stranger wrote, cut to what the store can hold. */
export function receiptOf(event: ReceiptEvent, request: StoredRequest, connectionId: string): NewReceipt {
  const text = (value: string | undefined, max: number): string | null =>
    value === undefined ? null : storable(value, max);
  return {
    connectionId,
    key: storable(event.key, ID_MAX),
    inboundId: request.id,
    messageId: event.reference === undefined ? null : (fromWire('message', event.reference) ?? null),
    providerId: text(event.providerId, ID_MAX),
    receipt: event.receipt,
    fault: event.fault?.kind ?? null,
    providerCode: text(event.fault?.providerCode, ID_MAX),
    providerMessage: text(event.fault?.providerMessage, TEXT_MAX),
    at: event.at && isPlausible(event.at) ? event.at : null,
  };
}

/** A clock may be wrong, but not by a lifetime. */
const isPlausible = (at: Date): boolean => at.getTime() > Date.UTC(2000, 0) && at.getTime() < Date.UTC(2100, 0);
