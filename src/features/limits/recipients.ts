/**
 * How many one-time codes an address gets within an hour, over all processes: a sliding hour of times in one row for each
 * address. Whoever asks is let through to all of his addresses or to none. Only codes come here, so only they pay the trip.
 */
import { addressDigest } from '../../lib/crypto.ts';
import type { Db } from '../../lib/db.ts';
import { countSends, purgeSends, roomAfter, uncountSends } from './store.ts';

export interface RecipientCap {
  /** By tenant, address and hour. For each wish `undefined` when it is let through and counted, else seconds to wait. */
  take(
    tenantId: string,
    perHour: number,
    wishes: readonly (readonly string[])[],
  ): Promise<readonly (number | undefined)[]>;
  /** Wishes that were counted came to nothing. */
  giveBack(tenantId: string, wishes: readonly (readonly string[])[]): Promise<void>;
  purge(): Promise<void>;
}

/** `key` turns addresses into what is stored: a number has too few digits for a hash alone to hide it. */
export function createRecipientCap(db: Db, key: Buffer): RecipientCap {
  const digestsOf = (tenantId: string, addresses: readonly string[]): string[] => [
    ...new Set(
      addresses.map((address) =>
        Buffer.from(addressDigest(key, tenantId, 'otp', address), 'base64url').toString('hex'),
      ),
    ),
  ];
  const uncount = async (tenantId: string, names: readonly string[]): Promise<void> => {
    await db.batch([uncountSends(tenantId, names)]);
  };
  /** No address twice. */
  async function round(
    tenantId: string,
    perHour: number,
    wishes: readonly (readonly string[])[],
  ): Promise<(number | undefined)[]> {
    const counted = await db.batch<[{ address: string }[]]>([countSends(tenantId, wishes.flat(), perHour)]);
    const let_ = new Set(counted[0].map(({ address }) => address));
    const refused = wishes.filter((names) => !names.every((name) => let_.has(name)));
    if (refused.length === 0) return wishes.map(() => undefined);
    const inVain = refused.flat().filter((name) => let_.has(name));
    if (inVain.length > 0) await uncount(tenantId, inVain);
    const full = refused.flat().filter((name) => !let_.has(name));
    const [rows] = await db.batch<[{ address: string; seconds: number }[]]>([roomAfter(tenantId, full, perHour)]);
    const seconds = new Map(rows.map((row) => [row.address, row.seconds]));
    return wishes.map((names) =>
      names.every((name) => let_.has(name)) ? undefined : Math.max(1, ...names.map((name) => seconds.get(name) ?? 1)),
    );
  }

  return {
    async take(tenantId, perHour, wishes) {
      const answers: (number | undefined)[] = wishes.map(() => undefined);
      let waiting = wishes.map((addresses, index) => ({ index, names: digestsOf(tenantId, addresses) }));
      // Who is refused once is refused for the whole batch: nothing of it is older than an hour.
      const full = new Map<string, number>();
      while (waiting.length > 0) {
        const inRound = new Set<string>();
        const now: typeof waiting = [];
        const later: typeof waiting = [];
        for (const wish of waiting) {
          const wait = Math.max(0, ...wish.names.map((name) => full.get(name) ?? 0));
          if (wait > 0) answers[wish.index] = wait;
          else if (wish.names.some((name) => inRound.has(name))) later.push(wish);
          else {
            now.push(wish);
            for (const name of wish.names) inRound.add(name);
          }
        }
        if (now.length > 0) {
          const found = await round(
            tenantId,
            perHour,
            now.map(({ names }) => names),
          );
          for (const [at, { index, names }] of now.entries()) {
            const wait = found[at];
            if (wait === undefined) continue;
            answers[index] = wait;
            for (const name of names) full.set(name, wait);
          }
        }
        waiting = later;
      }
      return answers;
    },
    async giveBack(tenantId, wishes) {
      const counted = new Map<string, number>();
      for (const name of wishes.flatMap((addresses) => digestsOf(tenantId, addresses)))
        counted.set(name, (counted.get(name) ?? 0) + 1);
      // One of each address at a time, as they were counted.
      for (let names = [...counted.keys()]; names.length > 0; ) {
        await uncount(tenantId, names);
        for (const name of names) counted.set(name, (counted.get(name) ?? 0) - 1);
        names = names.filter((name) => (counted.get(name) ?? 0) > 0);
      }
    },
    purge: () => purgeSends(db),
  };
}
