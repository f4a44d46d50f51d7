import { refuse } from '#kernel/index.ts'
import type { Refusal } from '#kernel/index.ts'

const MEANING: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  ENAMETOOLONG: 'is no name that a file can have',
  ESPIPE: 'is a pipe, and reading begins again after the check: write it to a file first',
  ENODEV: 'is neither a regular file nor a pipe',
  ENXIO: 'is neither a regular file nor a pipe',
  EFBIG: 'is too large: 4 GiB unpacked, or 1 GiB from a pipe, are the most; split it',
  ECANCELED: 'was not read to its end: a signal came first, and nothing of it was applied',
  EISDIR: 'is a folder',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  Z_BUF_ERROR: 'is a gzip file that ends too early: copy it again',
  Z_DATA_ERROR: 'is a damaged gzip file: copy it again',
}

/** The refusal (`file_unreadable`) behind an error of reading a file; undefined for any other fault. */
export function fileFault(
  path: string,
  fault: unknown,
): { readonly ok: false; readonly refusal: Refusal<'file_unreadable'> } | undefined {
  const meaning = MEANING[codeOf(fault)]
  return meaning === undefined ? undefined : refuse('file_unreadable', `${path} ${meaning}.`)
}

function codeOf(fault: unknown): string {
  return fault instanceof Error && 'code' in fault ? String(fault.code) : ''
}
