/** Nodemailer's own pool in a loop: the same text to the same server over as many sessions, and nothing kept. */
import Handlebars from 'handlebars';
import { createTransport } from 'nodemailer';
import { partOptions, servePart } from '../lib/part.ts';
import { data, MAIL, MAIL_POOL, MAILBOX, SENDER } from '../sample.ts';

const { port } = partOptions<{ port: number }>();
const render = Handlebars.compile(MAIL.body, { noEscape: true });

servePart(
  {},
  {
    /** Sends `count` e-mails; gives how many a second, until the last answer. */
    async send({ count, inFlight }: { count: number; inFlight: number }) {
      const transport = createTransport({
        pool: true,
        maxConnections: MAIL_POOL,
        host: '127.0.0.1',
        port,
        secure: false,
        ignoreTLS: true,
      });
      let left = count;
      const began = performance.now();
      const one = async () => {
        while (left > 0) {
          left--;
          await transport.sendMail({ from: SENDER, to: MAILBOX, subject: MAIL.subject, text: render(data('')) });
        }
      };
      await Promise.all(Array.from({ length: inFlight }, one));
      const seconds = (performance.now() - began) / 1_000;
      transport.close();
      return count / seconds;
    },
  },
);
