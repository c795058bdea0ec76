/**
 * Clocks on walls: what time it is somewhere, when a local time comes, and when quiet hours are over. Pure. A local time that
 * is skipped in spring is the moment the clock jumps to; one that comes twice in autumn is the first of the two.
 */

/** Local times `HH:MM`; `from` later than `to` lasts over midnight. `zone`: IANA. */
export interface QuietHours {
  readonly from: string;
  readonly to: string;
  readonly zone: string;
}

const ZONES_MAX = 1_000;
const zones = new Map<string, Intl.DateTimeFormat | undefined>();

function formatOf(zone: string): Intl.DateTimeFormat | undefined {
  if (zones.has(zone)) return zones.get(zone);
  let format: Intl.DateTimeFormat | undefined;
  try {
    // Offsets such as +02:00 are no zones: they know no summer.
    if (/^[A-Za-z]/.test(zone))
      format = new Intl.DateTimeFormat('en-US', {
        timeZone: zone,
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      });
  } catch {
    format = undefined;
  }
  if (zones.size >= ZONES_MAX) zones.clear();
  zones.set(zone, format);
  return format;
}

export const isZone = (zone: string): boolean => formatOf(zone) !== undefined;

/** Milliseconds that the clocks of a zone are ahead of UTC at a moment. Throws for a zone there is not. */
function aheadMs(zone: string, at: number): number {
  const format = formatOf(zone);
  if (!format) throw new RangeError(`${zone} is not a time zone`);
  const whole = Math.floor(at / 1_000) * 1_000;
  const part = Object.fromEntries(format.formatToParts(whole).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) - whole;
}

const DAY_MS = 86_400_000;

/** The moment at which the clocks of a zone show a local time, given as if it were UTC. */
function momentOf(zone: string, local: number): number {
  // No zone is further than a day from UTC, and none changes its clocks twice within two days.
  const before = aheadMs(zone, local - DAY_MS);
  const after = aheadMs(zone, local + DAY_MS);
  const early = local - before;
  const late = local - after;
  // The first of two, where both readings are right; where neither is, the clock jumps over it.
  if (early + aheadMs(zone, early) === local) return early;
  if (late + aheadMs(zone, late) === local) return late;
  return jumpBetween(zone, late, early);
}

/** When the clocks change between two moments, to the second. */
function jumpBetween(zone: string, low: number, high: number): number {
  const before = aheadMs(zone, low);
  let [a, b] = [low, high];
  while (b - a > 1_000) {
    const middle = Math.floor((a + b) / 2_000) * 1_000;
    if (aheadMs(zone, middle) === before) a = middle;
    else b = middle;
  }
  return b;
}

/** `2026-12-01T09:00` or with seconds, in a zone. Throws for a zone there is not; `undefined` for a time there is not. */
export function localTime(text: string, zone: string): Date | undefined {
  const whole = text.length === 16 ? `${text}:00` : text;
  const local = Date.parse(`${whole}Z`);
  // The 31st of February is read as a day in March.
  if (Number.isNaN(local) || !new Date(local).toISOString().startsWith(whole)) return undefined;
  return new Date(momentOf(zone, local));
}

const minutesOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));

/** The moment itself, or the end of the quiet hours it falls into. `from` is quiet, `to` is not. */
export function nextAllowed(at: Date, { from, to, zone }: QuietHours): Date {
  const [begins, ends] = [minutesOf(from), minutesOf(to)];
  if (begins === ends) return at;
  const local = at.getTime() + aheadMs(zone, at.getTime());
  const midnight = Math.floor(local / DAY_MS) * DAY_MS;
  const minute = (local - midnight) / 60_000;
  const overnight = begins > ends;
  const quiet = overnight ? minute >= begins || minute < ends : minute >= begins && minute < ends;
  if (!quiet) return at;
  const day = overnight && minute >= begins ? midnight + DAY_MS : midnight;
  const end = momentOf(zone, day + ends * 60_000);
  // On the night of a change the end may be read as a moment that has gone by; then the quiet hours are over.
  return end > at.getTime() ? new Date(end) : at;
}
