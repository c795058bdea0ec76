/** Where traces go, by the names that OpenTelemetry has given to such settings. `config.ts` hands in how one is read. */

export interface TraceSettings {
  /** Base address of a collector, without a slash at its end. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly service: string;
  /** Share of the traces that are kept, 0 to 1. */
  readonly ratio: number;
}

type Read = <T>(key: string, fallback: T, parse: (text: string) => T | undefined, form: string) => T;

/** `undefined`: no traces. */
export function readTraceSettings(read: Read): TraceSettings | undefined {
  const endpoint = read('OTEL_EXPORTER_OTLP_ENDPOINT', '', parseAddress, 'an http(s) address');
  const headers = read('OTEL_EXPORTER_OTLP_HEADERS', {}, parseHeaders, 'name=value pairs');
  const service = read('OTEL_SERVICE_NAME', 'carillon', (text) => text, 'a name');
  const ratio = read('OTEL_TRACES_SAMPLER_ARG', 1, parseRatio, 'a number from 0 to 1');
  return endpoint === '' ? undefined : { endpoint, headers, service, ratio };
}

const parseAddress = (text: string): string | undefined =>
  URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) ? text.replace(/\/+$/, '') : undefined;

const parseRatio = (text: string): number | undefined =>
  /^(0|1|0?\.\d+|1\.0+)$/.test(text) ? Number(text) : undefined;

/** Values are percent-encoded. */
function parseHeaders(text: string): Readonly<Record<string, string>> | undefined {
  const pairs = text.split(',').map((item) => /^\s*([\w-]+)=(.*?)\s*$/.exec(item));
  try {
    return pairs.every((pair) => pair !== null)
      ? Object.fromEntries(pairs.map((pair) => [pair[1]?.toLowerCase(), decodeURIComponent(pair[2] ?? '')]))
      : undefined;
  } catch {
    return undefined;
  }
}
