import { Presets, SingleBar } from 'cli-progress'

/** How far a long command has come, on standard error. */
export type Progress = {
  readonly update: (done: number, total: number) => void
  readonly end: () => void
}

const LINE_EVERY_MS = 3_000

/** A bar where standard error is a terminal, else a plain line every three seconds. */
export function openProgress(label: string): Progress {
  return process.stderr.isTTY ? barProgress(label) : lineProgress(label)
}

function barProgress(label: string): Progress {
  const bar = new SingleBar(
    { format: `${label} {bar} {value}/{total} {eta_formatted}`, stream: process.stderr },
    Presets.shades_classic,
  )
  let isOpen = false
  return {
    update: (done, total) => {
      if (!isOpen) bar.start(total, done)
      isOpen = true
      bar.update(done)
    },
    end: () => (isOpen ? bar.stop() : undefined),
  }
}

function lineProgress(label: string): Progress {
  let lastMs = performance.now()
  return {
    update: (done, total) => {
      if (performance.now() - lastMs < LINE_EVERY_MS) return
      lastMs = performance.now()
      process.stderr.write(`${label}: ${done} of ${total}\n`)
    },
    end: () => undefined,
  }
}
