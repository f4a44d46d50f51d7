export { FLAGS } from './flag.ts'
export type { FlagKey, FlagReader } from './flag.ts'
