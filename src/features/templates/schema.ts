/** Templates on the wire. */
import { type Static, type TSchema, Type } from '@sinclair/typebox';

const closed = { additionalProperties: false } as const;
const choice = <const T extends readonly string[]>(values: T, description: string) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values], description });
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

export const slug = Type.String({
  pattern: '^[a-z0-9][a-z0-9_-]{0,63}$',
  description: 'your name for the template: up to 64 lower-case letters, digits, _ and -, such as order_confirmation',
});
const name = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S', description: 'A title for people.' });
const category = choice(
  ['transactional', 'marketing', 'otp'],
  'What its messages are, unless the send says otherwise. Default transactional.',
);

export const declarations = Type.Record(
  Type.String(),
  Type.Object(
    {
      optional: Type.Optional(Type.Boolean({ description: 'Left out of `data`, it is shown as nothing.' })),
      default: Type.Optional(
        Type.Unsafe<string | number | boolean>({
          type: ['string', 'number', 'boolean'],
          description: 'Left out of `data`, it is this.',
        }),
      ),
      description: Type.Optional(Type.String({ maxLength: 500 })),
      example: Type.Optional(Type.Unknown({ description: 'Used by previews.' })),
    },
    closed,
  ),
  {
    description:
      'What you want to say about variables. Which ones there are is read from the content: a variable that is printed ' +
      'outside every condition and loop is required, unless it is optional or has a default here.',
  },
);

const contents = Type.Record(Type.String(), Type.Record(Type.String(), Type.Record(Type.String(), Type.Unknown())), {
  minProperties: 1,
  description:
    'Channel, then language, then the content of that channel with {{variables}} in its texts: ' +
    '{"sms":{"en":{"body":"Hi {{name}}"}}}. GET /api/v1/channels/capabilities has the form of each content.',
});
const draft = Type.Optional(
  Type.Boolean({ description: 'Keep this version aside until it is activated. Default false: it is used at once.' }),
);

export const templateInput = Type.Object(
  {
    template_id: slug,
    name: Type.Optional(name),
    category: Type.Optional(category),
    variables: Type.Optional(declarations),
    content: contents,
    draft,
  },
  closed,
);
export type TemplateInput = Static<typeof templateInput>;

export const templateUpdate = Type.Object(
  {
    name: Type.Optional(name),
    category: Type.Optional(category),
    variables: Type.Optional(declarations),
    content: contents,
    draft,
  },
  closed,
);
export type TemplateUpdate = Static<typeof templateUpdate>;

const data = Type.Optional(
  Type.Record(Type.String(), Type.Unknown(), {
    description: 'Values of the variables. Left out, examples are used, and made-up values where there are none.',
  }),
);
const only = {
  channel: Type.Optional(Type.String({ maxLength: 64, description: 'Only this channel. Default all it has.' })),
  language: Type.Optional(
    Type.String({ maxLength: 35, description: 'Default the first of each channel, in alphabetical order.' }),
  ),
};
export const previewInput = Type.Object(
  {
    data,
    ...only,
    version: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Default the active one.' }),
    ),
  },
  closed,
);
export type PreviewInput = Static<typeof previewInput>;

export const unsavedPreviewInput = Type.Object(
  { content: contents, variables: Type.Optional(declarations), data, ...only },
  closed,
);
export type UnsavedPreviewInput = Static<typeof unsavedPreviewInput>;

const variable = Type.Object({
  name: Type.String({ description: 'The key of `data`.' }),
  required: Type.Boolean(),
  kind: choice(['text', 'number', 'date', 'flag', 'list', 'object'], 'How the content uses it.'),
  channels: Type.Array(Type.String()),
});

const head = {
  object: Type.Literal('template'),
  template_id: slug,
  name,
  category,
  version: orNull(Type.Integer({ description: 'The active version; null while there are only drafts.' })),
  latest_version: Type.Integer(),
  channels: Type.Record(Type.String(), Type.Array(Type.String()), { description: 'Channels and their languages.' }),
  created_at: Type.String({ format: 'date-time' }),
  updated_at: Type.String({ format: 'date-time' }),
};
const body = {
  variables: declarations,
  inferred_variables: Type.Array(variable, { description: 'What was found in the content.' }),
  content: contents,
};
export const templateSummary = Type.Object(head);
export type TemplateSummary = Static<typeof templateSummary>;

