/** Slack: a message from an app to a member of its workspace, or to a room that it is in. */
import { type Static, Type } from '@sinclair/typebox';
import { AddressError, type Channel, having, words } from '../../src/channel-kit/index.ts';
import { escapeText } from './markup.ts';
import { preview } from './preview.ts';
import { slackWeb } from './web.ts';

const MEMBER_ID = '^[UW][A-Z0-9]{2,30}$';
const ROOM_ID = '^[CDG][A-Z0-9]{2,30}$';

export const SlackContent = Type.Object(
  {
    body: Type.Optional(words(4_000, { description: 'Plain text, shown exactly as written.' })),
    text: Type.Optional(
      words(4_000, {
        description: "Slack's markup: `*bold*`, `<https://example.com|a link>`. Values inserted into it stay plain.",
      }),
    ),
    blocks: Type.Optional(
      Type.Array(Type.Object({ type: Type.String({ minLength: 1 }) }), {
        minItems: 1,
        maxItems: 50,
        description: 'Block Kit. Give `body` or `text` too: it is what the notification shows.',
      }),
    ),
    thread_ts: Type.Optional(
      Type.String({ pattern: '^\\d{1,12}\\.\\d{1,8}$', description: 'Answers in the thread of this message.' }),
    ),
  },
  {
    additionalProperties: false,
    oneOf: [having('body'), having('text')],
  },
);
export type SlackContent = Static<typeof SlackContent>;

export const slack: Channel<SlackContent> = {
  id: 'slack',
  label: 'Slack',
  recipient: [
    {
      name: 'slack_user_id',
      label: 'Slack member ID',
      required: true,
      unless: 'slack_channel_id',
      pattern: MEMBER_ID,
      example: 'U024BE7LH',
      help: "From the person's profile: Copy member ID.",
    },
    {
      name: 'slack_channel_id',
      label: 'Slack channel ID',
      pattern: ROOM_ID,
      example: 'C024BE91L',
      help: 'Instead of a person, a room the app was invited to: at the end of its details.',
    },
  ],
  content: SlackContent,
  capabilities: { receipts: ['delivered'], inbound: true, media: [], maxChars: 4_000 },
  templatePolicy: { send: 'optional', reply: 'anytime', approval: 'none' },
  retry: { delaysSeconds: [2, 15, 60, 300] },
  sandbox: [
    { to: { slack_user_id: 'UDELIVERED' }, steps: [{ receipt: 'delivered' }], note: 'delivered' },
    { to: { slack_user_id: 'UGONE' }, steps: [{ refuse: 'recipient_invalid' }], note: 'no such member' },
    { to: { slack_user_id: 'UREVOKED' }, steps: [{ refuse: 'credentials_invalid' }], note: 'the token was revoked' },
    {
      to: { slack_user_id: 'ULIMITED' },
      steps: [{ refuse: 'rate_limited', retryAfterSeconds: 1 }, { receipt: 'delivered' }],
      note: 'too fast at first, then delivered',
    },
    {
      to: { slack_user_id: 'UFLAKY' },
      steps: [{ refuse: 'provider_unavailable' }, { refuse: 'provider_unavailable' }, { receipt: 'delivered' }],
      note: 'flaky: out of order twice, then delivered',
    },
    {
      to: { slack_user_id: 'USLOW' },
      steps: [{ receipt: 'delivered', afterMs: 5_000 }],
      note: 'delivered after five seconds',
    },
    { to: { slack_user_id: 'UUNKNOWN' }, steps: [{ refuse: 'outcome_unknown' }], note: 'the answer is lost' },
  ],
  address(to) {
    const room = to.slack_channel_id;
    if (room !== undefined && new RegExp(ROOM_ID).test(room)) return room;
    if (room !== undefined && to.slack_user_id === undefined)
      throw new AddressError(
        'slack_channel_id',
        'Write the channel ID, such as C024BE91L: C, D or G, then capitals and digits.',
      );
    const given = to.slack_user_id ?? '';
    if (!new RegExp(MEMBER_ID).test(given))
      throw new AddressError(
        'slack_user_id',
        'Write the member ID, such as U024BE7LH: U or W, then capitals and digits.',
      );
    return given;
  },
  // `body` is escaped whole when it is sent; in markup and blocks only what is inserted, and only where people read it.
  escape: (value, path) => (path.at(-1) === 'text' ? escapeText(value) : value),
  preview,
  adapters: [slackWeb],
};
