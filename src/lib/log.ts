/** JSON logs. One wide line per attempt, delivery and request; secrets and personal data are cut by name, whatever is logged. */
import { type DestinationStream, type Logger, pino } from 'pino';

export type Log = Logger;

const REDACTED = [
  'authorization',
  'x-api-key',
  'cookie',
  'password',
  'secret',
  'token',
  'credentials',
  'recipient',
  'address',
  'body',
  'data',
  'html',
  'subject',
  'content',
];

export function createLog(level: string, destination?: DestinationStream): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: [...REDACTED.map((name) => `["${name}"]`), ...REDACTED.map((name) => `*["${name}"]`)],
        censor: '[redacted]',
      },
      serializers: { err: pino.stdSerializers.err },
    },
    destination ?? pino.destination({ fd: 2, sync: false }),
  );
}
