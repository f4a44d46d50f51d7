import { writeFile } from 'node:fs/promises'
import { referencePages } from './reference-pages.ts'

// `npm run docs`: writes the reference pages that a house test compares with the code.
for (const [name, text] of referencePages()) {
  await writeFile(new URL(`../docs/reference/${name}`, import.meta.url), text)
}
