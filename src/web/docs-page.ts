import { accept, REFUSALS } from '#kernel/index.ts'
import { route } from '#platform/index.ts'
import type { AnyRoute } from '#platform/index.ts'
import { html } from '#platform/http/index.ts'
import type { Html } from '#platform/http/index.ts'
import { framed } from './frame.ts'

/** `/docs`: every route and every refusal code, from the declarations themselves. */
export function docsRoute(routes: () => readonly AnyRoute[]): AnyRoute {
  return route({
    method: 'GET',
    path: '/docs',
    summary: 'Every route and refusal code (a page).',
    access: { kind: 'public' },
    audit: { none: 'read' },
    handle: async () =>
      accept(
        framed({
          title: 'API',
          main: html`<h1>API</h1>
            <p>
              Requests and replies are JSON; fields and types are in
              <a href="/openapi.json">the OpenAPI 3.1 document</a>. A refusal is
              <code>application/problem+json</code> (RFC 9457) with one of the codes below.
            </p>
            <p>Send an API key as <code>Authorization: Bearer hfk_…</code>.</p>
            <div class="scroll">
              <table>
                <caption>
                  Routes
                </caption>
                <thead>
                  <tr>
                    <th scope="col">Route</th>
                    <th scope="col">What it does</th>
                    <th scope="col">Who may</th>
                  </tr>
                </thead>
                <tbody>
                  ${routes().map((one) => routeRow(one))}
                </tbody>
              </table>
            </div>
            <div class="scroll">
              <table>
                <caption>
                  Refusal codes
                </caption>
                <thead>
                  <tr>
                    <th scope="col">Code</th>
                    <th scope="col">Meaning</th>
                    <th scope="col" class="number">HTTP</th>
                  </tr>
                </thead>
                <tbody>
                  ${Object.entries(REFUSALS).map(([code, row]) => codeRow(code, row))}
                </tbody>
              </table>
            </div>`,
        }),
      ),
  })
}

const routeRow = (one: AnyRoute): Html =>
  html`<tr>
    <th scope="row"><code>${one.method} ${one.path.replaceAll(/:(\w+)/g, '{$1}')}</code></th>
    <td>${one.summary}</td>
    <td class="whole">
      ${one.access.kind === 'scope' ? html`<code>${one.access.scope}</code>` : whoMay(one.access.kind)}
    </td>
  </tr> `

const codeRow = (code: string, row: { http: number; means: string }): Html =>
  html`<tr id="error-${code}">
    <th scope="row"><code>${code}</code></th>
    <td>${row.means}</td>
    <td class="number">${row.http}</td>
  </tr> `

function whoMay(kind: 'public' | 'order_token' | 'signature' | 'internal'): string {
  switch (kind) {
    case 'public':
      return 'anyone'
    case 'order_token':
      return 'the bearer of the order’s token'
    case 'signature':
      return 'a partner, by signature'
    case 'internal':
      return 'another role of this installation'
    default:
      return kind satisfies never
  }
}
