/** Lists, one shape for all of them: newest first, `limit` and `cursor` in, `has_more` and `next_cursor` out. */
import { type TSchema, Type } from '@sinclair/typebox';
import { ApiError } from './errors.ts';
import { fromWire, type IdKind } from './ids.ts';

/** The cursor is the id of the last item seen. */
export const listQuery = Type.Object(
  {
    limit: Type.Integer({
      minimum: 1,
      maximum: 100,
      default: 20,
      description: 'Items a page. Default 20, at most 100.',
    }),
    cursor: Type.Optional(
      Type.String({ maxLength: 64, description: '`next_cursor` of the page before. Absent: the first page.' }),
    ),
  },
  { additionalProperties: false },
);

export const listOf = <T extends TSchema>(item: T) =>
  Type.Object({
    object: Type.Literal('list'),
    data: Type.Array(item),
    has_more: Type.Boolean(),
    next_cursor: Type.Union([Type.String(), Type.Null()]),
  });

export interface List<T> {
  readonly object: 'list';
  readonly data: readonly T[];
  readonly has_more: boolean;
  readonly next_cursor: string | null;
}

/** A page of rows that were read with `limit + 1`. */
export function listPage<R, T extends { readonly id: string }>(
  rows: readonly R[],
  limit: number,
  show: (row: R) => T,
): List<T> {
  const data = rows.slice(0, limit).map(show);
  const more = rows.length > limit;
  return { object: 'list', data, has_more: more, next_cursor: more ? (data.at(-1)?.id ?? null) : null };
}

/** The UUID of a cursor. Throws `validation_failed` for one that is none of ours: a loop over pages must not begin again. */
export function readCursor(kind: IdKind, cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const id = fromWire(kind, cursor);
  if (id === undefined)
    throw new ApiError('validation_failed', 'cursor: is not one of ours; start without it', { param: 'cursor' });
  return id;
}
