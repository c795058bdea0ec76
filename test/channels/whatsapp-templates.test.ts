/** From named variables to Meta's parameters: what is derived, what the provider accepts of it, what is refused, how it looks. */
import { afterEach, describe, expect, it } from 'vitest';
import { cloud } from '../../channels/whatsapp/cloud.ts';
import { whatsapp } from '../../channels/whatsapp/index.ts';
import { ContentError } from '../../src/channel-kit/index.ts';
import { closing, using } from '../support/adapters.ts';
import type { Json } from '../support/providers/fake.ts';
import { startMeta } from '../support/providers/meta.ts';

const { keep, closeAll } = closing();
afterEach(closeAll);

const body = (text: string) => ({ type: 'BODY', text });
const text = (value: string) => ({ type: 'text', text: value });
const message = (components: object[], more: object = {}, template: object = {}): Json => ({
  type: 'template',
  template: { name: 'order_shipped', ...template },
  definition: { components, ...more },
});
const author = (content: Json, language = 'en-US'): Json => whatsapp.author?.(content, language);
const derived = (content: Json) => author(content).template.components;

/** What the core's renderer does, for plain variables. */
const render = (value: Json, data: Record<string, string>): Json => {
  if (typeof value === 'string') return value.replace(/\{\{(\w+)\}\}/g, (_, name) => data[name] ?? `missing ${name}`);
  if (Array.isArray(value)) return value.map((one) => render(one, data));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, key === 'definition' ? one : render(one, data)]),
  );
};

