import { createHash } from 'node:crypto'
import { pageFiles } from './page-files.js'

/** The page as it is sent. */
export interface Document {
  /** The whole of it: one request brings everything. */
  readonly html: Buffer
  /**
   * Its Content-Security-Policy: its own script and style by their hashes, its own server for the
   * numbers, and nothing else.
   */
  readonly policy: string
}

const ICON =
  "%3Csvg xmlns='http:%2f%2fwww.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%234263eb'/%3E%3Cpath d='M4 11V5m4 6V3m4 8V7' stroke='%23fff' stroke-width='2' stroke-linecap='round'/%3E%3C/svg%3E"

let made: Promise<Document> | undefined

/** Returns the page. It is made once for all dashboards of the process. */
export function pageDocument(): Promise<Document> {
  made ??= makeDocument()
  return made
}

async function makeDocument(): Promise<Document> {
  const { script, style } = await pageFiles()
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Poolhouse</title>
<link rel="icon" href="data:image/svg+xml,${ICON}">
<style>${style}</style>
</head>
<body>
<div id="page"></div>
<noscript><p>This page shows live numbers and needs JavaScript.</p></noscript>
<script>${script}</script>
</body>
</html>
`
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
  return { html: Buffer.from(html), policy }
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
