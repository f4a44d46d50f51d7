import { invariant } from '#kernel/index.ts'

type ScalarTypes = {
  text: string
  int4: number
  int8: number
  float8: number
  bool: boolean
  bytea: Buffer
  timestamptz: Date
  jsonb: unknown
}

/** A jsonb column that is trusted to hold `T`; the only place where SQL JSON gets a type. */
export type JsonColumn<T> = {
  readonly json: true
  readonly trustedBecause: string
  readonly _shape?: T
}

/**
 * Marks a jsonb result column as holding `T` without parsing it, and says why it may be trusted: nothing is decided
 * by it, or what is decided is proven in another way. Rules, and what another build may have written for this one
 * to act on, are declared `jsonb` and parsed.
 */
export function jsonOf<T>(trustedBecause: string): JsonColumn<T> {
  return { json: true, trustedBecause }
}

/** PostgreSQL types as they are declared: `int4`, `text[]`; a trailing `?` means "may be null". */
export type ColumnType = string | JsonColumn<unknown>

/** The JavaScript value of a declared type; `int8` is a number and throws above 2^53 − 1. */
export type ValueOf<C> =
  C extends JsonColumn<infer T>
    ? T
    : C extends `${infer B}?`
      ? ValueOf<B> | null
      : C extends `${infer B}[]`
        ? readonly ValueOf<B>[]
        : C extends keyof ScalarTypes
          ? ScalarTypes[C]
          : never

type ParamOf<C> = C extends `${infer B}?`
  ? ParamOf<B> | null
  : C extends `${infer B}[]`
    ? readonly ParamOf<B>[]
    : C extends 'jsonb'
      ? string
      : C extends 'bytea'
        ? Uint8Array
        : C extends 'timestamptz'
          ? Date | string
          : ValueOf<C>

type Columns = Readonly<Record<string, ColumnType>>

/** A row as declared. */
export type RowOf<R extends Columns> = { readonly [K in keyof R]: ValueOf<R[K]> }
/** The named parameters as declared; jsonb goes in as JSON text. */
export type ParamsOf<P extends Columns> = { readonly [K in keyof P]: ParamOf<P[K]> }

/** One prepared SQL statement with its declared parameters and result columns. */
export type Statement<P extends Columns, R extends Columns> = {
  readonly name: string
  readonly text: string
  readonly params: P
  readonly row: R
}

const registered = new Map<string, Statement<Columns, Columns>>()

/**
 * Declares a statement. `$name` in the text stands for a parameter and is cast to its declared type;
 * a test prepares every declared statement on the migrated schema and compares the types.
 */
export function statement<
  const P extends Columns,
  const R extends Columns = Record<string, never>,
>(declared: { name: string; params: P; row?: R; text: string }): Statement<P, R> {
  invariant(!registered.has(declared.name), `statement ${declared.name} is declared once`)
  const names = Object.keys(declared.params)
  const used = new Set<string>()
  const text = declared.text.replaceAll(/\$([a-z_]+)/gi, (_, name: string) => {
    const index = names.indexOf(name)
    invariant(index >= 0, `statement ${declared.name} declares $${name}`)
    used.add(name)
    return `$${index + 1}::${sqlType(declared.params[name])}`
  })
  for (const name of names) invariant(used.has(name), `statement ${declared.name} uses $${name}`)
  const made = {
    name: declared.name,
    text,
    params: declared.params,
    row: declared.row ?? Object.create(null),
  }
  registered.set(made.name, made)
  return made
}

/** Every statement declared so far, for the test that holds them to the schema. */
export function declaredStatements(): readonly Statement<Columns, Columns>[] {
  return [...registered.values()]
}

/** The SQL name of a declared type, without nullability. */
export function sqlType(type: ColumnType | undefined): string {
  if (typeof type === 'object') return 'jsonb'
  return (type ?? 'text').replaceAll('?', '')
}
