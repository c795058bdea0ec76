/**
 * Sockets to one origin, opened only as they are needed and never more than so many. The one that was used last is taken
 * first, so that the others fall idle and close. Who finds none free waits in line, and may leave the line at any time.
 */
import { type buildConnector, Client, type Dispatcher } from 'undici';

/** Whatever is to be sent over a socket. */
export interface Passenger {
  /** A socket is there. Whoever has no more use for it gives it back. */
  board(lane: Lane): void;
}

/** A client of undici: one socket, or the way to one. */
export interface Lane {
  /** The handler ends with `onResponseEnd` or `onResponseError`; then the lane is to be given back. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void;
  giveBack(): void;
}

export interface Sockets {
  take(passenger: Passenger): void;
  /** Leaves the line. */
  leave(passenger: Passenger): void;
  close(): Promise<void>;
}

export interface SocketOptions {
  readonly max: number;
  readonly bodyMax: number;
  readonly keepAliveMs: number;
  readonly connect: buildConnector.connector;
  /** The last socket has closed. */
  readonly onEmpty: () => void;
}

export function createSockets(origin: string, options: SocketOptions): Sockets {
  const { max, bodyMax, keepAliveMs, connect, onEmpty } = options;
  const clients = new Map<Lane, Client>();
  const idle: Lane[] = [];
  const line = new Set<Passenger>();

  function add(): Lane {
    const client = new Client(origin, {
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      // The time of the whole exchange is watched by whoever asks.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: bodyMax,
      connect,
    });
    const lane: Lane = {
      dispatch: (request, handler) => void client.dispatch(request, handler),
      giveBack() {
        const [next] = line;
        if (!next) {
          idle.push(lane);
          return;
        }
        line.delete(next);
        // The client is still busy with the end of what it did.
        queueMicrotask(() => next.board(lane));
      },
    };
    // One that is in use opens another socket by itself.
    const drop = () => {
      const at = idle.indexOf(lane);
      if (at < 0) return;
      idle.splice(at, 1);
      clients.delete(lane);
      if (clients.size === 0 && line.size === 0) onEmpty();
    };
    client.on('disconnect', drop).on('connectionError', drop);
    clients.set(lane, client);
    return lane;
  }

  return {
    take(passenger) {
      const lane = idle.pop() ?? (clients.size < max ? add() : undefined);
      if (lane) passenger.board(lane);
      else line.add(passenger);
    },
    leave: (passenger) => void line.delete(passenger),
    close: async () => void (await Promise.all([...clients.values()].map((client) => client.destroy()))),
  };
}
