// Runs in the console page. `ageText` stands before it, the same function that the server renders by.
const everyMs = 2000
const at = document.querySelector('#at')
const told = document.querySelector('#told')
const counts = new Map()

const show = (id, item) => {
  const row = document.querySelector(`[data-id="${CSS.escape(id)}"]`)
  if (!row) {
    location.reload()
    return
  }
  const count = row.querySelector('[data-count]')
  count.textContent = item.count.toLocaleString('en')
  count.classList.toggle('zero', item.count === 0)
  row.querySelector('[data-age]').textContent = ageText(item.oldest_seconds)
}

// Only a work list that grows is spoken: a screen reader must not read the page every two seconds.
const showWork = (item) => {
  show(`work-${item.id}`, item)
  document
    .querySelector(`[data-id="work-${CSS.escape(item.id)}"]`)
    ?.classList.toggle('loud', item.count > 0)
  if (item.count > (counts.get(item.id) ?? item.count))
    told.textContent = `${item.label}: ${item.count}`
  counts.set(item.id, item.count)
}

const refresh = async () => {
  try {
    const response = await fetch('/admin/stats', { signal: AbortSignal.timeout(10_000) })
    if (response.status === 401) {
      location.reload()
      return
    }
    if (!response.ok) throw new Error(String(response.status))
    const stats = await response.json()
    for (const stage of stats.stages) show(`stage-${stage.id}`, stage)
    for (const item of stats.work_lists) showWork(item)
    if (at.className === 'lost') told.textContent = 'Live again.'
    at.className = 'soft'
    at.textContent = `Live. Updated ${new Date().toLocaleTimeString()}.`
  } catch {
    if (at.className !== 'lost')
      told.textContent = 'The counts are not live: Holdfast does not answer.'
    at.className = 'lost'
    at.textContent = 'Not live: Holdfast does not answer. Trying again.'
  }
  setTimeout(whenSeen, everyMs)
}

const whenSeen = () => {
  if (document.hidden) document.addEventListener('visibilitychange', whenSeen, { once: true })
  else void refresh()
}

whenSeen()
