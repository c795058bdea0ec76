/** A start that waits for a store which says nothing can be stopped all the same. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../src/lib/config.ts';
import { ENCRYPTION_KEYS } from '../support/product.ts';

test('SIGTERM ends a start that hangs, within 15 s', { timeout: 60_000 }, async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const address = silent.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const connected = once(silent, 'connection');
  const child = spawn(process.execPath, [join(projectRoot, 'src/launch.js'), 'start'], {
    cwd: tmpdir(),
    stdio: 'ignore',
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: '0',
      DATABASE_URL: `postgres://nobody:nothing@127.0.0.1:${port}/none`,
      ENCRYPTION_KEYS,
    },
  });
  const ended = once(child, 'exit');
  try {
    await connected;
    const began = performance.now();
    child.kill('SIGTERM');
    await ended;
    expect(performance.now() - began).toBeLessThan(15_000);
  } finally {
    child.kill('SIGKILL');
    for (const socket of sockets) socket.destroy();
    silent.close();
  }
});
