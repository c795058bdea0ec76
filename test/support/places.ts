/** Reads the whole store for words: every column of every table. */
type Query = (sql: string, values?: unknown[]) => Promise<readonly unknown[]>;
type Row = any;

/** Where one of the words stands: as text, without regard to case, and in bytes, in hexadecimal and in base64 at any offset. */
export async function placesOf(query: Query, words: readonly string[]): Promise<string[]> {
  const columns = await query(
    `select c.table_name as tab, c.column_name as col from information_schema.columns c
     join information_schema.tables t using (table_schema, table_name)
     where c.table_schema not in ('pg_catalog', 'information_schema') and t.table_type = 'BASE TABLE'
       and not exists (select from pg_inherits i where i.inhrelid = format('%I.%I', c.table_schema, c.table_name)::regclass)`,
  );
  const forms = words.flatMap((word) => {
    const bytes = Buffer.from(word);
    const inner = [0, 1, 2].map((shift) =>
      Buffer.concat([Buffer.alloc(shift), bytes])
        .toString('base64')
        .slice(shift ? 4 : 0, -4)
        .toLowerCase(),
    );
    const [lower, typed, upper] = [word.toLowerCase(), word, word.toUpperCase()].map((one) =>
      Buffer.from(one).toString('hex'),
    );
    return [word.toLowerCase(), encodeURIComponent(word).toLowerCase(), lower, typed, upper, ...inner] as string[];
  });
  const found: string[] = [];
  for (const { tab, col } of columns as Row[]) {
    const schema = await query(
      `select table_schema as s from information_schema.tables where table_name = $1 and table_schema not in ('pg_catalog', 'information_schema')`,
      [tab],
    );
    for (const { s } of schema as Row[]) {
      const rows = await query(
        `select count(*)::int as n from "${s}"."${tab}" where exists (select from unnest($1::text[]) f where position(f in lower("${col}"::text)) > 0)`,
        [forms],
      );
      if ((rows[0] as Row).n > 0) found.push(`${tab}.${col}`);
    }
  }
  return [...new Set(found)].sort();
}
