/** A template as the renderer walks it: names are resolved to frames, and nothing is left that could surprise. */
import type { Scalar } from './door.ts';
import type { Helper } from './formats.ts';

export type Expression =
  | { readonly kind: 'literal'; readonly value: Scalar }
  /** `up`: how many frames (loops, `with`) to leave first. */
  | { readonly kind: 'path'; readonly up: number; readonly parts: readonly string[] }
  /** The place of the current item in its loop. */
  | { readonly kind: 'place'; readonly up: number; readonly of: 'index' | 'first' | 'last' }
  | {
      readonly kind: 'call';
      readonly helper: Helper;
      readonly values: readonly Expression[];
      readonly options: readonly (readonly [name: string, value: Expression])[];
    };

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly value: Expression }
  | {
      readonly kind: 'if' | 'each' | 'with';
      readonly subject: Expression;
      /** Of `if`: take the other branch. */
      readonly negated: boolean;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

export const LIMITS = {
  /** Characters of all rendered strings of one content. */
  source: 65_536,
  /** Blocks within blocks. */
  nesting: 20,
  /** Loops within loops. */
  loops: 2,
  /** Tags of one content. */
  tags: 2_000,
  /** Helpers within helpers. */
  calls: 3,
  /** Items of one list, when rendered. */
  items: 1_000,
  /** Tags and pieces of text walked in one rendering. */
  steps: 100_000,
  /** Characters one rendering produces. */
  output: 262_144,
} as const;
