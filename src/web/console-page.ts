import { readFileSync } from 'node:fs'
import { accept } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute, RouteReply } from '#platform/index.ts'
import { html, inline } from '#platform/http/index.ts'
import type { Html } from '#platform/http/index.ts'
import { ageText } from './age-text.ts'
import { framed } from './frame.ts'
import type { Counted, ReadStats, Stats } from './stats.ts'

const live = readFileSync(new URL('console-live.js', import.meta.url), 'utf8')
const script = inline(`{\n${ageText.toString()}\n${live}}\n`)

/** `/console`: what waits for a person and where orders are, live; a notice where nobody is logged in. */
export function consoleRoute(stats: ReadStats): AnyRoute {
  return route({
    method: 'GET',
    path: '/console',
    summary: 'Operations console (a page).',
    access: { kind: 'public' },
    audit: { none: 'read' },
    handle: async ({ caller }) =>
      accept(caller.scopes.has('admin:read') ? consolePage(await stats()) : loginNotice()),
  })
}

/** `/admin/stats`: the counts that the console shows. */
export function statsRoute(stats: ReadStats): AnyRoute {
  return route({
    method: 'GET',
    path: '/admin/stats',
    summary: 'Orders by stage and work lists, counted now.',
    access: { kind: 'scope', scope: 'admin:read' },
    audit: { none: 'read' },
    handle: async () => accept({ status: 200, body: await stats() }),
  })
}

function consolePage(stats: Stats): RouteReply {
  return framed({
    title: 'Console',
    script,
    actions: html`<form method="post" action="/console/logout">
      <button class="quiet">Log out</button>
    </form>`,
    main: html`<h1>Operations</h1>
      <p id="at" class="soft">As of this page load.</p>
      <p id="told" class="unseen" role="status" aria-live="polite"></p>
      <section aria-labelledby="work">
        <h2 id="work">Waiting for a person</h2>
        ${stats.work_lists.length === 0 && html`<p class="soft">Nothing waits for a person here.</p>`}
        <ul class="tiles">
          ${stats.work_lists.map((item) => tile(item))}
        </ul>
      </section>
      <div class="scroll">
        <table>
          <caption>
            Orders by stage
          </caption>
          <thead>
            <tr>
              <th scope="col">Stage</th>
              <th scope="col" class="number">Orders</th>
              <th scope="col" class="number">Oldest</th>
            </tr>
          </thead>
          <tbody>
            ${stats.stages.map((stage) => stageRow(stage))}
          </tbody>
        </table>
      </div>`,
  })
}

const tile = (item: Counted): Html =>
  html`<li data-id="work-${item.id}" class="${item.count > 0 && 'loud'}">
    <span>${linked(item)}</span>
    <strong data-count>${item.count.toLocaleString('en')}</strong>
    <span class="soft">oldest <span data-age>${ageText(item.oldest_seconds)}</span></span>
  </li> `

const stageRow = (stage: Counted): Html =>
  html`<tr data-id="stage-${stage.id}">
    <th scope="row">${linked(stage)}</th>
    <td class="number ${stage.count === 0 && 'zero'}" data-count>
      ${stage.count.toLocaleString('en')}
    </td>
    <td class="number" data-age>${ageText(stage.oldest_seconds)}</td>
  </tr> `

const linked = (item: Counted): Html =>
  item.href === undefined ? html`${item.label}` : html`<a href="${item.href}">${item.label}</a>`

function loginNotice(): RouteReply {
  return framed({
    title: 'Log in',
    status: 401,
    main: html`<h1>Nobody is logged in</h1>
      <p>
        The console opens with a one-time login. <code>npm start</code> prints one; it is good for
        15 minutes and for one use.
      </p>`,
  })
}
