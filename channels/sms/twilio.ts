/**
 * SMS through Twilio Messages.
 *
 * One form post; its answer means queued. What became of it is posted to the StatusCallback given here, which carries our
 * reference; what people write is posted to the same door. Source: Twilio Messages resource and status callbacks, read 2026-08.
 */
import { type Adapter, type FaultKind, type Receipt, textAt, type Webhook } from '../../src/channel-kit/index.ts';
import {
  account,
  accountFields,
  baseUrlField,
  basic,
  checkAccount,
  faultCode,
  faults,
  signedPost,
  statusEvent,
  verify,
} from '../twilio.ts';
import { guide } from './guide.ts';
import type { SmsContent } from './index.ts';
import { isInbound, media, messageOf } from './twilio-inbound.ts';

/** All before `sent` show that the provider has the message, which is what an unknown outcome waits to hear. */
const RECEIPTS: Readonly<Record<string, Receipt>> = {
  accepted: 'sent',
  queued: 'sent',
  sending: 'sent',
  sent: 'sent',
  delivered: 'delivered',
  read: 'delivered',
  undelivered: 'failed',
  failed: 'failed',
  canceled: 'failed',
};

const EXAMPLES: Readonly<Partial<Record<FaultKind, string>>> = {
  recipient_invalid: '30005',
  recipient_opted_out: '21610',
  content_invalid: '21617',
  credentials_invalid: '30034',
  provider_unavailable: '30003',
  rate_limited: '30022',
  provider_rejected: '30007',
};

const webhook: Webhook = {
  verify,
  parse: (request) =>
    isInbound(request)
      ? [messageOf(request)]
      : statusEvent(
          request,
          { id: 'MessageSid', status: 'MessageStatus', code: 'ErrorCode' },
          RECEIPTS,
          (code = '') => faults[code] ?? 'provider_rejected',
        ),
  media,
  // Whatever stands in the answer is sent to the person, so it says that there is nothing to send.
  reply: { type: 'text/xml', body: '<?xml version="1.0" encoding="UTF-8"?><Response/>' },
  emulate(receipt, { providerId, address, fault, url, at }, credentials) {
    const failed = receipt === 'failed' || receipt === 'bounced';
    const status = failed ? 'undelivered' : receipt === 'sent' ? 'sent' : 'delivered';
    const fields = {
      AccountSid: String(credentials.account_sid),
      ApiVersion: '2010-04-01',
      From: String(credentials.from),
      MessageSid: providerId,
      MessageStatus: status,
      SmsSid: providerId,
      SmsStatus: status,
      To: address,
      ...(failed ? { ErrorCode: EXAMPLES[fault ?? 'provider_rejected'] ?? '30007' } : {}),
    };
    return { ...signedPost(url, fields, credentials), at };
  },
};

export const twilioSms: Adapter<SmsContent> = {
  id: 'twilio_sms',
  label: 'Twilio',
  guide,
  credentials: [
    ...accountFields,
    {
      name: 'from',
      label: 'Sender',
      required: true,
      pattern: '^(\\+[1-9]\\d{6,14}|\\d{3,8}|MG[0-9a-fA-F]{32}|(?=.*[A-Za-z])[A-Za-z0-9 ]{2,11})$',
      help: 'One of your numbers (+…), a short code, a messaging service (MG…) or a name of up to 11 letters.',
      example: '+14155550100',
    },
    baseUrlField,
  ],
  receipts: ['sent', 'delivered', 'failed'],
  dedupes: false,
  perSecond: 25,
  concurrency: 10,
  faults,
  faultCode,

  async send({ address, content }, context) {
    const from = String(context.credentials.from);
    const response = await context.http({
      method: 'POST',
      url: `${account(context.credentials)}/Messages.json`,
      basic: basic(context.credentials),
      form: {
        To: address,
        ...(/^MG[0-9a-fA-F]{32}$/.test(from) ? { MessagingServiceSid: from } : { From: from }),
        Body: content.body,
        StatusCallback: context.callbackUrl,
      },
    });
    const body = response.json();
    const providerId = textAt(body, 'sid');
    if (response.status !== 201 || !providerId) throw context.fault(response);
    const parts = textAt(body, 'num_segments');
    return { providerId, ...(parts ? { note: `${parts} part${parts === '1' ? '' : 's'}` } : {}) };
  },

  check: checkAccount,
  webhook,
};
