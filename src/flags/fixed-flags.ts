import { FLAGS } from './flag.ts'
import type { FlagKey, FlagReader } from './flag.ts'

/** Flags that never change: their initial values with what is switched. For a process that reads none. */
export function fixedFlags(switched: Partial<Record<FlagKey, boolean>> = {}): FlagReader {
  const isOn = (key: FlagKey): boolean => switched[key] ?? FLAGS[key].initial
  return {
    isOn,
    ask: (key) => (isOn(key) ? 'on' : 'off'),
    freshen: () => Promise.resolve(),
    version: () => 0,
  }
}
