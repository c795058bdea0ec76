/** The process's only source of time. SQL has its own, `clock_now()`, so that rows never compare two clocks. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };

/** Texts of the last moments: what happens within a millisecond has one. */
const texts = Array.from({ length: 8 }, () => ({ ms: Number.NaN, text: '' }));

/** As `toISOString`, for those who write the same few moments again and again. */
export function isoOf(date: Date): string {
  const ms = date.getTime();
  const known = texts[ms & 7] as (typeof texts)[number];
  if (known.ms !== ms) {
    known.ms = ms;
    known.text = date.toISOString();
  }
  return known.text;
}
