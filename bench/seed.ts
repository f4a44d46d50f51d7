/** The seed of everything a bench draws: what it orders and reads. `--seed N`, 20 otherwise. */
export function benchSeed(): number {
  return Number(process.env['HOLDFAST_BENCH_SEED'] ?? 20)
}
