/**
 * A small memory of what the store said, for a few seconds at most. Bounded, and safe against the one race that matters: an
 * answer that was under way while its key was forgotten is handed to those who waited for it, but not kept.
 */
import type { Clock } from './clock.ts';

/** At once where it is remembered. */
export type Soon<T> = T | Promise<T>;

/** `Promise.all`, but at once where nothing has to be waited for. */
export function soon<T extends readonly unknown[]>(values: readonly [...{ [K in keyof T]: Soon<T[K]> }]): Soon<T> {
  return (values.some((value) => value instanceof Promise) ? Promise.all(values) : values) as Soon<T>;
}

export interface Cache<K, V> {
  /** The remembered value, at once, or what `load` says; callers of one key share one load. Errors are not remembered. */
  get(key: K, load: (key: K) => Promise<V>): Soon<V>;
  /** Forgets one key, in this process, at once. */
  forget(key: K): void;
  clear(): void;
}

export interface CacheOptions {
  readonly clock: Clock;
  /** Milliseconds a value may be served. Default 5,000. */
  readonly ttlMs?: number;
  /** Values kept; the one loaded longest ago goes first. Default 10,000. */
  readonly max?: number;
}

interface Entry<V> {
  value: Soon<V>;
  readonly at: number;
}

export function createCache<K, V>({ clock, ttlMs = 5_000, max = 10_000 }: CacheOptions): Cache<K, V> {
  const entries = new Map<K, Entry<V>>();
  return {
    get(key, load) {
      const now = clock.now().getTime();
      const known = entries.get(key);
      // A clock that was set back must not make a value live longer.
      if (known && now >= known.at && now - known.at < ttlMs) return known.value;
      const loading = load(key);
      const entry: Entry<V> = { value: loading, at: now };
      entries.delete(key);
      entries.set(key, entry);
      loading.then(
        (value) => {
          entry.value = value;
        },
        () => {
          if (entries.get(key) === entry) entries.delete(key);
        },
      );
      for (const oldest of entries.keys()) {
        if (entries.size <= max) break;
        entries.delete(oldest);
      }
      return loading;
    },
    forget: (key) => void entries.delete(key),
    clear: () => entries.clear(),
  };
}
