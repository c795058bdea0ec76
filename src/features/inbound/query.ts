/** Query parameters of a callback address. */

/** What follows the question mark; a name that comes twice has its last value. */
export const queryOf = (url: string): Record<string, string> =>
  url.includes('?') ? Object.fromEntries(new URL(url).searchParams) : {};
