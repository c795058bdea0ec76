/** A TCP proxy in front of a store, so that a test can take the store away and bring it back. */
import { connect, createServer, type Socket } from 'node:net';

export interface StoreProxy {
  readonly port: number;
  /** `url` with the proxy's address in place of the store's. */
  readonly url: string;
  /** Breaks what is open and refuses what comes. */
  cut(): void;
  /** Takes what comes and says nothing; what is open stalls. */
  blackhole(): void;
  /** Ends `cut` and `blackhole`; what stalled moves on. */
  restore(): void;
  close(): Promise<void>;
}

export async function proxyTo(url: string): Promise<StoreProxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let down = false;
  let silent = false;
  const server = createServer((socket) => {
    if (down) return void socket.destroy();
    const up = connect(Number(target.port || (target.protocol.startsWith('redis') ? 6379 : 5432)), target.hostname);
    for (const [one, other] of [
      [socket, up],
      [up, socket],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.on('data', (bytes) => other.write(bytes));
      one.on('end', () => other.end());
      if (silent) one.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const cut = () => {
    down = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    url: Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(port) }).href,
    cut,
    blackhole() {
      silent = true;
      for (const socket of sockets) socket.pause();
    },
    restore() {
      down = false;
      silent = false;
      for (const socket of sockets) socket.resume();
    },
    close() {
      cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
