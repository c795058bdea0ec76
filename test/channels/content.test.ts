/** What each content schema takes and refuses, since the validator at the door is made of it. */
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { channels } from '../../channels/index.ts';
import { whatsapp } from '../../channels/whatsapp/index.ts';
import type { Json } from '../support/providers/fake.ts';

const ajv = new Ajv({ strict: true }).addVocabulary(['x-literal']);
const validators = new Map(channels.map(({ id, content }) => [id, ajv.compile(content)]));
const takes = (channel: string, content: Json) => validators.get(channel)?.(content);

const file = { filename: 'a.pdf', content_type: 'application/pdf', content: 'aGVsbG8=' };
const parameter = (more: object) => ({
  type: 'template',
  template: { name: 't', components: [{ type: 'body', parameters: [{ type: 'text', ...more }] }] },
});

describe.each([
  ['email', { subject: 'S', body: 'B' }],
  ['email', { subject: 'S', html: '<p>B</p>' }],
  ['email', { subject: 'S', body: 'B', from: 'Acme <a@b.example>', reply_to: 'c@d.example', attachments: [file] }],
  ['sms', { body: 'x'.repeat(1_600) }],
  ['slack', { text: '*B*', blocks: [{ type: 'divider' }] }],
  ['voice', { body: 'B', voice: 'Polly.Amy', language: 'en-GB', loop: 2 }],
  ['whatsapp', { type: 'text', text: { body: 'B', preview_url: false } }],
  ['whatsapp', { type: 'template', template: { name: 'order_shipped', language: { code: 'en_US' } } }],
  ['whatsapp', parameter({ text: 'x' })],
] as const)('%s takes', (channel, content) => {
  it(JSON.stringify(content).slice(0, 100), () => expect(takes(channel, content)).toBe(true));
});

describe.each([
  ['email', { body: 'B' }, 'no subject'],
  ['email', { subject: 'S' }, 'neither text nor HTML'],
  ['email', { subject: ' ', body: 'B' }, 'a subject of spaces'],
  ['email', { subject: 'S\r\nBcc: x@y.example', body: 'B' }, 'a line break in the subject'],
  ['email', { subject: 'x'.repeat(999), body: 'B' }, 'a subject that is too long'],
  ['email', { subject: 'S', body: 'B', from: 'a@b.example\nBcc: x@y.example' }, 'a line break in the sender'],
  ['email', { subject: 'S', body: 'B', from: 'nobody' }, 'a sender without an address'],
  ['email', { subject: 'S', body: 'B', envelope: { to: 'x@y.example' } }, 'an envelope'],
  ['email', { subject: 'S', body: 'B', headers: { Bcc: 'x@y.example' } }, 'headers'],
  ['email', { subject: 'S', body: 'B', attachments: [{ ...file, path: '/etc/passwd' }] }, 'a file by its path'],
  ['email', { subject: 'S', body: 'B', attachments: [{ ...file, href: 'http://127.0.0.1' }] }, 'a file by its address'],
  ['email', { subject: 'S', body: 'B', attachments: [{ ...file, filename: '../../x' }] }, 'a file name with a path'],
  ['email', { subject: 'S', body: 'B', attachments: [{ ...file, filename: 'a\nb' }] }, 'a file name with a line break'],
  [
    'email',
    { subject: 'S', body: 'B', attachments: [{ ...file, content: 'not base64!' }] },
    'a file that is not base64',
  ],
  [
    'email',
    { subject: 'S', body: 'B', attachments: [{ ...file, content_type: 'text/html\r\nX: y' }] },
    'a type with a line break',
  ],
  ['email', { subject: 'S', body: { path: '/etc/passwd' } }, 'a body that is an object'],
  ['sms', { body: 'B', subject: 'S' }, 'a subject'],
  ['sms', { body: 42 }, 'a number for a text'],
  ['slack', { body: 'B', text: 'B' }, 'plain text and markup at once'],
  ['slack', { blocks: [{ type: 'divider' }] }, 'blocks without a text for the notification'],
  ['slack', { body: 'B', blocks: Array(51).fill({ type: 'divider' }) }, '51 blocks'],
  ['slack', { body: 'B', blocks: ['x'] }, 'a block that is no object'],
  ['slack', { body: 'B', channel: 'C1' }, 'another channel'],
  ['voice', { body: 'B', voice: '"/><Dial>' }, 'a voice that is markup'],
  ['voice', { body: 'B', loop: 0 }, 'to be said forever'],
  ['whatsapp', { body: 'B' }, 'raw text'],
  ['whatsapp', { type: 'template' }, 'a template message without its template'],
  ['whatsapp', { type: 'text', template: { name: 't' } }, 'a text message without its text'],
  ['whatsapp', { type: 'text', text: { body: 'x'.repeat(4_097) } }, 'a text that is too long'],
  ['whatsapp', { type: 'template', template: { name: 'Order Shipped' } }, 'a template name nobody can have'],
  ['whatsapp', { type: 'template', template: { name: 't' }, to: '+1' }, 'another recipient'],
  ['whatsapp', parameter({ text: '' }), 'an empty parameter'],
  ['whatsapp', parameter({ type: 'sticker' }), 'a parameter of no known type'],
] as const)('%s refuses', (channel, content, reason) => {
  it(reason, () => expect(takes(channel, content)).toBe(false));
});

describe('WhatsApp', () => {
  it('content that was authored from a definition is valid as it stands and stays so when rendered', () => {
    const written = {
      type: 'template' as const,
      template: { name: 'order_shipped' },
      definition: { components: [{ type: 'BODY', text: 'Hi {{name}}, hello.' }] },
    };
    const content = whatsapp.author?.(written, 'en') as Json;
    expect(takes('whatsapp', content)).toBe(true);
    content.template.components[0].parameters[0].text = 'Ada';
    expect(takes('whatsapp', content)).toBe(true);
  });

  it('a template pasted from the provider, with all its extra fields, is a valid definition', () => {
    const pasted = {
      id: '1',
      name: 'order_shipped',
      language: 'en_US',
      status: 'APPROVED',
      category: 'UTILITY',
      parameter_format: 'POSITIONAL',
      components: [{ type: 'BODY', text: 'Hi {{1}}, hello.', example: { body_text: [['Ada']] } }],
    };
    expect(takes('whatsapp', { type: 'template', template: { name: 'order_shipped' }, definition: pasted })).toBe(true);
  });

  it('a value with line breaks and long gaps is put into one line, as the provider demands', () => {
    const path = ['template', 'components', 0, 'parameters', 0, 'text'];
    expect(whatsapp.escape?.('12 Main St\r\n\tSpringfield        IL', path)).toBe('12 Main St Springfield    IL');
    expect(whatsapp.escape?.('two\nlines', ['text', 'body'])).toBe('two\nlines');
  });
});
