/**
 * The client of a bulk: one streamed NDJSON request over a plain socket. The rows are made before the clock starts, because
 * what making them costs is the client's; what the server answers is given back.
 */
import { createConnection } from 'node:net';
import { servePart } from '../lib/part.ts';
import { data, phoneOf, TEMPLATE_ID } from '../sample.ts';

export interface UploadOrder {
  readonly port: number;
  readonly key: string;
  readonly rows: number;
}
export interface UploadReport {
  readonly perSecond: number;
  readonly accepted: number;
}

const ROWS_A_PIECE = 1_000;

function bodyOf(rows: number): Buffer[] {
  const pieces = [Buffer.from(`${JSON.stringify({ channels: ['benchhttp'], template_id: TEMPLATE_ID })}\n`)];
  const rest = `","data":${JSON.stringify(data('0'.repeat(16)))}}\n`;
  for (let at = 0; at < rows; at += ROWS_A_PIECE) {
    let text = '';
    for (let row = at; row < Math.min(rows, at + ROWS_A_PIECE); row++) text += `{"phone":"${phoneOf(row)}${rest}`;
    pieces.push(Buffer.from(text));
  }
  return pieces;
}

function upload({ port, key, rows }: UploadOrder): Promise<UploadReport> {
  const pieces = bodyOf(rows);
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
    const began = performance.now();
    let answer = '';
    socket.on('error', reject);
    socket.on('connect', async () => {
      socket.write(
        `POST /api/v1/notifications/bulk HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: ${key}\r\ncontent-type: application/x-ndjson\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n`,
      );
      for (const piece of pieces)
        if (!socket.write(piece)) await new Promise((drained) => socket.once('drain', drained));
    });
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('end', () => {
      const seconds = (performance.now() - began) / 1_000;
      const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
      if (!/^HTTP\/1\.1 202/.test(answer)) return reject(new Error(`the bulk was refused: ${answer.slice(0, 500)}`));
      const { accepted } = JSON.parse(body) as { accepted: number };
      resolve({ perSecond: rows / seconds, accepted });
    });
  });
}

servePart({}, { upload });
