/**
 * Statuses as receipts, and back: what became of a message, for whom, and why not.
 *
 * Duplicates and wrong order are normal, so a receipt is known by message id and status; in a group also by the member.
 * Source: Cloud API webhooks, read 2026-08.
 */
import {
  at,
  type ChannelEvent,
  type Fault,
  listAt,
  type Receipt,
  textAt,
  unixDate,
} from '../../src/channel-kit/index.ts';
import { faults } from './cloud-faults.ts';
import { type Change, numberOf } from './cloud-reading.ts';

/** `played` is what a voice note gets instead of `read`. */
const RECEIPTS: Readonly<Record<string, Receipt>> = {
  sent: 'sent',
  delivered: 'delivered',
  read: 'read',
  played: 'read',
  failed: 'failed',
};

export const statusesOf = (change: Change): readonly ChannelEvent[] =>
  listAt(change.value, 'statuses').map((status) => receiptOf(status, numberOf(change)));

function receiptOf(status: unknown, account: string | undefined): ChannelEvent {
  const providerId = textAt(status, 'id');
  const word = textAt(status, 'status') ?? 'none';
  const receipt = Object.hasOwn(RECEIPTS, word) ? RECEIPTS[word] : undefined;
  if (!providerId || !receipt) return { type: 'ignored', reason: `status ${word}` };
  const reference = textAt(status, 'biz_opaque_callback_data');
  const member = textAt(status, 'recipient_participant_id');
  const moment = unixDate(textAt(status, 'timestamp'));
  return {
    type: 'receipt',
    key: `${providerId}:${word}${member ? `:${member}` : ''}`,
    providerId,
    ...(reference ? { reference } : {}),
    ...(account ? { account } : {}),
    receipt,
    ...(moment ? { at: moment } : {}),
    ...(receipt === 'failed' ? { fault: faultOf(at(status, 'errors', 0)) } : {}),
  };
}

function faultOf(error: unknown): Fault {
  const code = textAt(error, 'code');
  const kind = (code !== undefined && Object.hasOwn(faults, code) ? faults[code] : undefined) ?? 'provider_rejected';
  const said = [textAt(error, 'title') ?? textAt(error, 'message'), textAt(error, 'error_data', 'details')].filter(
    Boolean,
  );
  return {
    kind,
    ...(code ? { providerCode: code } : {}),
    ...(said.length > 0 ? { providerMessage: said.join(': ').slice(0, 1_000) } : {}),
  };
}
