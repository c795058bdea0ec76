/**
 * How much each connection can take now, in this process: free places, and a token bucket of its calls per second. A share of
 * both is kept for what is urgent, so that a campaign never fills the line.
 */
import type { Room } from './claim.ts';

export interface Limits {
  /** Calls under way at once. */
  readonly concurrency: number;
  /** Calls per second. */
  readonly perSecond: number;
}

export interface Pace {
  /** What a connection allows; the first call makes the connection known. */
  learn(connectionId: string, limits: Limits): void;
  rooms(): readonly Room[];
  /** How many messages of this priority the connection can take; 0 for one that is not known. */
  room(connectionId: string, urgent: boolean): number;
  /** One call has begun; the function it returns, called once or more, ends it. */
  begin(connectionId: string): () => void;
  /** Whether enough of the connection's places are free that looking for more work pays. */
  worthALook(connectionId: string): boolean;
  /** Milliseconds until a connection that is held back by its pace alone has room again. */
  nextRoomMs(): number | undefined;
}

interface Line {
  concurrency: number;
  perSecond: number;
  inFlight: number;
  tokens: number;
  filledAt: number;
  usedAt: number;
}

const FORGET_MS = 600_000;
/** One in sixteen places, and one at least where there are two, waits for urgent messages. */
const reserved = (size: number): number => (size < 2 ? 0 : Math.max(1, Math.floor(size / 16)));

export function createPace(now: () => number = () => performance.now()): Pace {
  const lines = new Map<string, Line>();
  const lineOf = (id: string): Line => {
    const known = lines.get(id);
    if (known) return known;
    const line: Line = {
      concurrency: 20,
      perSecond: 1_000,
      inFlight: 0,
      tokens: 1_000,
      filledAt: now(),
      usedAt: now(),
    };
    lines.set(id, line);
    return line;
  };
  /** A bucket holds a second, and one call at least. */
  const sizeOf = ({ perSecond }: Line): number => Math.max(1, perSecond);
  const fill = (line: Line): number => {
    const at = now();
    line.tokens = Math.min(sizeOf(line), line.tokens + ((at - line.filledAt) * line.perSecond) / 1_000);
    line.filledAt = at;
    return line.tokens;
  };
  const roomOf = (line: Line, urgent: boolean): number => {
    const tokens = fill(line) - (urgent ? 0 : reserved(sizeOf(line)));
    const places = line.concurrency - line.inFlight - (urgent ? 0 : reserved(line.concurrency));
    return Math.max(0, Math.floor(Math.min(tokens, places)));
  };
  return {
    learn(id, { concurrency, perSecond }) {
      const line = lineOf(id);
      line.concurrency = concurrency;
      if (line.perSecond === perSecond) return;
      line.perSecond = perSecond;
      line.tokens = Math.min(line.tokens, sizeOf(line));
    },
    rooms: () => {
      // A connection that was quiet for a while is as good as new.
      for (const [id, line] of lines) if (line.inFlight === 0 && now() - line.usedAt > FORGET_MS) lines.delete(id);
      return [...lines].map(([connectionId, line]) => ({
        connectionId,
        room: roomOf(line, true),
        common: roomOf(line, false),
      }));
    },
    room: (id, urgent) => {
      const line = lines.get(id);
      return line ? roomOf(line, urgent) : 0;
    },
    worthALook: (id) => {
      const line = lineOf(id);
      return roomOf(line, false) >= Math.max(1, line.concurrency >> 4) || line.inFlight === 0;
    },
    begin(id) {
      const line = lineOf(id);
      fill(line);
      line.usedAt = now();
      line.tokens--;
      line.inFlight++;
      let over = false;
      return () => {
        if (over) return;
        over = true;
        line.inFlight--;
      };
    },
    nextRoomMs() {
      const waits = [...lines.values()]
        .filter((line) => line.inFlight < line.concurrency && fill(line) < 1 + reserved(sizeOf(line)))
        .map((line) => ((1 + reserved(sizeOf(line)) - line.tokens) * 1_000) / line.perSecond);
      return waits.length > 0 ? Math.max(5, Math.ceil(Math.min(...waits))) : undefined;
    },
  };
}
