/** When a row is to be sent: the time of the bulk in the zone of the recipient, and past the quiet hours there. Pure. */
import { isZone, localTime, nextAllowed, type QuietHours } from '../notifications/index.ts';
import type { Shared } from './shared.ts';

export interface Timing {
  /** Absent: at once. */
  readonly sendAt: Date | undefined;
  /** Kept with the message, for whatever delays it. */
  readonly quiet: QuietHours | null;
}

const DEFAULT_ZONE = 'UTC';

/** A function of the row's own zone; `undefined` for a zone there is not. Remembers what it said of each. */
export function timingOf({ notification, schedule }: Shared, now: Date): (zone?: string) => Timing | undefined {
  const { at, time_zone: where = 'recipient', quiet_hours: hours } = schedule;
  const known = new Map<string | undefined, Timing>();
  const common = where === 'recipient' ? undefined : where;
  const make = (own: string | undefined): Timing => {
    const zone = own ?? common ?? DEFAULT_ZONE;
    const asked = at
      ? localTime(at, common ?? zone)
      : notification.send_at
        ? new Date(notification.send_at)
        : undefined;
    const quiet = hours ? { ...hours, zone } : null;
    const due = asked && asked > now ? asked : now;
    const allowed = quiet ? nextAllowed(due, quiet) : due;
    return { sendAt: allowed > now ? allowed : undefined, quiet };
  };
  return (zone) => {
    if (zone !== undefined && !isZone(zone)) return undefined;
    const timing = known.get(zone) ?? make(zone);
    known.set(zone, timing);
    return timing;
  };
}
