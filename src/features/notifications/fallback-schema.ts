/** Wire shapes of fallbacks: as they are asked for, and as they stand. */
import { Type } from '@sinclair/typebox';

export interface FallbackBody {
  channel: string;
  on: 'failed' | 'not_delivered';
  after_seconds?: number;
}

const FallbackStep = Type.Object(
  {
    channel: Type.String({ minLength: 1, maxLength: 64, description: 'One that is not used yet.' }),
    on: Type.Union([Type.Literal('failed'), Type.Literal('not_delivered')], {
      description:
        'failed: as soon as all before it have failed for certain, never on an unknown outcome. not_delivered: then too, and when none of them is delivered in time.',
    }),
    after_seconds: Type.Optional(
      Type.Integer({
        minimum: 10,
        maximum: 604_800,
        description: 'With not_delivered: how long a delivery is waited for after the hand-over.',
      }),
    ),
  },
  { additionalProperties: false },
);

export const FallbackSteps = Type.Optional(
  Type.Array(FallbackStep, {
    minItems: 1,
    maxItems: 5,
    description:
      'Channels to try in this order when those before have not worked. Each begins only then; each hand-over counts.',
  }),
);

const FallbackStatus = Type.Object(
  {
    channel: Type.String(),
    on: Type.String(),
    after_seconds: Type.Optional(Type.Integer()),
    address: Type.String(),
    status: Type.Union(
      ['dormant', 'started', 'not_needed'].map((word) => Type.Literal(word)),
      { description: 'dormant: it may still start; not_needed: it will not.' },
    ),
    message_id: Type.Optional(Type.String({ description: 'Its message, among the channels.' })),
    started_at: Type.Optional(Type.String({ format: 'date-time' })),
  },
  { additionalProperties: false },
);
export const FallbackView = Type.Optional(
  Type.Array(FallbackStatus, { description: 'What it falls back on, in order.' }),
);
