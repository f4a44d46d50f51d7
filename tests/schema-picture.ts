import { Client } from 'pg'

const ORDER_SCHEMAS = `array_position(array['platform','access','flags','catalog','partners',
  'inventory','orders','fulfillment'], n.nspname::text)`
const OURS = `n.nspname !~ '^(pg_|information_schema|public$|holdfast_migration$)'`
const RUNTIME = 'holdfast_runtime'

type Table = { schema: string; name: string; oid: string; options: string | null }
type Part = { table_oid: string; text: string }

/** The migrated schema as Markdown, read from the catalog of the database alone. `url` is the owner's. */
export async function schemaPicture(url: string): Promise<{ tables: number; text: string }> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows: tables } = await client.query<Table>(TABLES)
    const parts = async (sql: string) =>
      Map.groupBy((await client.query<Part>(sql)).rows, (row) => row.table_oid)
    const columns = await parts(COLUMNS)
    const constraints = await parts(CONSTRAINTS)
    const indexes = await parts(INDEXES)
    const grants = await parts(GRANTS)
    const others = await client.query<{ text: string }>(OTHERS)
    const sections = tables.map((table) => {
      const of = (found: ReadonlyMap<string, Part[]>) =>
        (found.get(table.oid) ?? []).map((part) => part.text)
      return [
        `## ${table.schema}.${table.name}${table.options === null ? '' : ` (${table.options})`}`,
        '',
        '| column | type | |',
        '|---|---|---|',
        ...of(columns),
        '',
        ...of(constraints).map((text) => `- \`${text}\``),
        ...of(indexes).map((text) => `- \`${text}\``),
        `- ${RUNTIME}: ${of(grants).join(', ') || 'nothing'}`,
        '',
      ]
    })
    const rest = others.rows.map((row) => `- ${row.text}`)
    const text = [...INTRO, ...(rest.length > 0 ? rest : ['None.']), '', ...sections.flat()]
    return { tables: tables.length, text: text.join('\n') }
  } finally {
    await client.end()
  }
}

const INTRO = [
  '# Schema',
  '',
  'The migrated schema as PostgreSQL tells it, with what the runtime role may do to each table. It owns',
  'nothing: where it lacks UPDATE and DELETE, rows stay as they were written. Made by',
  '`npm run docs:schema` from a fresh database; a test holds it to the migrations.',
  '',
  '## Sequences, views, functions, triggers and row policies',
  '',
]

const TABLES = `
  select n.nspname as schema, c.relname as name, c.oid::text as oid,
         array_to_string(c.reloptions, ', ') as options
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p') and ${OURS}
   order by ${ORDER_SCHEMAS}, n.nspname, c.relname`

const COLUMNS = `
  select a.attrelid::text as table_oid,
         '| ' || a.attname || ' | ' || format_type(a.atttypid, a.atttypmod) || ' | '
           || concat_ws(', ', case when a.attnotnull then 'not null' end,
                case when a.attgenerated = 's' then 'generated' when d.oid is not null then 'default' end
                  || ' \`' || replace(pg_get_expr(d.adbin, d.adrelid), '|', '\\|') || '\`') || ' |' as text
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
   where a.attnum > 0 and not a.attisdropped
   order by a.attrelid, a.attnum`

// NOT NULL stands with its column; the names of the other constraints are part of the picture.
const CONSTRAINTS = `
  select conrelid::text as table_oid, conname || ': ' || pg_get_constraintdef(oid) as text
    from pg_constraint where contype in ('p', 'u', 'f', 'c') and conrelid <> 0
   order by conrelid, array_position(array['p','u','f','c']::"char"[], contype), conname`

const INDEXES = `
  select i.indrelid::text as table_oid, pg_get_indexdef(i.indexrelid) as text
    from pg_index i join pg_class c on c.oid = i.indexrelid
   where not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u'))
   order by i.indrelid, c.relname`

const GRANTS = `
  select c.oid::text as table_oid, lower(g.privilege_type) as text
    from pg_class c, aclexplode(c.relacl) g
   where g.grantee = '${RUNTIME}'::regrole
  union all
  select a.attrelid::text, lower(g.privilege_type) || ' (' || string_agg(a.attname, ', ' order by a.attnum) || ')'
    from pg_attribute a, aclexplode(a.attacl) g
   where g.grantee = '${RUNTIME}'::regrole
   group by a.attrelid, g.privilege_type
   order by 1, 2`

const OTHERS = `
  select case c.relkind when 'S' then 'sequence ' else 'view ' end || n.nspname || '.' || c.relname as text
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('S', 'v', 'm', 'f') and ${OURS}
  union all
  select 'function ' || p.oid::regprocedure::text
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${OURS}
  union all
  select 'trigger ' || pg_get_triggerdef(t.oid) from pg_trigger t where not t.tgisinternal
  union all
  select 'policy ' || p.polname || ' on ' || p.polrelid::regclass::text from pg_policy p
   order by 1`
