import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { pageDocument } from '../../../src/server/document.js'

const { html, policy } = await pageDocument()
const text = html.toString()

function between(open: string, close: string): string {
  const from = text.indexOf(open) + open.length
  return text.slice(from, text.indexOf(close, from))
}

test('the page has no address of another place in it', () => {
  expect(text.match(/\bhttps?:\/\/[^\s"']+/g)).toBeNull()
  expect(text.match(/\b(?:src|href|action)\s*=\s*["']?\/\//g)).toBeNull()
})

test('its policy allows its own script and style by their hashes, and nothing besides', () => {
  const hash = (part: string) => `sha256-${createHash('sha256').update(part).digest('base64')}`
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain(`script-src '${hash(between('<script>', '</script>'))}'`)
  expect(policy).toContain(`style-src '${hash(between('<style>', '</style>'))}'`)
  expect(policy).not.toContain('unsafe')
})

test('it is small: one request of less than 120 kB', () => {
  expect(html.length).toBeGreaterThan(30_000)
  expect(html.length).toBeLessThan(120_000)
})

test('it says what it is without JavaScript, and in which language', () => {
  expect(text).toContain('<html lang="en">')
  expect(text).toContain('<noscript>')
})
