/** Under which name a rollout knows a recipient. Pure. */
import { AddressError, missingFields, type Registry } from '../../channel-kit/index.ts';
import type { SendBody } from './schema.ts';

/** The first address there is, in the order of the channels asked for, so that all channels of a notification say the same. */
export function personOf(
  registry: Registry,
  { recipient, notification }: SendBody,
  country: string | undefined,
): string | undefined {
  for (const id of notification.channels) {
    const channel = registry.channel(id);
    if (!channel || missingFields(channel.recipient, recipient).length > 0) continue;
    try {
      return channel.address(recipient, country ? { defaultCountry: country } : {});
    } catch (error) {
      if (!(error instanceof AddressError)) throw error;
    }
  }
  return undefined;
}