export const templateView = Type.Object({ ...head, ...body });
export type TemplateView = Static<typeof templateView>;

const versionHead = {
  object: Type.Literal('template_version'),
  id: Type.String(),
  template_id: slug,
  number: Type.Integer(),
  status: choice(['draft', 'active', 'archived'], 'One version of a template is active.'),
  created_by: orNull(Type.String()),
  created_at: Type.String({ format: 'date-time' }),
};
export const versionSummary = Type.Object(versionHead);
export type VersionSummary = Static<typeof versionSummary>;

export const versionView = Type.Object({ ...versionHead, ...body });
export type VersionView = Static<typeof versionView>;

const failureLimit = Type.Object(
  {
    percent: Type.Number({
      minimum: 0,
      maximum: 100,
      description: 'Roll back when more than this share has failed. 100 never does.',
    }),
    min_sent: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      description: 'Judge only once so many messages of the new version were taken or refused.',
    }),
  },
  { ...closed, description: 'When to roll back without being asked. Default 5 % of at least 50 messages.' },
);
export const rolloutInput = Type.Object(
  {
    version: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'The version to roll out.' }),
    percent: Type.Number({
      minimum: 0,
      maximum: 100,
      description: 'Share of the recipients who get it; two decimals count. 100 makes it the active version.',
    }),
    failure_limit: Type.Optional(failureLimit),
  },
  closed,
);
export type RolloutInput = Static<typeof rolloutInput>;

const moment = Type.String({ format: 'date-time' });
const count = Type.Object({
  version: Type.Integer(),
  sent: Type.Integer({ description: 'Messages that a provider has taken or refused.' }),
  failed: Type.Integer({
    description:
      'Those of them that failed for good, for a reason that may lie in the version: not the address, the wish of the ' +
      'recipient, the credentials, a cancellation or the time to live.',
  }),
  failure_rate: orNull(Type.Number({ description: 'Per cent; null while nothing was sent.' })),
});
export const rolloutView = Type.Object({
  object: Type.Literal('rollout'),
  id: Type.String(),
  template_id: slug,
  status: choice(['running', 'completed', 'rolled_back'], 'completed: the new version is active.'),
  version: Type.Integer({ description: 'The version that is rolled out.' }),
  from_version: Type.Integer({ description: 'The version that was active when it began.' }),
  percent: Type.Number(),
  failure_limit: failureLimit,
  counts: Type.Object(
    { from: count, to: count },
    { description: 'What was sent since it began, in the mode of the key. Counted a few seconds later.' },
  ),
  reason: orNull(Type.String({ description: 'Why it was rolled back.' })),
  started_by: Type.String(),
  ended_by: orNull(Type.String({ description: 'carillon: it was rolled back by itself.' })),
  started_at: moment,
  updated_at: moment,
  ended_at: orNull(moment),
});
export type RolloutView = Static<typeof rolloutView>;

const fieldFault = Type.Object({ path: Type.String(), message: Type.String() });
export const templatePreview = Type.Object({
  object: Type.Literal('template_preview'),
  data: Type.Record(Type.String(), Type.Unknown(), { description: 'What was put in.' }),
  missing: Type.Array(Type.String(), { description: 'Names that would be printed and are not in `data`.' }),
  unexpected: Type.Array(Type.String(), { description: 'Keys of `data` that nothing uses.' }),
  faults: Type.Array(fieldFault, { description: 'Values of the wrong kind.' }),
  channels: Type.Array(
    Type.Object({
      channel: Type.String(),
      language: Type.String(),
      content: Type.Record(Type.String(), Type.Unknown(), {
        description: 'What would be sent. What is missing is shown as {{name}}.',
      }),
      preview: Type.Union([
        Type.Object({ kind: choice(['mail', 'bubble', 'blocks', 'speech'], 'How it is drawn.') }),
        Type.Null(),
      ]),
      faults: Type.Array(fieldFault, { description: 'Why the channel would not take it, such as a text too long.' }),
    }),
  ),
});
export type TemplatePreview = Static<typeof templatePreview>;
