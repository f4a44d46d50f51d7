import { readFileSync } from 'node:fs'
import type { RouteReply } from '#platform/index.ts'
import { html, inline, pageReply } from '#platform/http/index.ts'
import type { Html, Inline } from '#platform/http/index.ts'

const style = inline(readFileSync(new URL('style.css', import.meta.url), 'utf8'))

/** A page in the house frame: header with the ways out, one main part, a footer. */
export function framed(page: {
  readonly title: string
  readonly main: Html
  readonly actions?: Html
  readonly script?: Inline
  readonly status?: number
}): RouteReply {
  const { title, main, actions, ...rest } = page
  const body = html`<header>
      <a class="brand" href="/">Holdfast</a>
      <nav aria-label="Pages">
        <a href="/console">Console</a>
        <a href="/docs">API</a>
        ${actions}
      </nav>
    </header>
    <main>${main}</main>
    <footer>
      An order is shipped once or not at all, never by accident and never in silence.
    </footer>`
  return pageReply({ title: `${title} · Holdfast`, style, body, ...rest })
}
