/** How much each connection can take now, in this process: free places, and a token bucket of its calls per second. */
import type { AnyAdapter } from '../../channel-kit/index.ts';
import type { Room } from './claim.ts';

export interface Pace {
  /** What an adapter allows; the first call makes the connection known. */
  learn(connectionId: string, adapter: Pick<AnyAdapter, 'concurrency' | 'perSecond'>): void;
  rooms(): readonly Room[];
  /** One call has begun; the function it returns, called once or more, ends it. */
  begin(connectionId: string): () => void;
  /** Milliseconds until a connection that is held back by its pace alone has room again. */
  nextRoomMs(): number | undefined;
}

interface Lane {
  concurrency: number;
  perSecond: number;
  inFlight: number;
  tokens: number;
  filledAt: number;
  usedAt: number;
}

const FORGET_MS = 600_000;

export function createPace(now: () => number = () => performance.now()): Pace {
  const lanes = new Map<string, Lane>();
  const laneOf = (id: string): Lane => {
    const known = lanes.get(id) ?? {
      concurrency: 20,
      perSecond: 1_000,
      inFlight: 0,
      tokens: 1_000,
      filledAt: now(),
      usedAt: now(),
    };
    lanes.set(id, known);
    return known;
  };
  const fill = (lane: Lane): number => {
    const at = now();
    lane.tokens = Math.min(Math.max(1, lane.perSecond), lane.tokens + ((at - lane.filledAt) * lane.perSecond) / 1_000);
    lane.filledAt = at;
    return Math.floor(lane.tokens);
  };
  return {
    learn(id, { concurrency, perSecond }) {
      const lane = laneOf(id);
      lane.concurrency = concurrency;
      lane.perSecond = perSecond;
      lane.tokens = Math.min(lane.tokens, Math.max(1, perSecond));
    },
    rooms: () => {
      // A connection that was quiet for a while is as good as new.
      for (const [id, lane] of lanes) if (lane.inFlight === 0 && now() - lane.usedAt > FORGET_MS) lanes.delete(id);
      return [...lanes].map(([connectionId, lane]) => ({
        connectionId,
        room: Math.max(0, Math.min(lane.concurrency - lane.inFlight, fill(lane))),
      }));
    },
    begin(id) {
      const lane = laneOf(id);
      fill(lane);
      lane.usedAt = now();
      lane.tokens--;
      lane.inFlight++;
      let over = false;
      return () => {
        if (over) return;
        over = true;
        lane.inFlight--;
      };
    },
    nextRoomMs() {
      const waits = [...lanes.values()]
        .filter((lane) => lane.inFlight < lane.concurrency && fill(lane) < 1)
        .map((lane) => ((1 - lane.tokens) * 1_000) / lane.perSecond);
      return waits.length > 0 ? Math.max(5, Math.ceil(Math.min(...waits))) : undefined;
    },
  };
}
