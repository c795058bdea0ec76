/**
 * The product as a process of its own, with a lease short enough to be waited for. Says its address in one line of JSON.
 * Plain JavaScript over the compiled product, because Node 20 reads no TypeScript.
 */
import { readConfig } from '../../dist/src/lib/config.js';
import { start } from '../../dist/src/main.js';

const running = await start({ config: readConfig(), timing: { leaseSeconds: 2, sweepMs: 200 } });
process.stdout.write(`${JSON.stringify({ url: running.url })}\n`);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => running.stop().then(() => process.exit(0)));
