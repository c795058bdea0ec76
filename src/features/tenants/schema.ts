/** Keys and tenants as they look outside. */
import { type Static, Type } from '@sinclair/typebox';

const orNull = <T extends ReturnType<typeof Type.String>>(schema: T) => Type.Union([schema, Type.Null()]);
const time = Type.String({ format: 'date-time' });

export const NAME_FORM = '^(?=.*\\S)[^\\u0000-\\u001f\\u007f]{1,100}$';
const name = Type.String({ pattern: NAME_FORM, description: '1 to 100 characters on one line.' });
const country = Type.String({
  pattern: '^[A-Z]{2}$',
  description: 'ISO 3166-1 alpha-2: two capital letters, such as DE.',
});
const language = Type.String({
  pattern: '^[a-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$',
  description: 'BCP 47: a language, perhaps with a region, such as en or pt-BR.',
});

const scope = Type.Union([Type.Literal('send'), Type.Literal('read'), Type.Literal('manage')]);
const scopes = Type.Unsafe<('send' | 'read' | 'manage')[]>({
  type: 'array',
  items: { type: 'string', enum: ['send', 'read', 'manage'] },
  minItems: 1,
  uniqueItems: true,
  description: 'send: send and cancel. read: look at what was sent. manage: keys, connections, templates, settings.',
});

export const keyParams = Type.Object({ key_id: Type.String({ pattern: '^key_[0-9A-HJKMNP-TV-Z]{26}$' }) });

const rate = Type.Object(
  {
    requests: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      description: 'That may come at once, after a pause.',
    }),
    seconds: Type.Integer({
      minimum: 1,
      maximum: 3_600,
      description: 'In which as many come back, evenly.',
    }),
  },
  { additionalProperties: false },
);
const rateOrNull = Type.Union([rate, Type.Null()], {
  description: 'Requests, and rows of bulks, that may be made; beyond it is 429. null: no limit of its own.',
});
const allowedIps = Type.Union([Type.Array(Type.String({ maxLength: 64 }), { maxItems: 100 }), Type.Null()], {
  description:
    'Addresses and CIDR ranges, IPv4 or IPv6, that the key may be used from. null or empty: from everywhere.',
});

export const createKey = Type.Object(
  {
    name,
    scopes: Type.Optional(scopes),
    allowed_ips: Type.Optional(allowedIps),
    rate_limit: Type.Optional(rateOrNull),
    expires_at: Type.Optional(
      Type.String({ format: 'date-time', description: 'When the key ends by itself. Default: never.' }),
    ),
  },
  { additionalProperties: false },
);
export type CreateKey = Static<typeof createKey>;

export const updateKey = Type.Object(
  {
    name: Type.Optional(name),
    allowed_ips: Type.Optional(allowedIps),
    rate_limit: Type.Optional(rateOrNull),
  },
  { additionalProperties: false, minProperties: 1 },
);
export type UpdateKey = Static<typeof updateKey>;

export const rotateKey = Type.Object(
  {
    grace_seconds: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 86_400, description: 'How long the old key keeps working. Default 0.' }),
    ),
  },
  { additionalProperties: false },
);
export type RotateKey = Static<typeof rotateKey>;

const keyFields = {
  id: Type.String(),
  object: Type.Literal('api_key'),
  name: Type.String(),
  livemode: Type.Boolean(),
  scopes: Type.Array(scope),
  status: Type.Union([Type.Literal('active'), Type.Literal('expired'), Type.Literal('revoked')]),
  masked: Type.String({ description: 'Prefix, public part and last four characters: all that is ever shown again.' }),
  created_at: time,
  expires_at: orNull(time),
  revoked_at: orNull(time),
  last_used_at: orNull(time),
  allowed_ips: Type.Union([Type.Array(Type.String()), Type.Null()], { description: 'null: from everywhere.' }),
  rate_limit: rateOrNull,
};
export const keyItem = Type.Object(keyFields);
export type KeyItem = Static<typeof keyItem>;
export const keyWithSecret = Type.Object({
  ...keyFields,
  key: Type.String({ description: 'The key itself. Shown this once; keep it on your server.' }),
});
export type KeyWithSecret = Static<typeof keyWithSecret>;

export const createTenant = Type.Object(
  { name, default_country: Type.Optional(country), default_language: Type.Optional(language) },
  { additionalProperties: false },
);
export const tenantSettings = Type.Object(
  {
    name: Type.Optional(name),
    default_country: Type.Optional(orNull(country)),
    default_language: Type.Optional(orNull(language)),
  },
  { additionalProperties: false },
);
const tenantFields = {
  id: Type.String(),
  object: Type.Literal('tenant'),
  name: Type.String(),
  default_country: orNull(Type.String()),
  default_language: orNull(Type.String()),
  created_at: time,
};
export const tenantItem = Type.Object(tenantFields);
export type TenantItem = Static<typeof tenantItem>;
export const tenantParams = Type.Object({ tenant_id: Type.String({ pattern: '^ten_[0-9A-HJKMNP-TV-Z]{26}$' }) });
const otpPerHour = Type.Union([Type.Integer({ minimum: 0, maximum: 1_000 }), Type.Null()], {
  description: 'Live messages of the category otp that one address gets within an hour. 0: as many as are sent.',
});
export const limitTenant = Type.Object(
  {
    rate_limit: Type.Optional(
      Type.Union([rate, Type.Null()], { description: 'null: what the installation gives everybody.' }),
    ),
    otp_per_hour: Type.Optional(otpPerHour),
  },
  { additionalProperties: false, minProperties: 1 },
);
export type LimitTenant = Static<typeof limitTenant>;
export const tenantLimits = Type.Object({
  object: Type.Literal('tenant_limits'),
  tenant_id: Type.String(),
  /** What applies; null: no limit. */
  rate_limit: rateOrNull,
  otp_per_hour: Type.Integer(),
  /** Set for this tenant, as opposed to what everybody has. */
  own: Type.Object({ rate_limit: Type.Boolean(), otp_per_hour: Type.Boolean() }),
});
export type TenantLimits = Static<typeof tenantLimits>;
export const tenantWithKeys = Type.Object({ ...tenantFields, live_key: Type.String(), test_key: Type.String() });

/** The longest address SMTP can carry is 254 octets. */
const email = Type.String({
  maxLength: 254,
  pattern: '^[^\\s@<>()\\[\\],;:"\\\\]+@[^\\s@<>()\\[\\],;:"\\\\]+\\.[^\\s@<>()\\[\\],;:"\\\\.]{2,}$',
  description: 'an address such as you@example.com',
});
export const signUpForm = Type.Object(
  { name, organization: name, email, password: Type.String({ maxLength: 1_024 }) },
  { additionalProperties: false },
);
export const nameForm = Type.Object({ name }, { additionalProperties: false });
export const inviteForm = Type.Object({ email }, { additionalProperties: false });
export const invitationItem = Type.Object({
  object: Type.Literal('invitation'),
  email: Type.String(),
  url: Type.String({ description: 'The page that makes the account. It works once; shown here alone.' }),
  mailed: Type.Boolean({ description: 'Whether it was handed to the mail server of the installation as well.' }),
  expires_at: time,
});
