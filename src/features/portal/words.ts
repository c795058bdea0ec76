/** How the portal says times, sizes and durations. Pure. */

/** `2026-03-04 10:20:30 UTC`. */
export const exact = (iso: string): string => `${new Date(iso).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `12 s ago`, `3 min ago`, `in 5 min`, `yesterday`, `4 Mar`, `4 Mar 2025`. */
export function relative(iso: string, now: Date): string {
  const at = new Date(iso);
  const past = now.getTime() - at.getTime();
  const size = Math.abs(past);
  const say = (text: string) => (past < 0 ? `in ${text}` : `${text} ago`);
  if (size < 5_000) return 'just now';
  if (size < MINUTE) return say(`${Math.round(size / 1_000)} s`);
  if (size < HOUR) return say(`${Math.round(size / MINUTE)} min`);
  if (size < DAY) return say(`${Math.round(size / HOUR)} h`);
  if (past > 0 && size < 2 * DAY) return 'yesterday';
  if (size < 7 * DAY) return say(`${Math.round(size / DAY)} days`);
  const day = `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
  return at.getUTCFullYear() === now.getUTCFullYear() ? day : `${day} ${at.getUTCFullYear()}`;
}
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `45 s`, `4 min`, `2 h`, `3 days`. */
export function span(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** `812 ms`, `3.2 s`. */
export const took = (ms: number): string => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`);

/** `950 bytes`, `12 KB`, `3.4 MB`. */
export function bytes(count: number): string {
  if (count < 1_000) return `${count} bytes`;
  return count < 1_000_000 ? `${Math.round(count / 1_000)} KB` : `${(count / 1_000_000).toFixed(1)} MB`;
}

/** `provider_unavailable` as `provider unavailable`. */
export const spaced = (code: string): string => code.replaceAll('_', ' ');
