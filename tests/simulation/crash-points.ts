/** Where a process can die: between any two things that it does. */
export const CRASH_POINTS = [
  'after_expiry',
  'after_seal',
  'after_intent',
  'after_write',
  'after_answer',
  'after_completion',
  'before_lookup',
  'after_lookup',
  'after_recall_plan',
  'after_recall_intent',
  'before_recall_is_written',
  'after_recall',
] as const
/** One of `CRASH_POINTS`. */
export type CrashPoint = (typeof CRASH_POINTS)[number]
