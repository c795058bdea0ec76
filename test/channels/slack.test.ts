/** Slack: the request, plain text against markup, refusals that come with HTTP 200, signed requests from Slack. */
import { afterEach, describe, expect, it } from 'vitest';
import { slack } from '../../channels/slack/index.ts';
import { slackWeb } from '../../channels/slack/web.ts';
import { missingFields } from '../../src/channel-kit/index.ts';
import { arrived, closing, faultOf, fetching, using } from '../support/adapters.ts';
import { behave } from '../support/providers/fake.ts';
import { type SlackOptions, startSlack } from '../support/providers/slack.ts';

const { keep, closeAll } = closing();
afterEach(closeAll);

const TO = 'U024BE7LH';

async function start(options: SlackOptions = {}) {
  const fake = keep(await startSlack(options));
  const adapter = keep(using(slackWeb, fake.credentials));
  const send = (content: object = { body: 'Hello' }, to = TO) =>
    adapter.send({ to: { slack_user_id: to }, address: to, content });
  return { fake, send, check: adapter.check };
}

describe('the request', () => {
  it('posts to the member, and the conversation and time are its id', async () => {
    const { fake, send } = await start();
    const { providerId } = await send();
    expect(fake.requests[0]?.path).toBe('/api/chat.postMessage');
    expect(fake.requests[0]?.json()).toEqual({ channel: TO, text: 'Hello', mrkdwn: false });
    expect(providerId).toBe('D024BE7LH:1503435956.000001');
  });

  it('plain text is shown as written: it cannot ping a room, hide a link or turn bold', async () => {
    const { fake, send } = await start();
    await send({ body: '<!channel> <https://evil.example|bank> *5* & <@U1>' });
    expect(fake.requests[0]?.json()).toMatchObject({
      text: '&lt;!channel&gt; &lt;https://evil.example|bank&gt; *5* &amp; &lt;@U1&gt;',
      mrkdwn: false,
    });
  });

  it('markup that an author wrote is left alone', async () => {
    const { fake, send } = await start();
    await send({ text: '*Done* <https://acme.example|open>' });
    expect(fake.requests[0]?.json()).toEqual({ channel: TO, text: '*Done* <https://acme.example|open>' });
  });

  it('blocks travel with their fallback text', async () => {
    const { fake, send } = await start();
    const blocks = [{ type: 'section', text: { type: 'mrkdwn', text: '*Hi*' } }, { type: 'divider' }];
    await send({ body: 'Hi', blocks });
    expect(fake.requests[0]?.json()).toEqual({ channel: TO, text: 'Hi', mrkdwn: false, blocks });
  });
});

describe('a value inserted by a template', () => {
  it.each([
    [['text'], '&lt;!here&gt; &amp; co'],
    [['blocks', 0, 'text', 'text'], '&lt;!here&gt; &amp; co'],
    [['blocks', 1, 'fields', 0, 'text'], '&lt;!here&gt; &amp; co'],
    [['body'], '<!here> & co'],
    [['blocks', 0, 'accessory', 'url'], '<!here> & co'],
  ])('at %j is written as %s', (path, written) => {
    expect(slack.escape?.('<!here> & co', path)).toBe(written);
  });
});

describe('the answer', () => {
  it.each([
    ['invalid_auth', 'credentials_invalid'],
    ['token_revoked', 'credentials_invalid'],
    ['missing_scope', 'credentials_invalid'],
    ['channel_not_found', 'recipient_invalid'],
    ['user_disabled', 'recipient_invalid'],
    ['msg_too_long', 'content_invalid'],
    ['invalid_blocks', 'content_invalid'],
    ['not_in_channel', 'provider_rejected'],
    ['ratelimited', 'rate_limited'],
    ['internal_error', 'provider_unavailable'],
    ['fatal_error', 'outcome_unknown'],
    ['a_word_from_the_future', 'provider_rejected'],
  ])('%s with HTTP 200 is %s', async (error, kind) => {
    const { fake, send } = await start();
    fake.script(TO, behave.refuse(error));
    expect(await faultOf(send())).toMatchObject({ kind, providerCode: error });
  });

  it('somebody who is not a member is a dead address', async () => {
    const { send } = await start({ members: ['U1AA'] });
    expect((await faultOf(send())).kind).toBe('recipient_invalid');
  });

  it('ok without an id is an outcome nobody knows', async () => {
    const { fake, send } = await start();
    fake.script(TO, behave.answer(200, '{"ok":true}'));
    expect((await faultOf(send())).kind).toBe('outcome_unknown');
  });

  it('ok is the delivery: no receipts follow', () => {
    expect([slackWeb.deliveredOnAccept, slackWeb.receipts]).toEqual([true, []]);
  });
});

