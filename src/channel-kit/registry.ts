/** The channels of this process, in listing order, with look-up by id. Built once, at the composition root. */
import type { Adapter, Channel, Credentials, Receipt } from './contract.ts';

// biome-ignore lint/suspicious/noExplicitAny: the registry never looks into content or clients
export type AnyChannel = Channel<any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type AnyAdapter = Adapter<any, any>;

export interface Registry {
  readonly channels: readonly AnyChannel[];
  channel(id: string): AnyChannel | undefined;
  /** Adapter ids are unique over all channels. */
  adapter(id: string): { channel: AnyChannel; adapter: AnyAdapter } | undefined;
}

/** Throws on a repeated id: two homes for one name would make routing depend on luck. */
export function createRegistry(channels: readonly AnyChannel[]): Registry {
  const byId = new Map<string, AnyChannel>();
  const byAdapter = new Map<string, { channel: AnyChannel; adapter: AnyAdapter }>();
  for (const channel of channels) {
    if (byId.has(channel.id)) throw new Error(`two channels are called ${channel.id}`);
    byId.set(channel.id, channel);
    for (const adapter of channel.adapters) {
      if (byAdapter.has(adapter.id)) throw new Error(`two adapters are called ${adapter.id}`);
      byAdapter.set(adapter.id, { channel, adapter });
    }
  }
  return { channels, channel: (id) => byId.get(id), adapter: (id) => byAdapter.get(id) };
}

/** The receipts that a connection with these settings gives. */
export const receiptsOf = (adapter: AnyAdapter, credentials: Credentials): readonly Receipt[] =>
  adapter.receiptsOf?.(credentials) ?? adapter.receipts;
