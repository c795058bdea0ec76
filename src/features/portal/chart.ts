/** The one chart: stacked bars of the last 24 hours, as numbers that a template draws. Pure. */
import type { Overview } from './ports.ts';

export interface Bar {
  readonly x: number;
  readonly width: number;
  /** Drawn from the bottom up. */
  readonly parts: readonly {
    readonly kind: 'delivered' | 'other' | 'failed';
    readonly y: number;
    readonly h: number;
  }[];
  readonly title: string;
  /** Hour of the day, on every sixth bar. */
  readonly label?: string;
}

export interface Chart {
  readonly width: number;
  readonly height: number;
  /** Where an empty hour has its line. */
  readonly floor: number;
  readonly bars: readonly Bar[];
  readonly peak: number;
  readonly summary: string;
}

const WIDTH = 720;
const PLOT = 96;

export function chart(hours: Overview['by_hour']): Chart {
  const totals = hours.map((hour) => hour.delivered + hour.failed + hour.other);
  const peak = Math.max(0, ...totals);
  const step = WIDTH / Math.max(1, hours.length);
  const width = round(Math.min(step * 0.72, 40));
  const bars = hours.map((hour, index): Bar => {
    let y = PLOT;
    const parts = (['delivered', 'other', 'failed'] as const).flatMap((kind) => {
      if (hour[kind] === 0) return [];
      // A single failure among thousands must still be seen.
      const h = Math.max(2, (hour[kind] / peak) * PLOT);
      y -= h;
      return [{ kind, y: round(y), h: round(h) }];
    });
    const at = new Date(hour.hour);
    const clock = `${String(at.getUTCHours()).padStart(2, '0')}:00`;
    return {
      x: round(index * step + (step - width) / 2),
      width,
      parts,
      title: `${clock} UTC: ${hour.delivered} delivered, ${hour.other} under way, ${hour.failed} failed`,
      ...(at.getUTCHours() % 6 === 0 ? { label: clock } : {}),
    };
  });
  const sum = (kind: 'delivered' | 'other' | 'failed') => hours.reduce((total, hour) => total + hour[kind], 0);
  return {
    width: WIDTH,
    height: PLOT,
    floor: PLOT - 1,
    bars,
    peak,
    summary: `Last 24 hours by hour: ${sum('delivered')} delivered, ${sum('other')} under way, ${sum('failed')} failed; ${peak} in the busiest hour.`,
  };
}

const round = (value: number) => Math.round(value * 10) / 10;