describe('a request from Slack', () => {
  const url = 'https://hooks.test/hooks/slack_web/con_1';

  it('is genuine for five minutes and not longer', async () => {
    const { fake } = await start();
    const sent = new Date('2026-08-01T10:00:00Z');
    const event = fake.event(url, { type: 'event_callback' }, { at: sent });
    const after = (seconds: number) => arrived(event, new Date(sent.getTime() + seconds * 1_000));
    const genuine = [0, 300, 301, -300, -301].map((s) => slackWeb.webhook?.verify(after(s), fake.credentials));
    expect(genuine).toEqual([true, true, false, true, false]);
  });

  it('without a time of arrival, without a secret or with a wrong signature is refused', async () => {
    const { fake } = await start();
    const request = arrived(fake.event(url, {}));
    const { at: _, ...timeless } = request;
    expect(slackWeb.webhook?.verify(timeless, fake.credentials)).toBe(false);
    expect(slackWeb.webhook?.verify(request, { ...fake.credentials, signing_secret: '' })).toBe(false);
    expect(slackWeb.webhook?.verify(arrived(fake.event(url, {}, { badSignature: true })), fake.credentials)).toBe(
      false,
    );
  });

  it('with a challenge is answered when it is signed, and refused when it is not', async () => {
    const { fake } = await start();
    const challenge = { type: 'url_verification', challenge: '3eZbrw1aB' };
    const ask = (badSignature: boolean) =>
      slackWeb.webhook?.handshake?.(arrived(fake.event(url, challenge, { badSignature })), fake.credentials);
    expect([ask(false), ask(true)]).toEqual(['3eZbrw1aB', false]);
    const other = arrived(fake.event(url, { type: 'event_callback' }));
    expect(slackWeb.webhook?.handshake?.(other, fake.credentials)).toBeUndefined();
  });

  it('of nobody is kept and does nothing', async () => {
    const { fake } = await start();
    const event = fake.event(url, { type: 'event_callback', event: { type: 'message' } });
    expect(slackWeb.webhook?.parse(arrived(event))).toEqual([
      { type: 'ignored', reason: 'event message of nobody known' },
    ]);
  });
});

describe('an answer', () => {
  it('goes to the room, and into the thread, that it answers', async () => {
    const fake = keep(await startSlack());
    const adapter = keep(using(slackWeb, fake.credentials));
    await adapter.send({ address: 'C024BE91L', content: { body: 'Yes', thread_ts: '1785578400.000001' } });
    expect(fake.requests[0]?.json()).toMatchObject({ channel: 'C024BE91L', thread_ts: '1785578400.000001' });
  });

  it('is addressed to a room or to a person; a room that is none is refused with its field', () => {
    expect(slack.address({ slack_channel_id: 'C024BE91L' }, {})).toBe('C024BE91L');
    expect(slack.address({ slack_channel_id: 'general', slack_user_id: 'U024BE7LH' }, {})).toBe('U024BE7LH');
    expect(() => slack.address({ slack_channel_id: 'general' }, {})).toThrow(/channel ID/);
    expect(missingFields(slack.recipient, { slack_channel_id: 'C024BE91L' })).toEqual([]);
    expect(missingFields(slack.recipient, {})).toEqual(['slack_user_id']);
  });

  it('may ask for a file, with the token, at Slack and nowhere else', async () => {
    const { media, asked } = fetching(slackWeb, { bot_token: 'xoxb-1', base_url: 'https://slack.com/api' });
    await media({ mime: 'x', url: 'https://files.slack.com/f/plan.pdf' });
    expect(asked).toEqual([{ url: 'https://files.slack.com/f/plan.pdf', bearer: 'xoxb-1' }]);
    for (const url of [
      'https://drive.example/x',
      'https://files.slack.com.evil.example/',
      'https://files.slack.com@evil.example/',
      'nothing',
      undefined,
    ])
      expect((await faultOf(media({ mime: 'x', ...(url ? { url } : {}) }))).kind).toBe('content_invalid');
    expect(asked).toHaveLength(1);
  });
});

describe('the rest', () => {
  it.each(['U024BE7LH', 'W012A3CDE'])('%s is an address', (id) => {
    expect(slack.address({ slack_user_id: id }, {})).toBe(id);
  });

  it.each(['', 'u024be7lh', 'C024BE7LH', '@ada', 'ada@example.com', 'U1', 'U024BE7LH\n'])('%j is not', (id) => {
    expect(() => slack.address({ slack_user_id: id }, {})).toThrow(/member ID/);
  });

  it('a test of the connection names the app and the workspace and writes to nobody', async () => {
    const { fake, check } = await start();
    expect(await check()).toBe('carillon in Acme');
    expect(fake.messages).toEqual([]);
  });

  it('the preview shows markup as people see it', () => {
    const blocks = [
      { type: 'header', text: { type: 'plain_text', text: 'Deploy' } },
      { type: 'section', text: { type: 'mrkdwn', text: 'By <@U1> &amp; co' } },
      {
        type: 'section',
        fields: [
          { type: 'mrkdwn', text: '*A*' },
          { type: 'mrkdwn', text: 'B' },
        ],
      },
      { type: 'divider' },
      { type: 'actions', elements: [{ type: 'button', text: { type: 'plain_text', text: 'Open' } }] },
      { type: 'context', elements: [{ type: 'mrkdwn', text: 'small' }] },
      { type: 'image', alt_text: 'a cat', image_url: 'https://x.example/c.png' },
      { type: 'video' },
    ];
    expect(slack.preview({ text: 'See <https://a.example|our page> <!here> &lt;ok&gt;', blocks })).toEqual({
      kind: 'blocks',
      text: 'See our page @here <ok>',
      blocks: [
        { kind: 'header', text: 'Deploy' },
        { kind: 'text', text: 'By @U1 & co' },
        { kind: 'fields', text: '', items: ['*A*', 'B'] },
        { kind: 'divider' },
        { kind: 'buttons', items: ['Open'] },
        { kind: 'context', items: ['small'] },
        { kind: 'image', text: 'a cat' },
        { kind: 'text', text: '[video]' },
      ],
    });
  });
});
