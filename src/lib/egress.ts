/**
 * The only way out of the process. Every address we dial is judged three times: as written, after the name was resolved
 * (all answers must be public), and as the peer of the open socket. What the operator lists in EGRESS_ALLOW may be private;
 * the guard itself is never off.
 */
import { lookup as dnsLookup, type LookupAddress, type LookupAllOptions } from 'node:dns';
import { isIP, type LookupFunction, type Socket, connect as tcpConnect } from 'node:net';
import ipaddr from 'ipaddr.js';

/** An address that is not public and not allowed by the operator. */
export class BlockedAddress extends Error {
  readonly code = 'BLOCKED_ADDRESS';
}

export interface Egress {
  /** Judges an address as written, before anything is dialled. Returns the reason it is refused, or nothing. */
  refusal(host: string, port: number): string | undefined;
  /** Listed by the operator, so that even plain http may go there. */
  isAllowed(host: string, port: number): boolean;
  /** For sockets opened by others: resolves a name and refuses when any answer is not public. */
  lookup(port: number): LookupFunction;
  /** Throws `BlockedAddress` when the open socket leads elsewhere. */
  checkPeer(socket: Socket, host: string, port: number): void;
  /** A connected TCP socket. Rejects with `BlockedAddress` or the socket's own error. */
  dial(host: string, port: number, timeoutMs?: number): Promise<Socket>;
}

/** Resolves a name to all its addresses, as `lookup` of `node:dns` does. */
export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, answers: LookupAddress[]) => void,
) => void;

export function createEgress(allow: readonly string[], resolve: Resolve = dnsLookup): Egress {
  const allowed = new Set(allow.map((pair) => pair.toLowerCase()));
  const isAllowed = (host: string, port: number): boolean =>
    allowed.has(`${isIP(host) === 6 ? `[${host}]` : host.toLowerCase()}:${port}`);
  const isOpen = (address: string, port: number): boolean => isPublic(address) || isAllowed(address, port);

  const egress: Egress = {
    isAllowed,
    refusal(given, port) {
      const host = given.replace(/^\[|\]$/g, '').toLowerCase();
      if (isAllowed(host, port)) return undefined;
      if (isIP(host)) return isPublic(host) ? undefined : `${host} is not a public address`;
      if (ipaddr.isValid(host)) return `${host} is a number in disguise`;
      if (!host.includes('.') || host.endsWith('.') || /(^|\.)(localhost|internal|local)$/.test(host))
        return `${host} is not a public name`;
      return undefined;
    },
    lookup: (port) => (hostname, options, callback) => {
      resolve(hostname, { ...options, all: true }, (error, answers) => {
        if (error) return callback(error, '', 0);
        const bad = answers.find(({ address }) => !isOpen(address, port) && !isAllowed(hostname, port));
        if (bad) return callback(new BlockedAddress(`${hostname} leads to an address that is not public`), '', 0);
        const [first] = answers;
        if (!first) return callback(new Error(`${hostname} has no address`), '', 0);
        if (options.all) (callback as unknown as (error: null, answers: unknown) => void)(null, answers);
        else callback(null, first.address, first.family);
      });
    },
    checkPeer(socket, host, port) {
      const peer = socket.remoteAddress;
      if (peer === undefined || isOpen(peer, port) || isAllowed(host, port)) return;
      socket.destroy();
      throw new BlockedAddress(`${host} led to an address that is not public`);
    },
    dial: (host, port, timeoutMs = 10_000) =>
      new Promise((done, reject) => {
        const refusal = egress.refusal(host, port);
        if (refusal) return reject(new BlockedAddress(refusal));
        const socket = tcpConnect({ host, port, lookup: egress.lookup(port) });
        // Stays on the socket: it may break between being open here and being listened to by whoever takes it, and an error
        // that nobody hears ends the process.
        const fail = (error: Error) => {
          socket.destroy();
          reject(error);
        };
        const late = () =>
          fail(
            Object.assign(new Error(`no connection to ${host}:${port} within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }),
          );
        socket.setTimeout(timeoutMs, late);
        socket.on('error', fail);
        socket.once('connect', () => {
          socket.setTimeout(0);
          // Its own timeouts are those of the taker.
          socket.off('timeout', late);
          try {
            egress.checkPeer(socket, host, port);
            done(socket);
          } catch (error) {
            reject(error);
          }
        });
      }),
  };
  return egress;
}

/** All IPv6 addresses that are given out to the public begin here. */
const GLOBAL = ipaddr.IPv6.parseCIDR('2000::/3');
/** Special purposes, 6bone, documentation. */
const RETIRED = ['2001::/23', '3ffe::/16', '3fff::/20'].map((range) => ipaddr.IPv6.parseCIDR(range));

function isPublic(address: string): boolean {
  try {
    // `process` unwraps IPv4 inside IPv6; 6to4, NAT64 and the like have ranges of their own and are not unicast.
    const parsed = ipaddr.process(address);
    if (parsed.range() !== 'unicast') return false;
    // What it has no name for is unicast to it: IPv4-compatible ::7f00:1, site-local fec0::, what nobody has been given.
    if (!(parsed instanceof ipaddr.IPv6)) return true;
    return parsed.match(GLOBAL) && !RETIRED.some((range) => parsed.match(range));
  } catch {
    return false;
  }
}
