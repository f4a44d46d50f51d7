// What this partner knows: an append-only file, one JSON record a line, and its fold in memory.
import { open } from 'node:fs/promises'

/** Opens the ledger, folds what is there and cuts a torn last line. */
export async function openLedger(path) {
  const file = await open(path, 'a+', 0o600)
  const state = {
    fenceEpoch: 0,
    /** key -> the accepted dispatch */
    dispatches: new Map(),
    /** order key -> the dispatch key that it is live under */
    liveOrders: new Map(),
    /** batch -> the highest revision seen */
    revisions: new Map(),
    /** keys that can never be accepted */
    recalledKeys: new Set(),
    /** recall key -> its record, for the replay */
    recalls: new Map(),
    highestSequence: 0,
  }
  const bytes = await file.readFile()
  const whole = bytes.lastIndexOf(10) + 1
  for (const line of bytes.subarray(0, whole).toString('utf8').split('\n')) {
    if (line !== '') apply(state, JSON.parse(line))
  }
  if (whole < bytes.length) await file.truncate(whole)
  await file.sync()

  let tail = Promise.resolve()
  let failure
  const write = async (records) => {
    if (records.length === 0) return
    try {
      await file.appendFile(records.map((one) => `${JSON.stringify(one)}\n`).join(''))
      await file.datasync()
    } catch (fault) {
      // The state may be ahead of the disk now: nothing may be answered any more.
      failure = fault
      throw fault
    }
  }
  return {
    state,
    /**
     * Runs `decide(append)` alone and resolves with what it returns when its records are on the disk:
     * two requests can never both be the first, and no answer leaves before the fsync.
     */
    transact(decide) {
      const run = tail.then(async () => {
        if (failure) throw failure
        const records = []
        let refusal
        let answer
        try {
          answer = decide((record) => {
            records.push(record)
            apply(state, record)
          })
        } catch (fault) {
          // What was noted before the refusal (a higher fence epoch) counts all the same.
          refusal = fault
        }
        await write(records)
        if (refusal) throw refusal
        return answer
      })
      tail = run.catch(() => {})
      return run
    },
    async close() {
      await tail
      await file.close()
    },
  }
}

function apply(state, record) {
  if (record.t === 'epoch') state.fenceEpoch = record.epoch
  if (record.t === 'accepted') applyAccepted(state, record)
  if (record.t === 'recall') applyRecall(state, record)
}

function applyAccepted(state, record) {
  state.dispatches.set(record.key, { ...record, recalled: new Set() })
  for (const order of record.orders) state.liveOrders.set(order.order_key, record.key)
  const highest = state.revisions.get(record.batch) ?? 0
  state.revisions.set(record.batch, Math.max(highest, record.revision))
  state.highestSequence = Math.max(state.highestSequence, record.sequence)
}

function applyRecall(state, record) {
  state.recalls.set(record.answer.key, record)
  const dispatch = state.dispatches.get(record.answer.recalls)
  if (!dispatch) {
    state.recalledKeys.add(record.answer.recalls)
    return
  }
  for (const { order_key: orderKey, outcome } of record.answer.orders) {
    if (outcome !== 'recalled') continue
    dispatch.recalled.add(orderKey)
    if (state.liveOrders.get(orderKey) === dispatch.key) state.liveOrders.delete(orderKey)
  }
  if (dispatch.recalled.size === dispatch.orders.length) state.recalledKeys.add(dispatch.key)
}
