/** Forms with a file in them: `multipart/form-data` out of bytes that were read whole, within their limit. Pure. */
import { ApiError } from './errors.ts';

export interface Upload {
  /** As the sender calls it; a name, not a path. */
  readonly name: string;
  readonly bytes: Buffer;
}

export interface Multipart {
  /** A field that comes twice is a list. */
  readonly fields: Readonly<Record<string, string | string[]>>;
  readonly files: Readonly<Record<string, Upload>>;
}

const PARTS_MAX = 200;
const HEADERS_MAX = 4_096;
const NAME_MAX = 200;

const unreadable = (why: string): ApiError => new ApiError('validation_failed', `The form cannot be read: ${why}.`);

/** Throws `validation_failed`. */
export function readMultipart(raw: Buffer, contentType: string): Multipart {
  const [, quoted, bare] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType) ?? [];
  const boundary = quoted ?? bare;
  if (!boundary) throw unreadable('its parts have no boundary');
  const between = Buffer.from(`\r\n--${boundary}`);
  const first = raw.indexOf(between.subarray(2));
  if (first < 0) throw unreadable('it has no parts');
  const fields = new Map<string, string[]>();
  const files = new Map<string, Upload>();
  let at = first + between.length - 2;
  for (let parts = 0; raw.toString('latin1', at, at + 2) !== '--'; parts++) {
    if (parts >= PARTS_MAX) throw unreadable(`it has more than ${PARTS_MAX} parts`);
    const blank = raw.indexOf('\r\n\r\n', at);
    const end = blank < 0 ? -1 : raw.indexOf(between, blank + 2);
    if (end < 0) throw unreadable('it breaks off before its end');
    if (blank - at > HEADERS_MAX) throw unreadable('a part has a head that is too long');
    const { name, file } = disposition(raw.toString('utf8', at, blank));
    const bytes = raw.subarray(Math.min(blank + 4, end), end);
    if (file === undefined) fields.set(name, [...(fields.get(name) ?? []), bytes.toString('utf8')]);
    else if (file !== '' || bytes.length > 0) {
      if (files.has(name)) throw unreadable(`there are two files called ${name}`);
      files.set(name, { name: file.slice(-NAME_MAX), bytes });
    }
    at = end + between.length;
  }
  return {
    fields: Object.fromEntries([...fields].map(([name, all]) => [name, all.length > 1 ? all : (all[0] ?? '')])),
    files: Object.fromEntries(files),
  };
}

/** Browsers write a quote within a name as %22, and line ends as %0D and %0A. */
function disposition(head: string): { readonly name: string; readonly file: string | undefined } {
  const line = head.split('\r\n').find((one) => /^content-disposition:/i.test(one)) ?? '';
  const value = (key: string): string | undefined =>
    new RegExp(`;\\s*${key}="([^"]*)"`, 'i')
      .exec(line)?.[1]
      ?.replace(/%(22|0D|0A)/gi, (code) => decodeURIComponent(code));
  const name = value('name');
  if (name === undefined) throw unreadable('a part has no name');
  return { name, file: value('filename')?.replace(/^.*[/\\]/s, '') };
}
