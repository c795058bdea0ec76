/** The channels that ship with the product; the order is the listing order. */
import type { AnyChannel } from '../src/channel-kit/index.ts';

export const channels: readonly AnyChannel[] = [];
