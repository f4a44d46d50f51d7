export { startGrpcServer } from './server.ts'
export type { GrpcServer } from './server.ts'
