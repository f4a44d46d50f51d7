/** What a run has to end all that it started, in milliseconds: two worlds with a database each. */
export const LAB_STOP_MAX_MS = 60_000