describe('parameters derived from the text', () => {
  it('named variables become positional parameters, in order of appearance, each once', () => {
    expect(derived(message([body('Hi {{name}}, order {{order_id}} of {{name}} is here.')]))).toEqual([
      { type: 'body', parameters: [text('{{name}}'), text('{{order_id}}')] },
    ]);
  });

  it('numbers take their names from the list: header first, then body, then buttons', () => {
    const content = message(
      [
        { type: 'BUTTONS', buttons: [{ type: 'URL', text: 'Track', url: 'https://a.example/t/{{1}}' }] },
        body('Hi {{1}}, order {{2}} has shipped.'),
        { type: 'HEADER', format: 'TEXT', text: 'News for {{1}}' },
      ],
      { variables: ['company', 'name', 'order_id', 'tracking'] },
    );
    expect(derived(content)).toEqual([
      { type: 'header', parameters: [text('{{company}}')] },
      { type: 'body', parameters: [text('{{name}}'), text('{{order_id}}')] },
      { type: 'button', sub_type: 'url', index: '0', parameters: [text('{{tracking}}')] },
    ]);
  });

  it('numbers out of order in the text are filled by number', () => {
    const content = message([body('Order {{2}} for {{1}} here.')], { variables: ['name', 'order_id'] });
    expect(derived(content)).toEqual([{ type: 'body', parameters: [text('{{name}}'), text('{{order_id}}')] }]);
  });

  it('a template of the named format gets parameter names, its button none', () => {
    const content = message(
      [
        body('Hi {{first_name}}, hello.'),
        { type: 'BUTTONS', buttons: [{ type: 'URL', text: 'Go', url: 'https://a.example/{{path}}' }] },
      ],
      { parameter_format: 'NAMED' },
    );
    expect(derived(content)).toEqual([
      { type: 'body', parameters: [{ type: 'text', parameter_name: 'first_name', text: '{{first_name}}' }] },
      { type: 'button', sub_type: 'url', index: '0', parameters: [text('{{path}}')] },
    ]);
  });

  it('a one-time password goes into the text and the button', () => {
    const content = message([
      { type: 'BODY', add_security_recommendation: true },
      { type: 'FOOTER', code_expiration_minutes: 10 },
      { type: 'BUTTONS', buttons: [{ type: 'OTP', otp_type: 'COPY_CODE', text: 'Copy code' }] },
    ]);
    expect(derived(content)).toEqual([
      { type: 'body', parameters: [text('{{code}}')] },
      { type: 'button', sub_type: 'url', index: '0', parameters: [text('{{code}}')] },
    ]);
  });

  it('a coupon button takes the variable coupon_code; quick replies, telephone numbers and fixed links take nothing', () => {
    const buttons = [
      { type: 'QUICK_REPLY', text: 'Yes' },
      { type: 'QUICK_REPLY', text: 'No' },
      { type: 'COPY_CODE', example: 'SAVE' },
      { type: 'URL', text: 'Shop', url: 'https://a.example' },
      { type: 'PHONE_NUMBER', text: 'Call', phone_number: '+15550100000' },
    ];
    expect(derived(message([body('Sale today.'), { type: 'BUTTONS', buttons }]))).toEqual([
      {
        type: 'button',
        sub_type: 'copy_code',
        index: '2',
        parameters: [{ type: 'coupon_code', coupon_code: '{{coupon_code}}' }],
      },
    ]);
  });

  it('components an author wrote stay, and only the missing ones are derived', () => {
    const picture = {
      type: 'header',
      parameters: [{ type: 'image', image: { link: 'https://a.example/{{photo}}.png' } }],
    };
    const payload = {
      type: 'button',
      sub_type: 'quick_reply',
      index: 0,
      parameters: [{ type: 'payload', payload: 'yes-{{id}}' }],
    };
    const content = message(
      [
        { type: 'HEADER', format: 'IMAGE' },
        body('Hi {{name}}, look.'),
        { type: 'BUTTONS', buttons: [{ type: 'QUICK_REPLY', text: 'Yes' }] },
      ],
      {},
      { components: [payload, picture] },
    );
    expect(derived(content)).toEqual([picture, { type: 'body', parameters: [text('{{name}}')] }, payload]);
  });

  it('written parameters may hold any expression and fit the numbers of a pasted text', () => {
    const components = [{ type: 'body', parameters: [text('Dr {{name}}'), text('{{order_id}}')] }];
    const content = message([body('Hi {{1}}, order {{2}} has shipped.')], {}, { components });
    expect(derived(content)).toEqual(components);
  });

  it('a text without variables has no components at all', () => {
    expect(author(message([body('Hello there.')])).template).toEqual({
      name: 'order_shipped',
      language: { code: 'en_US' },
    });
  });

  it.each([
    ['en-US', 'en_US'],
    ['pt-br', 'pt_BR'],
    ['de', 'de'],
  ])('the language %s is written %s, unless the author chose one', (language, code) => {
    expect(author(message([body('Hello.')]), language).template.language).toEqual({ code });
    const chosen = message([body('Hello.')], {}, { language: { code: 'en' } });
    expect(author(chosen, language).template.language).toEqual({ code: 'en' });
  });

  it('authoring twice changes nothing', () => {
    const once = author(message([body('Hi {{name}}, hello.')]));
    expect(author(once)).toEqual(once);
  });

  it('without a definition the components are taken as they are', () => {
    const components = [{ type: 'body', parameters: [text('{{a}}')] }];
    expect(author({ type: 'template', template: { name: 't', components } }).template.components).toEqual(components);
  });
});

describe('the provider accepts what was derived', () => {
  it.each([
    ['positional', {}, [body('Hi {{1}}, order {{2}} is here.')], [body('Hi {{name}}, order {{id}} is here.')]],
    [
      'named',
      { parameter_format: 'named' },
      [body('Hi {{name}}, {{id}} is here.')],
      [body('Hi {{name}}, {{id}} is here.')],
    ],
    [
      'one-time password',
      {},
      [{ type: 'BODY' }, { type: 'BUTTONS', buttons: [{ type: 'OTP' }] }],
      [{ type: 'BODY' }, { type: 'BUTTONS', buttons: [{ type: 'OTP' }] }],
    ],
    [
      'header, link and coupon',
      {},
      [
        { type: 'HEADER', format: 'TEXT', text: 'For {{1}}' },
        body('Order {{1}} is here.'),
        {
          type: 'BUTTONS',
          buttons: [{ type: 'URL', text: 'T', url: 'https://a.example/{{1}}' }, { type: 'COPY_CODE' }],
        },
      ],
      [
        { type: 'HEADER', format: 'TEXT', text: 'For {{name}}' },
        body('Order {{id}} is here.'),
        {
          type: 'BUTTONS',
          buttons: [{ type: 'URL', text: 'T', url: 'https://a.example/{{id}}' }, { type: 'COPY_CODE' }],
        },
      ],
    ],
  ] as const)('%s', async (_, format, approved, written) => {
    const template = { name: 'order_shipped', language: 'en_US', ...format, components: approved };
    const fake = keep(await startMeta({ templates: [template as never] }));
    const content = author(message([...written], format));
    const data = { name: 'Ada', id: '42', code: '123456', coupon_code: 'SAVE10' };
    const sent = await keep(using(cloud, fake.credentials)).send({
      address: '+14155550123',
      content: render(content, data),
    });
    expect(sent.providerId).toBe(fake.messages[0]?.id);
    expect(fake.requests[0]?.body.toString()).not.toContain('{{');
  });
});

