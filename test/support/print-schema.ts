/** The schema out of the catalogue, as text that can be compared and read. Partitions are shown as their parent alone. */
import type { TestDatabase } from './database.ts';

const TABLES = `
  select c.oid, c.relname as name,
    case when c.relkind = 'p' then ' partition by ' || lower(pg_get_partkeydef(c.oid)) else '' end as partition,
    coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', '') as options,
    case when c.relforcerowsecurity then ' row security forced' when c.relrowsecurity then ' row security' else '' end as security
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition
    and c.relname not like 'bullmq%' and c.relname not like 'carillon_migrations%'
  order by c.relname`;

const PARTS = `
  select 1 as kind, a.attnum as position, format('  %s %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
    case when a.attnotnull then ' not null' else '' end,
    case a.attidentity when '' then '' else ' identity' end,
    coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')) as line
  from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
  union all
  select 2, row_number() over (order by conname), format('  constraint %s %s', conname, pg_get_constraintdef(oid))
  from pg_constraint where conrelid = $1 and contype <> 'n'
  union all
  select 3, row_number() over (order by c.relname), format('  index %s', regexp_replace(pg_get_indexdef(i.indexrelid), '^CREATE (UNIQUE )?INDEX (\\S+) ON (ONLY )?\\S+ USING', '\\1\\2'))
  from pg_index i join pg_class c on c.oid = i.indexrelid
  where i.indrelid = $1 and not exists (select from pg_constraint where conindid = i.indexrelid and conrelid = $1)
  union all
  select 4, row_number() over (order by polname), format('  policy %s for %s to %s using (%s)', polname, polcmd,
    (select string_agg(case when r = 0 then 'public' else r::regrole::text end, ', ') from unnest(polroles) r),
    pg_get_expr(polqual, polrelid))
  from pg_policy where polrelid = $1
  union all
  select 5, row_number() over (order by tgname), '  ' || lower(pg_get_triggerdef(oid)) from pg_trigger where tgrelid = $1 and not tgisinternal
  union all
  select 6, row_number() over (order by grantee, privilege_type), format('  grant %s to %s', lower(privilege_type), grantee)
  from information_schema.role_table_grants
  where table_schema = 'public' and table_name = (select relname from pg_class where oid = $1) and grantee = 'carillon_reader'
  order by 1, 2`;

const FUNCTIONS = `
  select format('function %s(%s) returns %s', p.proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid)) as head, p.prosrc as body
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'public' order by 1`;

export async function printSchema(query: TestDatabase['query']): Promise<string> {
  const tables = await query<{ oid: number; name: string; partition: string; options: string; security: string }>(
    TABLES,
  );
  const blocks: string[] = [];
  for (const { oid, name, partition, options, security } of tables) {
    const parts = await query<{ line: string }>(PARTS, [oid]);
    blocks.push([`table ${name}${partition}${options}${security}`, ...parts.map(({ line }) => line)].join('\n'));
  }
  const functions = await query<{ head: string; body: string }>(FUNCTIONS);
  for (const { head, body } of functions) {
    const lines = body
      .split('\n')
      .map((line) => line.trimEnd())
      .filter(Boolean);
    blocks.push([head, ...lines.map((line) => `  ${line.trim()}`)].join('\n'));
  }
  return `${blocks.join('\n\n')}\n`;
}
