/** Rows under a header, each column as wide as its widest cell; nothing but the header where empty. */
export function table(
  header: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  const cells = [header, ...rows.map((row) => row.map((cell) => oneLine(String(cell ?? ''))))]
  const widths = header.map((_, column) =>
    cells.reduce((max, row) => Math.max(max, (row[column] ?? '').length), 0),
  )
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** An amount in minor units as its currency writes it: `12.99 GBP`. */
export function money(minor: number, currency: string): string {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency })
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2
  return `${(minor / 10 ** digits).toFixed(digits)} ${currency}`
}

/** A time as ISO 8601 UTC to the millisecond, or a dash. */
export function time(at: Date | null): string {
  return at === null ? '-' : at.toISOString()
}

/** An age in words: `45 s`, `12 min`, `3 h`, `2 d`; a dash where there is none. */
export function age(seconds: number | null): string {
  if (seconds === null) return '-'
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

// Text from outside may hold control characters; a terminal must not act on them.
function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ')
}
