/** A Slack that stands in for the Web API: bearer token, HTTP 200 on refusals, Block Kit limits, signed events. */
import { createHmac } from 'node:crypto';
import { type Answer, type Fake, type Json, type Plan, type Recorded, type SignedCallback, startFake } from './fake.ts';

export interface SlackOptions {
  readonly botToken?: string;
  readonly signingSecret?: string;
  /** Members of the workspace; without it everybody is one. */
  readonly members?: readonly string[];
}

export interface SlackFake extends Fake {
  /** For a connection to this fake. */
  readonly credentials: Readonly<Record<string, string>>;
  /** A request as Slack signs it. */
  event(url: string, payload: object, options?: { at?: Date; badSignature?: boolean }): SignedCallback;
}

export async function startSlack(options: SlackOptions = {}): Promise<SlackFake> {
  const { botToken = 'xoxb-fake-token-4444', signingSecret = 'fake-signing-secret-5555', members } = options;
  let count = 0;

  function plan(request: Recorded): Plan {
    if (request.headers.authorization !== `Bearer ${botToken}`) return no('invalid_auth');
    if (request.path === '/api/auth.test')
      return {
        kind: 'answer',
        answer: { status: 200, body: { ok: true, user: 'carillon', team: 'Acme', user_id: 'UBOT' } },
      };
    if (request.path !== '/api/chat.postMessage' || request.method !== 'POST') return no('unknown_method');
    const args = argumentsOf(request);
    if (!args) return no('invalid_json');
    const problem = contentProblem(args);
    if (problem) return no(problem);
    const to = String(args.channel ?? '');
    if (!to || (members && !members.includes(to))) return no('channel_not_found');
    const [channel, ts] = [`D${to.slice(1)}`, `1503435956.${String(++count).padStart(6, '0')}`];
    return {
      kind: 'send',
      to,
      message: { id: `${channel}:${ts}` },
      answer: { status: 200, body: { ok: true, channel, ts, message: { type: 'message', text: args.text, ts } } },
    };
  }

  const fake = await startFake({ plan, refusal });
  return {
    ...fake,
    credentials: { base_url: `${fake.url}/api`, bot_token: botToken, signing_secret: signingSecret },
    event(url, payload, { at = new Date(), badSignature = false } = {}) {
      const body = Buffer.from(JSON.stringify(payload));
      const stamp = String(Math.floor(at.getTime() / 1_000));
      const digest = createHmac('sha256', badSignature ? 'another secret' : signingSecret)
        .update(`v0:${stamp}:${body}`)
        .digest('hex');
      const headers = {
        'content-type': 'application/json',
        'x-slack-request-timestamp': stamp,
        'x-slack-signature': `v0=${digest}`,
      };
      return { method: 'POST', url, headers, body };
    },
  };
}

function argumentsOf(request: Recorded): Json | undefined {
  try {
    if (!request.headers['content-type']?.startsWith('application/x-www-form-urlencoded')) return request.json();
    const form = Object.fromEntries(Object.entries(request.form()).map(([name, values]) => [name, values[0]]));
    return { ...form, ...(form.blocks ? { blocks: JSON.parse(form.blocks) } : {}) };
  } catch {
    return undefined;
  }
}

function contentProblem({ text, blocks }: Json): string | undefined {
  if (!text && !blocks?.length) return 'no_text';
  if (text && text.length > 40_000) return 'msg_too_long';
  if (blocks !== undefined && (!Array.isArray(blocks) || blocks.length > 50)) return 'invalid_blocks';
  const tooLong = (blocks ?? []).some(
    (block: Json) =>
      (block.type === 'section' && block.text?.text?.length > 3_000) ||
      (block.type === 'header' && block.text?.text?.length > 150) ||
      (block.type === 'actions' && block.elements?.length > 25) ||
      (block.type === 'section' && block.fields?.length > 10),
  );
  return tooLong ? 'invalid_blocks' : undefined;
}

const no = (error: string): Plan => ({ kind: 'answer', answer: refusal(error) });

function refusal(code: string, status?: number): Answer {
  const error = code === '429' ? 'ratelimited' : code;
  return { status: status ?? (code === '429' ? 429 : 200), body: { ok: false, error } };
}
