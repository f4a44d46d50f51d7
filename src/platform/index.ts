export { awaitDatabase } from './database/await-database.ts'
export {
  databaseUnavailable,
  isExpectationFailed,
  isUnavailable,
  sqlState,
} from './database/database-faults.ts'
export {
  change,
  closeDatabase,
  many,
  maybe,
  openDatabase,
  patientDatabase,
  read,
  SERVING_WAITS,
  SESSION_OPTIONS,
  transact,
  transactionRetries,
  withPipelinedCommit,
  withTransaction,
} from './database/database.ts'
export type { Database, Transaction } from './database/database.ts'
export { timeText } from './time-text.ts'
export { answerWithin } from './deadline.ts'
export { declaredStatements, jsonOf, sqlType, statement } from './database/statement.ts'
export type { ParamsOf, RowOf, Statement } from './database/statement.ts'
export { analyzeGrownTable, keepStatistics } from './database/keep-statistics.ts'
export { listen } from './database/listen.ts'
export type { Listener } from './database/listen.ts'
export { raiseFenceEpoch } from './database/fence-epoch.ts'
export { checkInstanceKind } from './database/instance-kind.ts'
export { checkSchema, migrate, schemaVersion } from './database/migrate.ts'
export { appendEvents } from './records/append-events.ts'
export type { NewEvent } from './records/append-events.ts'
export { FEED_START, feedHead, feedHealth, readFeed, readFeedIn } from './records/read-feed.ts'
export type { FeedEvent, FeedPage, FeedPosition } from './records/read-feed.ts'
export { appendAudit } from './records/append-audit.ts'
export type { AuditEntry } from './records/append-audit.ts'
export { nodeName, recordProvenance } from './records/provenance.ts'
export type { Provenance } from './records/provenance.ts'
export { route, SCOPES } from './http/route.ts'
export type {
  Access,
  AnyRoute,
  Caller,
  Route,
  RouteReply,
  RouteRequest,
  Scope,
} from './http/route.ts'
export type { Context, Log, ProvenanceNow } from './context.ts'
export { readConfig, SETTINGS } from './config.ts'
export type { Config, DispatchTimingName, LogLevel, Setting } from './config.ts'
export { createLog, silentLog } from './log.ts'
export { droppedLogLines } from './log-writer.ts'
export type { LogSink } from './log.ts'
export { watchLauncher } from './launcher.ts'
export { createShutdown, secondInterrupt, shutdownOnSignals } from './shutdown.ts'
export type { Shutdown } from './shutdown.ts'
