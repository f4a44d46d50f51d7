import type { z } from 'zod'
import { refuse } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'

const PROBLEMS_NAMED_MAX = 5

/** A row that a schema refused: `field` is the first bad one, the detail names up to five. */
export function rowRefusal(
  line: number,
  error: z.ZodError,
): { readonly ok: false; readonly refusal: Refusal<'row_invalid'> } {
  const problems = error.issues.map((issue) => ({
    field: fieldPath(issue),
    message: issue.message,
  }))
  const named = problems
    .slice(0, PROBLEMS_NAMED_MAX)
    .map(({ field, message }, index) => (index === 0 || !field ? message : `${field}: ${message}`))
  const more = problems.length - named.length
  const detail = `${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}`
  const field = problems[0]?.field
  return refuse('row_invalid', detail, field ? { line, field } : { line })
}

// A key that the schema does not know is named itself, not the object that has it.
function fieldPath(issue: z.core.$ZodIssue): string {
  const path =
    issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : issue.path
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '')
}
