/** Figures of what is empty were not told at all, so that an alert had nothing to compare with. */
import { afterAll, expect, it } from 'vitest';
import { serveMetrics } from '../../src/metrics.ts';
import { startProduct } from '../support/product.ts';

const product = await startProduct({ role: 'api' });
afterAll(() => product.stop());

it('what waits and what is connected is told as zero when there is none, for each lane and state', async () => {
  const metrics = await serveMetrics(product.deps, 0, '127.0.0.1');
  const text = await (await fetch(`http://127.0.0.1:${metrics.port}/metrics`)).text();
  await metrics.close();
  for (const lane of [0, 1, 2]) expect(text).toContain(`carillon_due_messages{lane="${lane}"} 0\n`);
  for (const health of ['unknown', 'ok', 'failing', 'resting'])
    expect(text).toContain(`carillon_connections{health="${health}"} 0\n`);
});
