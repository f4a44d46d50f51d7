export { startSimulator } from './start-simulator.ts'
export type { Simulator } from './start-simulator.ts'
export type { SimulatorConfig } from './config.ts'
