import { expect, test } from 'vitest'
import { leavesOf } from '../../scripts/cli-page.ts'
import { exampleOf } from '../../src/cli/command.ts'
import { holdfastProgram } from '../../src/cli/program.ts'

const leaves = leavesOf(holdfastProgram())
const pathOf = (at: (typeof leaves)[number]): string =>
  at.parent?.parent ? `${pathOf(at.parent)} ${at.name()}` : at.name()

test('the whole command tree is looked at', () => {
  expect(leaves.length).toBeGreaterThan(25)
})

test.each(leaves.map((leaf) => [pathOf(leaf), leaf] as const))(
  '%s says what it does, takes --json, and shows an example of itself',
  (path, leaf) => {
    expect(leaf.description()).toMatch(/^[a-z]/)
    expect(leaf.options.map((option) => option.long)).toContain('--json')
    expect(exampleOf(leaf)).toMatch(new RegExp(`^holdfast ${path}( |$)`))
    for (const option of leaf.options) expect(option.description).not.toBe('')
  },
)

test.each(leaves.map((leaf) => [pathOf(leaf), leaf] as const))(
  'the example of %s names only options that it has',
  (_, leaf) => {
    const named = [...(exampleOf(leaf) ?? '').matchAll(/ (--[a-z-]+)/g)].map((match) => match[1])
    const known = new Set(leaf.options.map((option) => option.long))
    expect(named.filter((name) => !known.has(name))).toEqual([])
  },
)
