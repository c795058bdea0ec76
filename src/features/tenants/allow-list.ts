/**
 * The addresses a key may be used from: single ones and CIDR ranges, of IPv4 and IPv6. An IPv4 address is the same address when
 * it is written as an IPv6 one. No list is open to all.
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { type FieldFault, invalid } from '../../lib/schema.ts';

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

const V4_IN_V6 = 96;

/** `undefined`: not a range. Forms that only some programs read (`10.1`, octal numbers) are none. */
function rangeOf(text: string): Range | undefined {
  const [, address = '', bits] = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(text.trim()) ?? [];
  const kind = isIP(address);
  if (kind === 0) return undefined;
  const most = kind === 4 ? 32 : 128;
  const length = bits === undefined ? most : Number(bits);
  if (length > most) return undefined;
  const parsed = ipaddr.parse(address);
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress() && length >= V4_IN_V6)
    return [parsed.toIPv4Address(), length - V4_IN_V6];
  return [parsed, length];
}

/** One way to write each range, without bits that say nothing. Throws `validation_failed`. */
export function readRanges(texts: readonly string[], field = 'allowed_ips'): string[] {
  const faults: FieldFault[] = [];
  const ranges = texts.map((text, index) => {
    const range = rangeOf(text);
    if (!range) faults.push({ path: `${field}.${index}`, message: RANGE_FORM });
    return range ? written(range) : '';
  });
  if (faults.length > 0) throw invalid(faults);
  return [...new Set(ranges)];
}
const RANGE_FORM = 'must be an IP address or a CIDR range, such as 203.0.113.7 or 2001:db8::/32';

function written([address, bits]: Range): string {
  const isV4 = address.kind() === 'ipv4';
  if (bits === (isV4 ? 32 : 128)) return address.toString();
  const cidr = `${address.toString()}/${bits}`;
  return `${(isV4 ? ipaddr.IPv4 : ipaddr.IPv6).networkAddressFromCIDR(cidr).toString()}/${bits}`;
}

/** Whether an address may come in. What is not an address may not. */
export function createGate(texts: readonly string[]): (ip: string) => boolean {
  const ranges = texts.flatMap((text) => {
    const range = rangeOf(text);
    return range ? [range] : [];
  });
  return (ip) => {
    const bare = ip.replace(/%.*$/, '');
    if (isIP(bare) === 0) return false;
    const address = ipaddr.process(bare);
    return ranges.some(([network, bits]) => address.kind() === network.kind() && address.match(network, bits));
  };
}
