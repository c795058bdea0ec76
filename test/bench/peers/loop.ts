/** A bare undici loop that renders: no store, no queue, nothing kept. What HTTP delivery costs before it promises anything. */
import Handlebars from 'handlebars';
import { Pool } from 'undici';
import { partOptions, servePart, sharedMicros } from '../lib/part.ts';
import { data, PHONE, TEMPLATE } from '../sample.ts';

const { stubPort } = partOptions<{ stubPort: number }>();
const render = Handlebars.compile(TEMPLATE, { noEscape: true });

servePart(
  {},
  {
    /** Sends `count` messages with so many in flight; gives how many a second, until the last answer. */
    async send({ count, inFlight }: { count: number; inFlight: number }) {
      const pool = new Pool(`http://127.0.0.1:${stubPort}`, { connections: inFlight });
      let left = count;
      const began = performance.now();
      const one = async () => {
        while (left > 0) {
          left--;
          const body = JSON.stringify({
            to: PHONE,
            text: { body: render(data('')) },
            at: sharedMicros(),
            ref: String(left),
          });
          const response = await pool.request({
            method: 'POST',
            path: '/messages',
            headers: { 'content-type': 'application/json' },
            body,
          });
          await response.body.json();
        }
      };
      await Promise.all(Array.from({ length: inFlight }, one));
      const seconds = (performance.now() - began) / 1_000;
      await pool.close();
      return count / seconds;
    },
  },
);
