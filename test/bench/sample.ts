/** The one message that everybody sends: what is posted to the product, what the peers store, what is rendered. */
import { createHmac } from 'node:crypto';

/** The generator writes a running number and the time over these, in place. */
export const NUMBER_MARK = '#'.repeat(16);
export const TIME_MARK = '@'.repeat(16);

export const TEMPLATE_ID = 'bench_order';
export const TEMPLATE =
  'Hello {{name}}, your order {{order_id}} of {{total}} has left our house and is with you on {{day}}. ' +
  'Follow it under https://shop.example.com/t/{{order_id}} or reply to this message.';
export const SECRET = 'a-secret-of-the-bench-0123456789';

export const data = (at: string) => ({
  name: 'Ada Lovelace',
  order_id: 'A-1042-77',
  total: '€ 142.00',
  day: 'Friday',
  at,
});

export const PHONE = '+14155550123';
/** A person of their own for each row of a bulk. */
export const phoneOf = (row: number): string => `+1415${2_000_000 + row}`;

export const sendBody = (channel: string) =>
  JSON.stringify({
    recipient: { phone: PHONE },
    notification: { channels: [channel], template_id: TEMPLATE_ID, data: data(TIME_MARK) },
  });

/** The e-mail that everybody sends: as much text as the message has. */
export const MAIL = { subject: 'Your order has left our house', body: TEMPLATE } as const;
export const SENDER = 'hello@shop.example.com';
export const MAILBOX = 'ada@example.com';
/** Sessions of the pool: as many as the product's own SMTP adapter opens. */
export const MAIL_POOL = 5;

/** Bytes of a POST, ready for the generator. */
export const post = (path: string, body: string, headers: Readonly<Record<string, string>> = {}): string =>
  `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${lines(headers)}\r\n${body}`;
export const get = (path: string, headers: Readonly<Record<string, string>> = {}): string =>
  `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${lines(headers)}\r\n`;
const lines = (headers: Readonly<Record<string, string>>): string =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');

/** An e-mail under an idempotency key of its own. */
export const mailRequest = (key: string): string => {
  const body = JSON.stringify({
    recipient: { email: MAILBOX },
    notification: { channels: ['email'], subject: MAIL.subject, body: MAIL.body, data: data('') },
  });
  return post('/api/v1/notifications/send', body, { 'x-api-key': key, 'idempotency-key': NUMBER_MARK });
};

/** A send under an idempotency key of its own, as a careful caller sends. */
export const sendRequest = (key: string, channel = 'benchhttp'): string =>
  post('/api/v1/notifications/send', sendBody(channel), { 'x-api-key': key, 'idempotency-key': NUMBER_MARK });

/** Signed callbacks with so many statuses each, of messages by the provider's ids. */
export function callbackRequests(path: string, ids: readonly string[], each: number): string[] {
  const requests: string[] = [];
  for (let at = 0; at + each <= ids.length; at += each) {
    const body = JSON.stringify({ statuses: ids.slice(at, at + each).map((id) => ({ id, status: 'delivered' })) });
    requests.push(post(path, body, { 'x-signature': createHmac('sha256', SECRET).update(body).digest('hex') }));
  }
  return requests;
}
