export { openCases } from './open-cases.ts'
export type { CaseKind, NewCase } from './open-cases.ts'
