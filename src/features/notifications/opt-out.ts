/**
 * What a provider's word about one message means for all that follow to that address. Pure. A mailbox that is full, a number
 * that is out of reach, or a person who is not on a channel today says nothing of tomorrow.
 */
import type { Registry } from '../../channel-kit/index.ts';
import { isMagic } from '../sandbox/index.ts';
import type { Cause } from '../suppressions/index.ts';
import { ERASED, type Message } from './types.ts';

/** Of a message; at send time a refusal is a `failed` like one that comes later. */
export interface Said {
  readonly message: Message;
  readonly receipt: string;
  readonly fault: string | null;
}

export const causesOf = (registry: Registry, said: readonly Said[]): readonly Cause[] =>
  said.flatMap((one) => causeOf(registry, one) ?? []);

function causeOf(registry: Registry, { message, receipt, fault }: Said): Cause | undefined {
  const means = meaningOf(registry, message.channel, receipt, fault);
  const channel = registry.channel(message.channel);
  if (!means || !channel || message.address === ERASED) return undefined;
  if (message.mode === 'sandbox' && isMagic(channel, message.recipient)) return undefined;
  const { id: messageId, tenantId, mode, address, connectionId } = message;
  return {
    ...{ tenantId, mode, channel: channel.id, address, messageId },
    ...means,
    // A mailbox that is none is none for everybody; a wish was told to a sender.
    connectionId: means.reason === 'stop_word' ? connectionId : null,
  };
}

function meaningOf(
  registry: Registry,
  channel: string,
  receipt: string,
  fault: string | null,
): Pick<Cause, 'reason' | 'scope'> | undefined {
  if (receipt === 'complained') return { reason: 'complaint', scope: 'all' };
  if (receipt === 'bounced' && fault === 'recipient_invalid') return { reason: 'hard_bounce', scope: 'all' };
  const scope = registry.channel(channel)?.optOut?.words;
  return fault === 'recipient_opted_out' && scope ? { reason: 'stop_word', scope } : undefined;
}
