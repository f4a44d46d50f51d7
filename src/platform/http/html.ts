import { sha256 } from '#kernel/index.ts'
import type { RouteReply } from './route.ts'

const MARK = Symbol('html')

/** Text that is already HTML: made by the `html` tag alone, so that nothing enters a page unescaped. */
export type Html = { readonly [MARK]: string }
type Piece = string | number | Html | readonly Html[] | undefined | false

/** An HTML fragment. Strings and numbers are escaped, fragments and lists of them are not. */
export function html(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  let text = strings[0] ?? ''
  for (const [index, piece] of pieces.entries()) text += textOf(piece) + (strings[index + 1] ?? '')
  return { [MARK]: text }
}

/** A style or script that stands in the page itself, with the hash that lets the CSP admit it. */
export type Inline = { readonly text: string; readonly source: string }

/** Wraps the constant text of a style or script. Never give it anything that a user wrote. */
export function inline(text: string): Inline {
  return { text, source: `'sha256-${sha256(text).toString('base64')}'` }
}

/** A whole page with a Content-Security-Policy that admits its own style and script and no other. */
export function pageReply(page: {
  readonly title: string
  readonly style: Inline
  readonly script?: Inline
  readonly body: Html
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
}): RouteReply {
  const script = page.script ? { [MARK]: `<script>${page.script.text}</script>` } : undefined
  const document = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${page.title}</title>
        <link rel="icon" href="data:," />
        ${{ [MARK]: `<style>${page.style.text}</style>` }}
      </head>
      <body>
        ${page.body} ${script}
      </body>
    </html> `
  return {
    status: page.status ?? 200,
    body: document[MARK],
    contentType: 'text/html; charset=utf-8',
    headers: {
      'cache-control': 'no-store',
      'content-security-policy': policy(page.style, page.script),
      ...page.headers,
    },
  }
}

function policy(style: Inline, script: Inline | undefined): string {
  return [
    `default-src 'none'`,
    `style-src ${style.source}`,
    `script-src ${script?.source ?? `'none'`}`,
    `connect-src 'self'`,
    `img-src 'self' data:`,
    `form-action 'self'`,
    `base-uri 'none'`,
    `frame-ancestors 'none'`,
  ].join('; ')
}

function textOf(piece: Piece): string {
  if (piece === undefined || piece === false) return ''
  if (typeof piece === 'number') return String(piece)
  if (typeof piece === 'string') return escapeHtml(piece)
  return MARK in piece ? piece[MARK] : piece.map((one) => one[MARK]).join('')
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (letter) => ENTITIES[letter] ?? '')
}