describe('what cannot be right is refused, with its place', () => {
  const components = (...parameters: object[]) => ({ components: [{ type: 'body', parameters }] });
  it.each([
    [
      'fewer parameters than variables',
      message([body('{{1}} and {{2}}.')], {}, components(text('x'))),
      '/template/components/0/parameters',
    ],
    [
      'more parameters than variables',
      message([body('Only {{a}}.')], {}, components(text('x'), text('y'))),
      '/template/components/0/parameters',
    ],
    [
      'parameters where the text has none',
      message([body('Plain.')], {}, components(text('x'))),
      '/template/components/0',
    ],
    ['variables that touch', message([body('Hi {{a}}{{b}}.')]), '/definition/components/0/text'],
    ['numbers with a gap', message([body('Hi {{1}} and {{3}}.')]), '/definition/components/0/text'],
    ['numbers among names', message([body('Hi {{1}} and {{name}}.')]), '/definition/components/0/text'],
    ['numbers without names for them', message([body('Hi {{1}}, well.')]), '/definition/variables'],
    [
      'too many names for the numbers',
      message([body('Hi {{1}}, well.')], { variables: ['a', 'b'] }),
      '/definition/variables',
    ],
    [
      'a list of names beside named variables',
      message([body('Hi {{a}}.')], { variables: ['a'] }),
      '/definition/variables',
    ],
    ['a broken placeholder', message([body('Hi {{name}.')]), '/definition/components/0/text'],
    ['an expression in the text', message([body('Hi {{#if a}}x{{/if}}.')]), '/definition/components/0/text'],
    ['no body', message([{ type: 'FOOTER', text: 'Bye' }]), '/definition/components'],
    ['two bodies', message([body('A'), body('B')]), '/definition/components/1'],
    ['an unknown part', message([{ type: 'SIDEBAR', text: 'x' }]), '/definition/components/0/type'],
    ['a body that is too long', message([body('x'.repeat(1_025))]), '/definition/components/0/text'],
    [
      'a variable in the footer',
      message([body('A'), { type: 'FOOTER', text: 'Bye {{name}}' }]),
      '/definition/components/1/text',
    ],
    [
      'two variables in the header',
      message([{ type: 'HEADER', text: '{{a}} {{b}}' }, body('A')]),
      '/definition/components/0/text',
    ],
    [
      'a picture header without its picture',
      message([{ type: 'HEADER', format: 'IMAGE' }, body('A')]),
      '/template/components',
    ],
    [
      'a name the named format does not know',
      message([body('Hi {{Name1}}.')], { parameter_format: 'NAMED' }),
      '/definition/components/0/text',
    ],
    [
      'numbers in the named format',
      message([body('Hi {{1}}.')], { parameter_format: 'NAMED' }),
      '/definition/parameter_format',
    ],
    [
      'a variable in the middle of a link',
      message([body('A'), { type: 'BUTTONS', buttons: [{ type: 'URL', url: 'https://{{a}}/x' }] }]),
      '/definition/components/1/buttons/0/url',
    ],
    [
      'quick replies that are torn apart',
      message([
        body('A'),
        {
          type: 'BUTTONS',
          buttons: ['QUICK_REPLY', 'URL', 'QUICK_REPLY'].map((type) => ({ type, url: 'https://a.example' })),
        },
      ]),
      '/definition/components/1/buttons',
    ],
    [
      'three links',
      message([
        body('A'),
        { type: 'BUTTONS', buttons: [1, 2, 3].map(() => ({ type: 'URL', url: 'https://a.example' })) },
      ]),
      '/definition/components/1/buttons',
    ],
    [
      'a parameter without its value',
      message([body('A {{a}}.')], {}, components({ type: 'text' })),
      '/template/components/0/parameters/0',
    ],
    [
      'names on some parameters only',
      message([body('{{a}} {{b}}.')], {}, components({ ...text('x'), parameter_name: 'a' }, text('y'))),
      '/template/components/0/parameters',
    ],
    [
      'the same component twice',
      message([body('A {{a}}.')], {}, { components: [1, 2].map(() => ({ type: 'body', parameters: [text('x')] })) }),
      '/template/components/1',
    ],
  ] as const)('%s', (_, content, path) => {
    let thrown: unknown;
    try {
      author(content);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ContentError);
    expect((thrown as ContentError).path).toBe(path);
    expect((thrown as ContentError).message).toMatch(/\w.*\.$/);
  });
});

