/**
 * What a WhatsApp message is: Meta's own message object, plus `definition`, the template's text, which never leaves
 * the house. It is here to derive the parameters, to find mistakes before the provider does, and to draw the preview.
 */
import { type Static, Type } from '@sinclair/typebox';
import { choice, words } from '../../src/channel-kit/index.ts';

const closed = { additionalProperties: false } as const;

const Media = Type.Object(
  {
    id: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    link: Type.Optional(Type.String({ minLength: 1, maxLength: 2_000 })),
    filename: Type.Optional(Type.String({ minLength: 1, maxLength: 240 })),
  },
  { ...closed, description: 'A file the provider holds (`id`) or fetches (`link`, https); exactly one of the two.' },
);

export const Parameter = Type.Object(
  {
    type: choice([
      'text',
      'payload',
      'coupon_code',
      'currency',
      'date_time',
      'image',
      'video',
      'document',
      'location',
      'action',
    ]),
    parameter_name: Type.Optional(Type.String({ pattern: '^[a-z_]+$', maxLength: 100 })),
    text: Type.Optional(Type.String({ minLength: 1, maxLength: 1_024 })),
    payload: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    coupon_code: Type.Optional(Type.String({ minLength: 1, maxLength: 20 })),
    currency: Type.Optional(
      Type.Object({
        fallback_value: Type.String(),
        code: Type.String(),
        amount_1000: Type.Union([Type.Integer(), Type.String()]),
      }),
    ),
    date_time: Type.Optional(Type.Object({ fallback_value: Type.String() })),
    image: Type.Optional(Media),
    video: Type.Optional(Media),
    document: Type.Optional(Media),
    location: Type.Optional(
      Type.Object({
        latitude: Type.Union([Type.Number({ minimum: -90, maximum: 90 }), Type.String()]),
        longitude: Type.Union([Type.Number({ minimum: -180, maximum: 180 }), Type.String()]),
        name: Type.Optional(Type.String()),
        address: Type.Optional(Type.String()),
      }),
    ),
    action: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  closed,
);
export type Parameter = Static<typeof Parameter>;

export const Component = Type.Object(
  {
    type: choice(['header', 'body', 'button']),
    sub_type: Type.Optional(choice(['url', 'quick_reply', 'copy_code', 'flow', 'catalog'])),
    index: Type.Optional(Type.Union([Type.String({ pattern: '^\\d$' }), Type.Integer({ minimum: 0, maximum: 9 })])),
    parameters: Type.Array(Parameter, { minItems: 1, maxItems: 100 }),
  },
  closed,
);
export type Component = Static<typeof Component>;

/** Open on purpose: what the provider's template list returned can be pasted whole. */
const Button = Type.Object({
  type: Type.String(),
  text: Type.Optional(Type.String({ maxLength: 200 })),
  url: Type.Optional(Type.String({ maxLength: 2_000 })),
});
const DefinitionComponent = Type.Object({
  type: Type.String({ description: 'HEADER, BODY, FOOTER or BUTTONS.' }),
  format: Type.Optional(Type.String({ description: 'Of a header: TEXT, IMAGE, VIDEO, DOCUMENT or LOCATION.' })),
  text: Type.Optional(Type.String({ maxLength: 2_000 })),
  buttons: Type.Optional(Type.Array(Button, { maxItems: 10 })),
  add_security_recommendation: Type.Optional(Type.Boolean()),
  code_expiration_minutes: Type.Optional(Type.Integer({ minimum: 1, maximum: 90 })),
});
export type DefinitionComponent = Static<typeof DefinitionComponent>;

export const Definition = Type.Object(
  {
    parameter_format: Type.Optional(
      Type.String({ description: 'POSITIONAL (default) or NAMED, as the template was created.' }),
    ),
    variables: Type.Optional(
      Type.Array(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_.]*$' }), {
        maxItems: 100,
        description:
          'Only for texts with numbers: which variable fills `{{1}}`, `{{2}}` …; those of the header first, then of the ' +
          'body, then of the buttons. `["name", "order_id"]` for a body "Hi {{1}}, order {{2}} has shipped."',
      }),
    ),
    components: Type.Array(DefinitionComponent, { minItems: 1, maxItems: 4 }),
  },
  {
    'x-literal': true,
    description:
      'The approved text of the template, in the shape the provider lists it. Write your variables by name, such as ' +
      '"Hi {{name}}, order {{order_id}} has shipped." (or paste the text with its numbers and name them in `variables`), ' +
      'and the parameters are derived: leave `template.components` out. Components you do write are kept as they are ' +
      'and checked against this text; a header with a picture needs one, since its file is not part of the text.',
  },
);
export type Definition = Static<typeof Definition>;

export const WhatsAppContent = Type.Object(
  {
    type: choice(['template', 'text']),
    template: Type.Optional(
      Type.Object(
        {
          name: Type.String({ pattern: '^[a-z0-9_]{1,512}$', description: 'As approved by the provider.' }),
          language: Type.Optional(
            Type.Object(
              { code: Type.String({ minLength: 2, maxLength: 15 }), policy: Type.Optional(choice(['deterministic'])) },
              { ...closed, description: 'Left out: the language this content is written for, `en-US` as `en_US`.' },
            ),
          ),
          components: Type.Optional(
            Type.Array(Component, {
              maxItems: 12,
              description: 'Parameters in the form the provider takes. Left out: derived from `definition`.',
            }),
          ),
        },
        closed,
      ),
    ),
    text: Type.Optional(Type.Object({ body: words(4_096), preview_url: Type.Optional(Type.Boolean()) }, closed)),
    definition: Type.Optional(Definition),
  },
  {
    ...closed,
    oneOf: [
      { type: 'object', properties: { type: { const: 'template' }, template: {} }, required: ['template'] },
      { type: 'object', properties: { type: { const: 'text' }, text: {} }, required: ['text'] },
    ],
  },
);
export type WhatsAppContent = Static<typeof WhatsAppContent>;
