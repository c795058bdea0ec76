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

/** Of an error of the database: these quote rows and values, which are messages and addresses. */
const QUOTING = new Set(['where', 'detail', 'internalQuery', 'query', 'parameters']);

function withoutQuotes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutQuotes);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([name]) => !QUOTING.has(name));
  return Object.fromEntries(kept.map(([name, item]) => [name, isError(item) ? withoutQuotes(item) : item]));
}
// Nested errors were made plain by the serializer already.
const isError = (item: unknown): boolean =>
  Array.isArray(item) || (typeof item === 'object' && item !== null && 'stack' in item);

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
      serializers: { err: (error: unknown) => withoutQuotes(pino.stdSerializers.err(error as Error)) },
    },
    destination ?? pino.destination({ fd: 2, sync: false }),
  );
}
