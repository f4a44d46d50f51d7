const FIELD = /("[^"]*(?:""[^"]*)*"|[^",]*)(,|$)/y

/** The fields of one record (RFC 4180); undefined where a quote stands in or after a plain field. */
export function parseCsvRecord(text: string): readonly string[] | undefined {
  const fields: string[] = []
  FIELD.lastIndex = 0
  for (;;) {
    const found = FIELD.exec(text)
    if (!found) return undefined
    const [, field = '', end] = found
    fields.push(field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field)
    if (end === '') return fields
  }
}
