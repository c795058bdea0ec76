/**
 * The mail server: as much SMTP as a delivery needs (EHLO, MAIL, RCPT, DATA, RSET, QUIT), without TLS, which takes everything
 * and keeps nothing, so that a session costs its client more than the server.
 */
import { createServer } from 'node:net';
import { servePart } from '../lib/part.ts';
import { createArrivals } from './arrivals.ts';

const END = '\r\n.\r\n';
const ANSWERS: Readonly<Record<string, string>> = {
  EHLO: '250-sink\r\n250 8BITMIME\r\n',
  HELO: '250 sink\r\n',
  MAIL: '250 ok\r\n',
  RCPT: '250 ok\r\n',
  RSET: '250 ok\r\n',
  NOOP: '250 ok\r\n',
  DATA: '354 go on\r\n',
  QUIT: '221 bye\r\n',
};
const arrivals = createArrivals();

const server = createServer({ noDelay: true }, (socket) => {
  let rest = '';
  let isData = false;
  socket.on('error', () => socket.destroy());
  socket.write('220 sink\r\n');
  socket.on('data', (chunk) => {
    rest += chunk.toString('latin1');
    let out = '';
    for (;;) {
      const end = rest.indexOf(isData ? END : '\r\n');
      if (end < 0) break;
      const line = isData ? '' : rest.slice(0, 4).toUpperCase();
      rest = rest.slice(end + (isData ? END.length : 2));
      if (isData) {
        arrivals.arrived();
        out += '250 taken\r\n';
      } else out += ANSWERS[line] ?? '502 not here\r\n';
      isData = line === 'DATA';
      if (line === 'QUIT') return socket.end(out);
    }
    if (out) socket.write(out);
  });
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  servePart(
    { port: typeof address === 'object' ? address?.port : 0 },
    { ...arrivals.verbs, reset: () => arrivals.reset() },
  );
});
