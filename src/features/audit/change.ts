/** What a change made of a thing, for the row that tells of it: before and after, as the API shows them, secrets masked. Pure. */

/** Says nothing about what was changed; and the one text that is a secret where a key is shown once. */
const LEFT_OUT = new Set(['object', 'key', 'created_at', 'updated_at', 'last_used_at', 'health', 'callback_url']);

export interface Change {
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
}

/** Both: the fields that differ. One: all of it, made or taken away. */
export function changeOf(before: object | undefined, after: object | undefined): Change {
  const differs = (name: string): boolean =>
    before === undefined ||
    after === undefined ||
    JSON.stringify(before[name as never]) !== JSON.stringify(after[name as never]);
  const pick = (thing: object) =>
    Object.fromEntries(Object.entries(thing).filter(([name]) => !LEFT_OUT.has(name) && differs(name)));
  return { ...(before ? { before: pick(before) } : {}), ...(after ? { after: pick(after) } : {}) };
}
