/**
 * One process of the product, as the harness runs it: it dies where it is told to, says what its loop suffered, and never
 * outlives the harness. Plain JavaScript over the compiled product, because Node 20 reads no TypeScript.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { readConfig } from '../../../dist-faults/src/lib/config.js';
import { start } from '../../../dist-faults/src/main.js';

const armed = { point: '', left: 0 };
globalThis.crashPoint = (point) => {
  if (point === armed.point && --armed.left === 0) process.kill(process.pid, 'SIGKILL');
};
const loop = monitorEventLoopDelay({ resolution: 10 });
loop.enable();

process.on('message', ({ arm, block, report }) => {
  if (arm) Object.assign(armed, { point: arm.point, left: arm.hits });
  if (block) for (const end = performance.now() + block; performance.now() < end; );
  if (report)
    process.send({
      report: {
        maxLoopLagMs: Math.round(loop.max / 1e6),
        rssMb: Math.round(process.memoryUsage().rss / 1_048_576),
        handles: process.getActiveResourcesInfo().length,
      },
    });
});
process.on('disconnect', () => process.exit(1));

const running = await start({ config: readConfig(), timing: JSON.parse(process.env.FAULT_TIMING ?? '{}') });
process.send({ ready: { url: running.url, port: running.port } });
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => running.stop().then(() => process.exit(0)));
