/**
 * Slack through its Web API.
 *
 * `ok: true` is the delivery: the message stands in the person's conversation with the app. A refusal comes with HTTP 200
 * as well, so the word in `error` decides. Source: Slack chat.postMessage, auth.test, request signing, read 2026-08.
 */
import {
  type Adapter,
  at,
  DeliveryError,
  type FaultKind,
  type HttpResponse,
  hmac,
  parseJson,
  type RawRequest,
  type SendContext,
  sameBytes,
  textAt,
  type Webhook,
} from '../../src/channel-kit/index.ts';
import { parse } from './events.ts';
import { guide } from './guide.ts';
import type { SlackContent } from './index.ts';
import { escapeText } from './markup.ts';

const MAX_AGE_SECONDS = 300;

const all = (words: string, kind: FaultKind): Record<string, FaultKind> =>
  Object.fromEntries(words.split(' ').map((word) => [word, kind]));

const faults: Readonly<Record<string, FaultKind>> = {
  ...all(
    'not_authed invalid_auth account_inactive token_revoked token_expired missing_scope org_login_required ' +
      'ekm_access_denied restricted_action not_allowed_token_type no_permission',
    'credentials_invalid',
  ),
  ...all(
    'channel_not_found user_not_found users_not_found is_archived user_disabled cannot_dm_bot',
    'recipient_invalid',
  ),
  ...all('not_in_channel', 'provider_rejected'),
  ...all(
    'no_text msg_too_long msg_blocks_too_long invalid_blocks invalid_blocks_format too_many_attachments invalid_arguments',
    'content_invalid',
  ),
  ...all('ratelimited rate_limited', 'rate_limited'),
  ...all('internal_error service_unavailable request_timeout team_added_to_org', 'provider_unavailable'),
  // By Slack's own word, part of what was asked may have been done.
  fatal_error: 'outcome_unknown',
};

/** Slack signs its challenge too, so an answer goes only to those who know the secret. */
const webhook: Webhook = {
  handshake(request, credentials) {
    const payload = parseJson(request.body);
    if (request.method !== 'POST' || textAt(payload, 'type') !== 'url_verification') return undefined;
    const challenge = textAt(payload, 'challenge');
    return challenge !== undefined && verify(request, credentials.signing_secret) ? challenge : false;
  },
  verify: (request, credentials) => verify(request, credentials.signing_secret),
  parse,
  async media({ url }, { credentials, download }) {
    // The token opens files at Slack and nowhere else, so it goes nowhere else.
    if (!url || ![FILES, new URL(String(credentials.base_url)).origin].includes(originOf(url)))
      throw new DeliveryError('content_invalid', { providerMessage: 'the file does not lie at Slack' });
    return download({ url, bearer: String(credentials.bot_token) });
  },
};

const FILES = 'https://files.slack.com';
const originOf = (url: string) => (URL.canParse(url) ? new URL(url).origin : '');

function verify({ headers, body, at: arrived }: RawRequest, secret: unknown): boolean {
  const stamp = headers['x-slack-request-timestamp'];
  if (!secret || !arrived || !stamp || !/^\d{1,12}$/.test(stamp)) return false;
  if (Math.abs(arrived.getTime() / 1_000 - Number(stamp)) > MAX_AGE_SECONDS) return false;
  const signed = Buffer.concat([Buffer.from(`v0:${stamp}:`), body]);
  return sameBytes(headers['x-slack-signature'], `v0=${hmac('sha256', String(secret), signed).toString('hex')}`);
}

export const slackWeb: Adapter<SlackContent> = {
  id: 'slack_web',
  label: 'Slack Web API',
  guide,
  credentials: [
    {
      name: 'bot_token',
      label: 'Bot token',
      required: true,
      secret: true,
      pattern: '^xox[a-z]-[A-Za-z0-9-]+$',
      help: 'Begins with xoxb-.',
    },
    {
      name: 'signing_secret',
      label: 'Signing secret',
      secret: true,
      help: 'Proves that what people write comes from Slack. Without it everything that comes is refused.',
    },
    { name: 'base_url', label: 'API address', type: 'url', default: 'https://slack.com/api' },
  ],
  receipts: [],
  deliveredOnAccept: true,
  dedupes: false,
  perSecond: 5,
  concurrency: 5,
  faults,
  faultCode: (response) => textAt(response.json(), 'error'),

  async send({ address, content }, context) {
    const { body, text, blocks, thread_ts } = content;
    const response = await call(context, 'chat.postMessage', {
      channel: address,
      // Plain text stays plain: no markup of its own, none from the data. Beside blocks it is what a notification shows.
      ...(body === undefined ? { text: text ?? '' } : { text: escapeText(body), mrkdwn: false }),
      ...(blocks ? { blocks } : {}),
      ...(thread_ts ? { thread_ts } : {}),
    });
    const [channel, ts] = [textAt(response.json(), 'channel'), textAt(response.json(), 'ts')];
    if (!channel || !ts) throw context.fault(response);
    return { providerId: `${channel}:${ts}` };
  },

  async check(context) {
    const answer = (await call(context, 'auth.test', {})).json();
    return `${textAt(answer, 'user') ?? 'A bot'} in ${textAt(answer, 'team') ?? 'a workspace'}`;
  },

  webhook,
};

type Calling = Pick<SendContext, 'credentials' | 'http' | 'fault'>;

/** One method call. Returns the answer when Slack says `ok`. */
async function call({ credentials, http, fault }: Calling, method: string, json: object): Promise<HttpResponse> {
  const url = `${credentials.base_url}/${method}`;
  const response = await http({ method: 'POST', url, bearer: String(credentials.bot_token), json });
  const ok = at(response.json(), 'ok');
  if (response.status === 200 && ok === true) return response;
  const error = fault(response);
  // Slack said no with HTTP 200, in a word we do not know: it is a refusal all the same.
  const word = textAt(response.json(), 'error');
  if (response.status === 200 && ok === false && !(word && Object.hasOwn(faults, word)))
    throw new DeliveryError('provider_rejected', { ...error.fault });
  throw error;
}
