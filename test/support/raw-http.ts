/** HTTP as bytes, for requests that no client would send: what goes in is written to a socket, what comes out is read off it. */
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** Everything that came, headers included. */
  readonly text: string;
  readonly body: string;
  /** The server has ended the connection. */
  readonly closed: boolean;
  readonly ms: number;
}

/** Writes the pieces, one after the other, and reads until an answer is complete, the server ends, or the time is over. */
export async function exchange(
  url: string,
  pieces: readonly (string | Buffer)[],
  { withinMs = 5_000, everyMs = 0 }: { withinMs?: number; everyMs?: number } = {},
): Promise<RawAnswer> {
  const began = performance.now();
  const { port } = new URL(url);
  const socket: Socket = connect(Number(port), '127.0.0.1');
  let text = '';
  let closed = false;
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  const ended = new Promise<void>((resolve) => {
    socket.on('close', () => {
      closed = true;
      resolve();
    });
    socket.on('error', () => resolve());
  });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  const timer = setTimeout(() => socket.destroy(), withinMs);
  const writing = (async () => {
    for (const piece of pieces) {
      if (closed || socket.destroyed) return;
      socket.write(piece);
      if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  await Promise.race([ended, complete(() => text)]);
  // Who says that it ends the connection gets a moment to do it.
  if (/\r\nconnection: close/i.test(text))
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 500))]);
  const answered = closed;
  clearTimeout(timer);
  socket.destroy();
  await writing;
  const split = text.indexOf('\r\n\r\n');
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0),
    text,
    body: split < 0 ? '' : text.slice(split + 4),
    closed: answered,
    ms: performance.now() - began,
  };
}

/** Resolves when one whole answer with a Content-Length has come. */
async function complete(read: () => string): Promise<void> {
  for (;;) {
    const text = read();
    const split = text.indexOf('\r\n\r\n');
    if (split >= 0) {
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
      if (text.length >= split + 4 + length && !/\r\ntransfer-encoding/i.test(text.slice(0, split))) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