describe('the preview', () => {
  const shown = (content: Json, data: Record<string, string> = {}) => whatsapp.preview(render(author(content), data));

  it('is the bubble a person sees: header, text, footer, buttons', () => {
    const content = message([
      { type: 'HEADER', format: 'TEXT', text: 'Order {{id}}' },
      body('Hi {{name}}, order {{id}} has shipped.'),
      { type: 'FOOTER', text: 'Acme Shop' },
      {
        type: 'BUTTONS',
        buttons: [{ type: 'URL', text: 'Track', url: 'https://a.example/{{id}}' }, { type: 'COPY_CODE' }],
      },
    ]);
    expect(shown(content, { name: 'Ada', id: '42', coupon_code: 'X' })).toEqual({
      kind: 'bubble',
      header: 'Order 42',
      text: 'Hi Ada, order 42 has shipped.',
      footer: 'Acme Shop',
      buttons: ['Track', 'Copy offer code'],
    });
  });

  it('fills numbers as well as names', () => {
    const content = message([body('{{2}} for {{1}}.')], { variables: ['name', 'id'] });
    expect(shown(content, { name: 'Ada', id: '42' })).toMatchObject({ text: '42 for Ada.' });
  });

  it('a value that looks like a placeholder is shown, not filled again', () => {
    expect(shown(message([body('Hi {{a}}, {{b}}.')]), { a: '{{b}}', b: 'x' })).toMatchObject({ text: 'Hi {{b}}, x.' });
  });

  it('a one-time password is shown with the words the provider adds', () => {
    const content = message([
      { type: 'BODY', add_security_recommendation: true },
      { type: 'FOOTER', code_expiration_minutes: 10 },
      { type: 'BUTTONS', buttons: [{ type: 'OTP' }] },
    ]);
    expect(shown(content, { code: '123456' })).toEqual({
      kind: 'bubble',
      text: '123456 is your verification code. For your security, do not share this code.',
      footer: 'This code expires in 10 minutes.',
      buttons: ['Copy code'],
    });
  });

  it('a header with a file names it', () => {
    const components = [
      {
        type: 'header',
        parameters: [{ type: 'document', document: { link: 'https://a.example/i.pdf', filename: 'invoice.pdf' } }],
      },
    ];
    const content = message([{ type: 'HEADER', format: 'DOCUMENT' }, body('Here.')], {}, { components });
    expect(shown(content)).toMatchObject({ header: '[document] invoice.pdf' });
  });

  it('without a definition the values are all there is to show', () => {
    const components = [{ type: 'body', parameters: [text('Ada'), text('42')] }];
    expect(shown({ type: 'template', template: { name: 'order_shipped', components } })).toEqual({
      kind: 'bubble',
      header: 'order_shipped',
      text: 'Ada\n42',
    });
  });
});
