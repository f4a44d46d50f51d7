import { accept } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute } from '#platform/index.ts'
import { html } from '#platform/http/index.ts'
import { framed } from './frame.ts'

/** `/`: what runs here. The storefront is not built yet, and the page says so. */
export function homeRoute(): AnyRoute {
  return route({
    method: 'GET',
    path: '/',
    summary: 'What runs here (a page).',
    access: { kind: 'public' },
    audit: { none: 'read' },
    handle: async () =>
      accept(
        framed({
          title: 'Home',
          main: html`<h1>Holdfast runs here</h1>
            <p>
              It takes a shop’s orders, keeps its stock, holds what a person must review, and hands
              the rest to fulfillment partners, each order once.
            </p>
            <p>The storefront pages are not built yet; the store’s API is.</p>
            <h2>What there is</h2>
            <ul>
              <li>
                <a href="/console">Console</a>: where orders are, and what waits for a person.
              </li>
              <li>
                <a href="/docs">API</a>: every route, and every refusal code. The same as
                <a href="/openapi.json">OpenAPI 3.1</a>.
              </li>
              <li><a href="/store/products">Products</a> that are for sale, as JSON.</li>
              <li><a href="/metrics">Metrics</a> for Prometheus.</li>
              <li>
                <a href="/healthz">Alive</a> and <a href="/readyz">ready</a>, for whoever watches
                over processes.
              </li>
            </ul>`,
        }),
      ),
  })
}
