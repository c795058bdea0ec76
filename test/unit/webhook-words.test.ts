/** The shape of the WhatsApp gateway, kind by kind. */
import { describe, expect, it } from 'vitest';
import { bodyOf, isSubscribed } from '../../src/features/webhooks/words.ts';

const at = '2026-11-21T12:00:00.000Z';
const told = (type: string, data: Record<string, unknown>) =>
  JSON.parse(bodyOf({ id: 'evt_1', type, created_at: at, timestamp: at, livemode: true, data }, 7, 'messages'));
const received = (content: object, more: object = {}) =>
  told('message.received', {
    channel: 'a',
    from: '+62812',
    provider_id: 'wamid.1',
    message_id: 'msg_1',
    content,
    ...more,
  }).data;

describe('what came in', () => {
  it.each<[string, object, object, object]>([
    ['text', { kind: 'text', text: 'Halo' }, {}, { type: 'text', text: { body: 'Halo' } }],
    [
      'a button',
      { kind: 'button', text: 'Ya', data: { id: 'yes' } },
      {},
      { type: 'interactive', interactive: { type: 'button_reply', button_reply: { id: 'yes', title: 'Ya' } } },
    ],
    [
      'a pick from a list',
      { kind: 'list', text: 'Red', data: { id: 'r', description: 'warm' } },
      {},
      {
        type: 'interactive',
        interactive: { type: 'list_reply', list_reply: { id: 'r', title: 'Red', description: 'warm' } },
      },
    ],
    [
      'a form',
      { kind: 'form', text: 'Sent', data: { response: { a: 1 } } },
      {},
      { type: 'interactive', interactive: { type: 'nfm_reply', nfm_reply: { response: { a: 1 } } } },
    ],
    [
      'a picture',
      { kind: 'image', text: 'Look' },
      { media: [{ id: 'med_1', mime: 'image/png' }] },
      { type: 'image', image: { id: 'med_1', mime: 'image/png', caption: 'Look' } },
    ],
    [
      'a place',
      { kind: 'location', text: 'Here', data: { latitude: 1, longitude: 2 } },
      {},
      { type: 'location', location: { latitude: 1, longitude: 2, text: 'Here' } },
    ],
    [
      'what nobody understands',
      { kind: 'unsupported', text: null, data: null },
      {},
      { type: 'unsupported', unsupported: {} },
    ],
  ])('%s', (_, content, more, expected) => {
    expect(received(content, more)).toMatchObject({ from: '62812', message_id: 'wamid.1', ...expected });
  });
  it('says what it answers', () => {
    expect(received({ kind: 'text', text: 'x' }, { reply_to: { provider_id: 'wamid.0' } }).context).toEqual({
      message_id: 'wamid.0',
    });
    expect(received({ kind: 'text', text: 'x' }, { reply_to: null }).context).toBeUndefined();
  });
});

it('a status says why a message has failed, and other events keep their name', () => {
  const { event, data } = told('message.failed', {
    ...{
      address: '+1415',
      message_id: 'msg_1',
      channel: 'a',
      failure: { code: 'recipient_invalid', message: 'Nobody there' },
    },
  });
  expect([event, data.status, data.to]).toEqual(['messages.failed', 'failed', '1415']);
  expect(data.errors).toEqual([{ code: 'recipient_invalid', title: 'Nobody there' }]);
  expect(told('bulk.completed', { x: 1 })).toEqual({ event: 'bulk.completed', data: { x: 1 } });
});

it('who subscribes to nothing in particular is told of all but what was queued', () => {
  expect([
    isSubscribed({ eventTypes: null }, 'message.queued'),
    isSubscribed({ eventTypes: null }, 'alert.fired'),
  ]).toEqual([false, true]);
  expect(isSubscribed({ eventTypes: ['message.queued'] }, 'message.queued')).toBe(true);
});
