import { z } from 'zod'

/**
 * A time as callers, files and partners write it: ISO 8601 with an offset, between the years 1900 and 2199.
 * PostgreSQL takes neither the year 0 nor an offset above 15:59, and would fail the whole transaction that stores
 * it. The text stays as it was given, since digests cover it.
 */
export const timeText = z.iso
  .datetime({ offset: true, error: 'a time as ISO 8601 with its offset' })
  .regex(
    /^(?:19|2[01])\d\d-.*(?:Z|[+-](?:0\d|1[0-4]):\d\d)$/,
    'a time between the years 1900 and 2199, its offset below 15:00',
  )
