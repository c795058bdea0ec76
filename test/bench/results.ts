/** What came of a figure, and the three ways to say it: a table for a terminal, a line of JSON, Markdown for the docs. Pure. */
import type { Figure } from './figures.ts';
import { isMet, type Spread } from './lib/stats.ts';

export interface Measured {
  readonly figure: Figure;
  /** Of the ratio, over the rounds; of the value itself where the figure has a unit. */
  readonly result: Spread;
  /** What the ratio was made of, in words: "12,100/s against 25,400/s". */
  readonly detail: string;
  /** Rounds during which others used the machine, though they were repeated. */
  readonly disturbed: number;
}
export interface Missing {
  readonly figure: Figure;
  /** Why there is no value. */
  readonly missing: string;
}
export type Outcome = Measured | Missing;

export const isMissing = (outcome: Outcome): outcome is Missing => 'missing' in outcome;

const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value >= 10 ? value.toFixed(1) : value.toFixed(2);
const withUnit = (value: number, { unit }: Figure): string => `${number(value)}${unit ? ` ${unit}` : ''}`;
const goalText = (figure: Figure): string =>
  `${figure.goal.at === 'least' ? '≥' : '≤'} ${withUnit(figure.goal.value, figure)}`;

/** One object a line; a figure that could not be measured has no ratio and is not ok. */
export function jsonLine(outcome: Outcome): string {
  const { figure } = outcome;
  const common = { name: figure.name, against: figure.against };
  if (isMissing(outcome))
    return JSON.stringify({ ...common, ratio: null, goal: figure.goal.value, ok: false, missing: outcome.missing });
  const { result, disturbed } = outcome;
  return JSON.stringify({
    ...common,
    ratio: Number(result.median.toPrecision(4)),
    goal: figure.goal.value,
    ok: isMet(result.median, figure.goal),
    min: Number(result.min.toPrecision(4)),
    max: Number(result.max.toPrecision(4)),
    ...(figure.unit ? { unit: figure.unit } : {}),
    ...(disturbed > 0 ? { disturbed } : {}),
  });
}

const HEAD = ['figure', 'min', 'median', 'max', 'goal', '', 'against'] as const;

function cells(outcome: Outcome): readonly string[] {
  const { figure } = outcome;
  if (isMissing(outcome))
    return [figure.name, '', '', '', goalText(figure), 'not available', `${figure.against}: ${outcome.missing}`];
  const { result, detail, disturbed } = outcome;
  const verdict = `${isMet(result.median, figure.goal) ? 'met' : 'MISSED'}${disturbed > 0 ? ', disturbed' : ''}`;
  const values = [result.min, result.median, result.max].map((value) => withUnit(value, figure));
  return [figure.name, ...values, goalText(figure), verdict, `${figure.against} (${detail})`];
}

export function table(outcomes: readonly Outcome[]): string {
  const rows = [HEAD, ...outcomes.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column >= 1 && column <= 3 ? cell.padStart(widths[column] as number) : cell.padEnd(widths[column] as number),
      )
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}

/** The last line of a run: what was missed and what is missing, by name. */
export function verdict(outcomes: readonly Outcome[]): { readonly isGood: boolean; readonly text: string } {
  const absent = outcomes.filter(isMissing).map(({ figure }) => figure.name);
  const missed = outcomes
    .filter((one): one is Measured => !isMissing(one) && !isMet(one.result.median, one.figure.goal))
    .map(({ figure }) => figure.name);
  const parts = [
    `${outcomes.length - absent.length - missed.length} of ${outcomes.length} goals met`,
    ...(missed.length > 0 ? [`missed: ${missed.join(', ')}`] : []),
    ...(absent.length > 0 ? [`not available: ${absent.join(', ')}`] : []),
  ];
  return { isGood: absent.length + missed.length === 0, text: parts.join('; ') };
}

/** What a figure was measured on. */
export interface Setting {
  readonly machine: string;
  readonly store: string;
  readonly rounds: number;
}
export interface Dated extends Measured, Setting {
  readonly day: string;
  /** With a plus: the sources were not committed. */
  readonly commit: string;
}

export function markdown(outcomes: readonly Dated[]): string {
  const rows = outcomes.map((outcome) => {
    const row = [outcome.figure.what, ...cells(outcome), `${outcome.day}, ${outcome.commit}`];
    return `| ${row.map(escaped).join(' | ')} |`;
  });
  const settings = new Set(
    outcomes.map(({ machine, store, rounds }) => `${machine}, ${store}, at most ${rounds} rounds`),
  );
  return `# Benchmarks

Printed by \`npm run bench\` on ${[...settings].join('; ')}. Each figure is a ratio of two sides that ran in turns on the same
machine; only ratios compare, because the machine drifts and is shared by the load generator, the provider, the database and
both sides. The product runs as its users run it: keys, idempotency, policy, attempts and events are on, and every 202 is
committed first. The peers stand in \`test/bench/peers/\`. "Disturbed": others used more than a tenth of a processor during a
round, also when it was repeated. [Where the time goes](throughput.md) says what holds back what is missed.

![Each figure as a share of its goal](images/benchmarks.svg)

| what | figure | min | median | max | goal | | against | measured |
| --- | --- | ---: | ---: | ---: | --- | --- | --- | --- |
${rows.join('\n')}
`;
}
const escaped = (text: string): string => text.replaceAll('|', '\\|');

/** Bars of how far each figure is: 1 is its goal. */
export function chart(measured: readonly Measured[]): string {
  const [left, unit, row] = [190, 220, 26];
  const height = measured.length * row + 44;
  const x = (share: number) => left + Math.min(share, 2) * unit;
  const bars = measured.map(({ figure, result }, index) => {
    const { at, value } = figure.goal;
    const share = (of: number) => (at === 'least' ? of / value : value / of);
    const y = 30 + index * row;
    const [low, high] = [share(result.min), share(result.max)].sort((a, b) => a - b) as [number, number];
    const color = isMet(result.median, figure.goal) ? '#0f766e' : '#b45309';
    return `  <text x="${left - 10}" y="${y + 13}" text-anchor="end">${figure.name}</text>
  <rect x="${left}" y="${y}" width="${(x(share(result.median)) - left).toFixed(1)}" height="18" fill="${color}"/>
  <line x1="${x(low).toFixed(1)}" y1="${y + 9}" x2="${x(high).toFixed(1)}" y2="${y + 9}" stroke="#111827" stroke-width="2"/>
  <text x="${left + 2 * unit + 10}" y="${y + 13}">${withUnit(result.median, figure)} (${goalText(figure)})</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 ${height}" font-family="system-ui, sans-serif" font-size="13" fill="#111827">
  <title>Each figure of the bench as a share of its goal</title>
  <rect width="800" height="${height}" fill="#ffffff"/>
  <text x="${left}" y="18">Share of the goal (line at 1, cut at 2); thin lines from the least round to the best</text>
${bars.join('\n')}
  <line x1="${x(1)}" y1="24" x2="${x(1)}" y2="${height - 8}" stroke="#111827" stroke-dasharray="4 3"/>
</svg>
`;
}
