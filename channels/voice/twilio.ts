/**
 * Calls through Twilio: the words to say travel with the request, so the provider never has to ask us for them.
 *
 * Answered and heard to the end is `delivered`. Nobody picked up, or the line was busy, is taken back and tried again.
 * Source: Twilio Calls resource and its status callbacks, read 2026-08.
 */
import {
  type Adapter,
  DeliveryError,
  type FaultKind,
  type Receipt,
  textAt,
  type Webhook,
} from '../../src/channel-kit/index.ts';
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
import type { VoiceContent } from './index.ts';
import { say } from './twiml.ts';

const TWIML_MAX = 4_000;

const RECEIPTS: Readonly<Record<string, Receipt>> = {
  queued: 'sent',
  initiated: 'sent',
  ringing: 'sent',
  'in-progress': 'sent',
  completed: 'delivered',
  busy: 'failed',
  'no-answer': 'failed',
  failed: 'failed',
  canceled: 'failed',
};

/** SIP answers of a network that knows no such number: RFC 3261 §21.4.5, §21.4.22, §21.6.3. */
const NO_SUCH_NUMBER = new Set(['404', '484', '604']);

function verdict(sip: string | undefined, status: string): FaultKind {
  if (status === 'busy' || status === 'no-answer') return 'provider_unavailable';
  return sip && NO_SUCH_NUMBER.has(sip) ? 'recipient_invalid' : 'provider_rejected';
}

const webhook: Webhook = {
  verify,
  parse: (request) =>
    statusEvent(request, { id: 'CallSid', status: 'CallStatus', code: 'SipResponseCode' }, RECEIPTS, verdict),
  emulate(receipt, { providerId, address, fault, url, at }, credentials) {
    const failed = receipt === 'failed' || receipt === 'bounced';
    const retry = fault === 'provider_unavailable' || fault === 'rate_limited';
    const ended = failed ? (retry ? 'no-answer' : 'failed') : receipt === 'sent' ? 'ringing' : 'completed';
    const fields = {
      AccountSid: String(credentials.account_sid),
      ApiVersion: '2010-04-01',
      CallSid: providerId,
      CallStatus: ended,
      CallbackSource: 'call-progress-events',
      Direction: 'outbound-api',
      From: String(credentials.from),
      SequenceNumber: receipt === 'sent' ? '0' : '1',
      Timestamp: at.toUTCString(),
      To: address,
      ...(ended === 'completed' ? { CallDuration: '7' } : {}),
      ...(fault === 'recipient_invalid' ? { SipResponseCode: '404' } : {}),
    };
    return { ...signedPost(url, fields, credentials), at };
  },
};

export const twilioVoice: Adapter<VoiceContent> = {
  id: 'twilio_voice',
  label: 'Twilio',
  guide,
  credentials: [
    ...accountFields,
    {
      name: 'from',
      label: 'Calling number',
      type: 'phone',
      required: true,
      pattern: '^\\+[1-9]\\d{6,14}$',
      help: 'A number of yours that can call, or one you verified as caller ID.',
      example: '+14155550100',
    },
    baseUrlField,
  ],
  receipts: ['sent', 'delivered', 'failed'],
  dedupes: false,
  perSecond: 1,
  concurrency: 2,
  faults,
  faultCode,

  async send({ address, content, language }, context) {
    const twiml = say({ ...content, text: content.body, language: content.language ?? regional(language) });
    if (twiml.length > TWIML_MAX)
      throw new DeliveryError('content_invalid', {
        providerMessage: `the call script has ${twiml.length} characters, ${TWIML_MAX} are allowed`,
      });
    const response = await context.http({
      method: 'POST',
      url: `${account(context.credentials)}/Calls.json`,
      basic: basic(context.credentials),
      form: {
        To: address,
        From: String(context.credentials.from),
        Twiml: twiml,
        StatusCallback: context.callbackUrl,
        // The first settles a lost answer within a second; the last is the outcome.
        StatusCallbackEvent: ['initiated', 'completed'],
        StatusCallbackMethod: 'POST',
      },
    });
    const providerId = textAt(response.json(), 'sid');
    if (response.status !== 201 || !providerId) throw context.fault(response);
    return { providerId };
  },

  check: checkAccount,
  webhook,
};

/** The provider knows regional languages only; for a bare `en` its default is better than a refusal. */
const regional = (language: string | undefined) =>
  language && /^[a-z]{2,3}-[A-Z]{2}$/.test(language) ? language : undefined;
