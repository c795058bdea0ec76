import { Type } from '@sinclair/typebox';
import { describe, expect, test } from 'vitest';
import { ApiError } from '../../../src/lib/errors.ts';
import { validator } from '../../../src/lib/schema.ts';

const schema = Type.Object(
  {
    name: Type.String({ minLength: 2 }),
    channels: Type.Array(Type.String({ enum: ['email', 'sms'] }), { minItems: 1 }),
    phone: Type.Optional(Type.String({ pattern: '^\\+\\d+$', description: 'a plus sign and digits' })),
    code: Type.Optional(Type.String({ pattern: '^\\d{6}$' })),
    to: Type.Optional(Type.Object({ 'a/b': Type.Integer() }, { additionalProperties: false })),
    kind: Type.Optional(Type.Literal('x')),
  },
  { additionalProperties: false },
);
const { check, faults } = validator(schema);
const good = { name: 'Ada', channels: ['sms'] };

describe('faults say where and what', () => {
  test.each([
    [{ ...good, name: undefined }, 'name', 'is required'],
    [{ ...good, nmae: 1 }, 'nmae', 'is not a field of this request'],
    [{ ...good, channels: ['fax'] }, 'channels.0', 'must be one of email, sms'],
    [{ ...good, channels: [] }, 'channels', 'must NOT have fewer than 1 items'],
    [{ ...good, name: 1 }, 'name', 'must be string'],
    [{ ...good, phone: '12' }, 'phone', 'has the wrong form: a plus sign and digits'],
    [{ ...good, code: '12' }, 'code', 'has the wrong form; it must match ^\\d{6}$'],
    [{ ...good, to: { 'a/b': 'x' } }, 'to.a/b', 'must be integer'],
    [{ ...good, to: { c: 1 } }, 'to.c', 'is not a field of this request'],
    [{ ...good, kind: 'y' }, 'kind', 'must be "x"'],
  ])('%j', (value, path, message) =>
    expect(faults(JSON.parse(JSON.stringify(value)))).toContainEqual({ path, message }));
});

test('every fault is told at once, and the first in the message', () => {
  try {
    check({ channels: ['fax', 'sms'], other: 1 });
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(ApiError);
    const { code, param, message, details } = error as ApiError;
    expect(code).toBe('validation_failed');
    expect(details?.fields).toHaveLength(3);
    expect(message).toMatch(/and 2 more/);
    expect(param).toBe((details?.fields as { path: string }[])[0]?.path);
  }
});

test('a flood of faults is cut short', () => {
  const value = { ...good, channels: Array.from({ length: 500 }, (_, i) => `fax${i}`) };
  expect(faults(value)).toHaveLength(20);
});

test('a body is never changed into what was asked for', () => {
  const value = { name: 5, channels: ['sms'] };
  expect(faults(value)).toHaveLength(1);
  expect(value.name).toBe(5);
});

test('a query is read as the numbers and booleans it stands for, with defaults', () => {
  const query = validator(
    Type.Object({ limit: Type.Integer({ default: 20, maximum: 100 }), all: Type.Optional(Type.Boolean()) }),
    'query',
  );
  expect(query.check({ limit: '5', all: 'true' })).toEqual({ limit: 5, all: true });
  expect(query.check({})).toEqual({ limit: 20 });
  expect(query.faults({ limit: 'five' })).toEqual([{ path: 'limit', message: 'must be integer' }]);
  expect(query.faults({ limit: '101' })).toHaveLength(1);
});

test('a number without an end escapes no limit', () => {
  const limited = validator(Type.Object({ limit: Type.Integer({ maximum: 100 }) }), 'query');
  for (const limit of ['1e400', '-1e400']) expect(limited.faults({ limit })).not.toEqual([]);
  expect(limited.faults({ limit: '1e2' })).toEqual([]);
});

test('a union tells the faults of its branches, not that it is a union', () => {
  const union = validator(
    Type.Object({ at: Type.Union([Type.Object({ a: Type.String() }), Type.Object({ b: Type.String() })]) }),
  );
  const found = union.faults({ at: {} });
  expect(found.map(({ path }) => path)).toEqual(['at.a', 'at.b']);
});

test('what may be null says why it is wrong, and not that it must be null', () => {
  const rate = Type.Object({ requests: Type.Integer({ minimum: 1 }) }, { additionalProperties: false });
  const { faults } = validator(
    Type.Object({
      rate: Type.Union([rate, Type.Null()]),
      name: Type.Union([Type.String(), Type.Null()]),
      gone: Type.Null(),
    }),
  );
  const right = { rate: null, name: null, gone: null };
  expect(faults(right)).toEqual([]);
  expect(faults({ ...right, rate: { requests: 0 } })).toEqual([{ path: 'rate.requests', message: 'must be >= 1' }]);
  expect(faults({ ...right, rate: {} })).toEqual([{ path: 'rate.requests', message: 'is required' }]);
  expect(faults({ ...right, name: 5 })).toEqual([{ path: 'name', message: 'must be string or null' }]);
  expect(faults({ ...right, gone: 5 })).toEqual([{ path: 'gone', message: 'must be null' }]);
});
