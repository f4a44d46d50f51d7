import { refuse, RefusedError } from '#kernel/index.ts'
import type { RefusalCode } from '#kernel/index.ts'

/** What a server wanted to listen on, and the setting that says so. */
export type Listening = { readonly host: string; readonly port: number; readonly setting: string }

// System errors of bind(2) and of looking up a host name.
const MEANINGS: Readonly<Record<string, RefusalCode>> = {
  EADDRINUSE: 'port_in_use',
  EACCES: 'address_unusable',
  EADDRNOTAVAIL: 'address_unusable',
  EAFNOSUPPORT: 'address_unusable',
  ENOTFOUND: 'address_unusable',
  EAI_AGAIN: 'address_unusable',
}

/** Throws what kept a server from listening as a refusal that names the setting to change. */
export function refuseListening(fault: unknown, { host, port, setting }: Listening): never {
  const system = fault instanceof Error && 'code' in fault ? String(fault.code) : ''
  const code = MEANINGS[system]
  if (code === undefined) throw fault
  const detail =
    code === 'port_in_use'
      ? `Another process listens on ${host}:${port}: set ${setting}, or 0 for any free port.`
      : `${host}:${port} is no address to listen on (${system}): set HOLDFAST_HOST or ${setting}.`
  throw new RefusedError(refuse(code, detail).refusal)
}
