/** Lines of two texts side by side: what went, what came, what stayed. Pure. Source: the longest common subsequence. */

export interface DiffLine {
  readonly kind: 'add' | 'del' | 'same' | 'gap';
  readonly text: string;
}

const LINES_MAX = 600;
const AROUND = 2;

/** Unchanged stretches are folded to the lines around a change. Texts beyond 600 lines are shown as wholly replaced. */
export function diff(before: string, after: string): readonly DiffLine[] {
  const a = before.split('\n');
  const b = after.split('\n');
  if (a.length > LINES_MAX || b.length > LINES_MAX)
    return [...a.map((text) => ({ kind: 'del', text }) as const), ...b.map((text) => ({ kind: 'add', text }) as const)];
  return fold(lines(a, b));
}

function lines(a: readonly string[], b: readonly string[]): readonly DiffLine[] {
  // common[i][j]: the longest common subsequence of a from i and b from j.
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  const at = (i: number, j: number) => common[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--) {
      const row = common[i];
      if (row) row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  const out: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ kind: 'same', text: a[i] ?? '' });
      i++;
      j++;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1)))
      out.push({ kind: 'del', text: a[i++] ?? '' });
    else out.push({ kind: 'add', text: b[j++] ?? '' });
  }
  return out;
}

function fold(all: readonly DiffLine[]): readonly DiffLine[] {
  const near = all.map((_, index) =>
    all.slice(Math.max(0, index - AROUND), index + AROUND + 1).some((line) => line.kind !== 'same'),
  );
  const out: DiffLine[] = [];
  for (const [index, line] of all.entries()) {
    if (near[index]) out.push(line);
    else if (out.at(-1)?.kind !== 'gap') out.push({ kind: 'gap', text: '…' });
  }
  return out;
}
