/** Things worth keeping that never change, the most recently used ones. */
export interface Recent<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): void;
}

/**
 * Keeps `max` values, and at least the half of them that was asked for last: what has not been asked for while the other half
 * filled up goes. Asking costs a look, not a move.
 */
export function createRecent<K, V>(max: number): Recent<K, V> {
  let young = new Map<K, V>();
  let old = new Map<K, V>();
  const keep = (key: K, value: V): void => {
    young.set(key, value);
    if (young.size <= max >> 1) return;
    old = young;
    young = new Map();
  };
  return {
    get(key) {
      const value = young.get(key);
      if (value !== undefined) return value;
      const older = old.get(key);
      if (older !== undefined) keep(key, older);
      return older;
    },
    set: keep,
  };
}
