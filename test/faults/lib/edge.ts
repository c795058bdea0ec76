/**
 * A TCP proxy on one edge of the system. What it does to a connection can be changed while connections are open, and may be
 * another thing for each.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

export type Weather =
  | 'pass'
  /** Closed as soon as it is open. */
  | 'refuse'
  /** Reset as soon as it is open, before a byte. */
  | 'reset'
  /** Open, and silent; what is under way stays where it is. */
  | 'blackhole'
  /** Everything arrives so many milliseconds later, each way. */
  | { readonly delayMs: number }
  /** Byte by byte, so many a second, on the way back. */
  | { readonly dripPerSecond: number }
  /** Cut after so many bytes on the way back. */
  | { readonly cutAfter: number };

export interface Edge {
  readonly port: number;
  /** From now on, also for what is open. A function is asked at each new connection. */
  set(weather: Weather | (() => Weather)): void;
  /** Where connections go from now on. */
  aim(port: number): void;
  /** Breaks whatever is open, with a reset. */
  sever(): void;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly up: Socket;
  weather: Weather;
  back: number;
}

export async function openEdge(target: number): Promise<Edge> {
  let port = target;
  let current: Weather | (() => Weather) = 'pass';
  const pairs = new Set<Pair>();
  const silent = new Set<Socket>();

  const stalled = ({ weather }: Pair): boolean => weather === 'blackhole';
  const flow = (pair: Pair, from: Socket, to: Socket, isBack: boolean): void => {
    from.on('data', (chunk: Buffer) => {
      from.pause();
      void carry(pair, to, chunk, isBack).then(() => from.destroyed || from.resume());
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      pairs.delete(pair);
      to.destroy();
    });
    from.on('end', () => to.end());
  };

  async function carry(pair: Pair, to: Socket, chunk: Buffer, isBack: boolean): Promise<void> {
    while (stalled(pair) && pairs.has(pair)) await pause(20);
    const { weather } = pair;
    if (typeof weather === 'object' && 'delayMs' in weather) await pause(weather.delayMs);
    if (typeof weather === 'object' && isBack && 'dripPerSecond' in weather) {
      for (const byte of chunk) {
        if (to.destroyed) return;
        to.write(Buffer.of(byte));
        await pause(1_000 / weather.dripPerSecond);
      }
      return;
    }
    if (typeof weather === 'object' && isBack && 'cutAfter' in weather) {
      const rest = weather.cutAfter - pair.back;
      pair.back += chunk.length;
      if (chunk.length >= rest) {
        to.write(chunk.subarray(0, Math.max(0, rest)), () => to.resetAndDestroy());
        return;
      }
    }
    if (!to.destroyed && !to.write(chunk))
      await new Promise<void>((resolve) => {
        to.once('drain', resolve);
        to.once('close', () => resolve());
      });
  }

  const server: Server = createServer({ noDelay: true }, (client) => {
    const weather = typeof current === 'function' ? current() : current;
    client.on('error', () => undefined);
    if (weather === 'refuse') return void client.destroy();
    if (weather === 'reset') return void client.resetAndDestroy();
    if (weather === 'blackhole') {
      silent.add(client);
      client.on('close', () => silent.delete(client));
      return;
    }
    const up = connect({ port, host: '127.0.0.1', noDelay: true });
    const pair: Pair = { client, up, weather, back: 0 };
    pairs.add(pair);
    flow(pair, client, up, false);
    flow(pair, up, client, true);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();

  const sever = (): void => {
    for (const { client, up } of pairs) {
      client.resetAndDestroy();
      up.destroy();
    }
    for (const client of silent) client.resetAndDestroy();
  };
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    set(weather) {
      current = weather;
      if (typeof weather === 'function') return;
      for (const pair of pairs) pair.weather = weather;
      // Whoever was met with silence is let go when it ends: nobody would ever answer him.
      if (weather !== 'blackhole') for (const client of silent) client.resetAndDestroy();
      if (weather === 'refuse' || weather === 'reset') sever();
    },
    aim(next) {
      port = next;
    },
    sever,
    close() {
      sever();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
