/**
 * The provider that stands in for every other when a test key sends. It takes what the real one would take, does what the
 * recipient's magic address says, and remembers the finished message. Nothing leaves the machine; its receipts come back
 * through the same signed door as anyone's.
 */
import {
  type AnyAdapter,
  type AnyChannel,
  type ChannelEvent,
  DeliveryError,
  FAULTS,
  hmac,
  type InboundMessage,
  type RawRequest,
  type Receipt,
  type Recipient,
  type SandboxCase,
  type SandboxStep,
  sameBytes,
} from '../../channel-kit/index.ts';
import type { Db } from '../../lib/db.ts';
import { fromWire } from '../../lib/ids.ts';
import { acceptOutbox, countRefusal, type OutboxRow, openOutbox, type ReceiptStep } from './store.ts';

export const SANDBOX_ADAPTER = 'sandbox';
const SIGNATURE = 'x-sandbox-signature';

/** What the channel's table says of this recipient; `undefined`: nothing. */
const caseOf = (channel: AnyChannel, to: Recipient): SandboxCase | undefined =>
  channel.sandbox.find((one) => Object.entries(one.to).every(([field, value]) => to[field] === value));

/** It means an outcome, today and tomorrow: what came of the last message changes nothing for the next. */
export const isMagic = (channel: AnyChannel, to: Recipient): boolean => caseOf(channel, to) !== undefined;

/** What happens to this recipient: the channel's table, or the best it can do. */
export const scriptOf = (channel: AnyChannel, to: Recipient): readonly SandboxStep[] =>
  caseOf(channel, to)?.steps ?? [{ receipt: 'delivered' }];

export function createSandboxAdapter(channel: AnyChannel, db: Db, ring: () => void): AnyAdapter {
  const [real] = channel.adapters;
  if (!real) throw new Error(`the channel ${channel.id} has no adapter`);
  return {
    id: SANDBOX_ADAPTER,
    label: 'Sandbox',
    credentials: real.credentials,
    // The sandbox can tell more than some real providers: the whole life of a message is there to be tried.
    receipts: ['sent', 'delivered', 'read', 'failed', 'bounced', 'complained'],
    // As the real one: what a lost answer leads to is a part of what there is to try.
    dedupes: real.dedupes,
    perSecond: 5_000,
    concurrency: 200,
    faults: {},
    guide: '',
    async send(message, { callbackUrl }) {
      const messageId = idOf(message.reference);
      const script = scriptOf(channel, message.to);
      const refusals = script.filter((step) => 'refuse' in step);
      const row = await openOutbox(db, {
        messageId,
        connectionId: connectionOf(callbackUrl),
        channel: channel.id,
        address: message.address,
        content: message.content,
        providerId: `sandbox-${message.reference}`,
      });
      if (row.acceptedAt) return { providerId: row.providerId };
      const refusal = refusals[row.refused];
      if (refusal) {
        await countRefusal(db, messageId);
        // An answer that is lost: the provider has taken it, and only a receipt will tell.
        if (refusal.refuse === 'outcome_unknown') await acceptOutbox(db, messageId, stepsOf(row, script));
        throw new DeliveryError(refusal.refuse, {
          providerCode: `sandbox_${refusal.refuse}`,
          providerMessage: `The sandbox was asked for this outcome. ${FAULTS[refusal.refuse].message}`,
          ...(refusal.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: refusal.retryAfterSeconds }),
        });
      }
      await acceptOutbox(db, messageId, stepsOf(row, script));
      ring();
      return { providerId: row.providerId };
    },
    check: async () => 'The sandbox is always ready.',
  };
}

/** The receipts to give: all, or after a taking back those that are left. */
const stepsOf = ({ steps }: OutboxRow, script: readonly SandboxStep[]): readonly ReceiptStep[] =>
  steps.length > 0 ? steps : script.filter((step) => 'receipt' in step);

/** What the provider had taken it takes back for now: the steps after this one wait until it is sent again. */
export const takesBack = ({ fault }: ReceiptStep): boolean => fault !== undefined && FAULTS[fault].retryable;

function idOf(reference: string): string {
  const id = fromWire('message', reference);
  if (!id) throw new Error('not a message id');
  return id;
}

function connectionOf(callbackUrl: string): string {
  const id = fromWire('connection', new URL(callbackUrl).pathname.split('/').at(-1) ?? '');
  if (!id) throw new Error('not a callback address');
  return id;
}

export interface SandboxReceipt {
  readonly key: string;
  readonly provider_id: string;
  /** Our own message id, echoed. */
  readonly reference: string;
  readonly receipt: Receipt;
  readonly fault?: string;
  readonly at: string;
}

/** What a person writes who is played. */
export interface SandboxMessage {
  readonly key: string;
  readonly message: Pick<InboundMessage, 'providerId' | 'person' | 'content' | 'replyTo'>;
  readonly at: string;
}

/** The callback of a channel whose real provider sends none: our own form, signed like any other. */
export function signCallback(said: SandboxReceipt | SandboxMessage, url: string, secret: Buffer, at: Date): RawRequest {
  const body = Buffer.from(JSON.stringify(said));
  return {
    method: 'POST',
    url,
    query: {},
    headers: { 'content-type': 'application/json', [SIGNATURE]: hmac('sha256', secret, body).toString('hex') },
    body,
    at,
  };
}

export const verifyCallback = ({ headers, body }: RawRequest, secret: Buffer): boolean =>
  sameBytes(headers[SIGNATURE], hmac('sha256', secret, body).toString('hex'));

/** Total: what is not a callback of ours is ignored. */
export function parseCallback({ body }: RawRequest): readonly ChannelEvent[] {
  try {
    const said = JSON.parse(body.toString('utf8')) as SandboxReceipt | SandboxMessage;
    if ('message' in said) return [{ type: 'message', key: said.key, at: new Date(said.at), ...said.message }];
    const { key, provider_id, reference, receipt, fault, at } = said;
    return [
      {
        type: 'receipt',
        key,
        providerId: provider_id,
        reference,
        receipt,
        at: new Date(at),
        ...(fault ? { fault: { kind: fault as keyof typeof FAULTS } } : {}),
      },
    ];
  } catch {
    return [{ type: 'ignored', reason: 'not a callback of the sandbox' }];
  }
}
