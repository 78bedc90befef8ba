import type { Intent } from '@poolhouse/core'
import { nearestName } from '@poolhouse/core/kit'
import { endOfComment, endOfLine } from '@poolhouse/core/sql'

const PREFIX = 'poolhouse:'
const INTENTS: readonly Intent[] = ['read', 'write']

/**
 * The intent that a comment before the first word of a statement declares: a block comment
 * `poolhouse: read`, or `-- poolhouse: write` on a line of its own. Other comments may precede it.
 * Undefined if there is none. Comments after the first word are never looked at.
 *
 * Throws `TypeError` for a hint that says anything else.
 */
export function hintOf(text: string): Intent | undefined {
  let index = 0
  for (;;) {
    const code = text.charCodeAt(index)
    if (code === 0x20 || (code >= 0x09 && code <= 0x0d)) {
      index++
      continue
    }
    const next = text.charCodeAt(index + 1)
    const isLine = code === 0x2d /* - */ && next === 0x2d
    const isBlock = code === 0x2f /* / */ && next === 0x2a /* * */
    if (!isLine && !isBlock) return undefined
    const end = isLine ? endOfLine(text, index + 2) : endOfComment(text, index)
    // The comment does not end, so the server would not find a statement either.
    if (end === -1) return undefined
    const intent = intentOf(text.slice(index + 2, isLine ? end : end - 2))
    if (intent !== undefined) return intent
    index = end
  }
}

/** Whether a text may begin with a hint. Looks at one character only. */
export function mayHint(text: string): boolean {
  const code = text.charCodeAt(0)
  return code === 0x2f || code === 0x2d || code <= 0x20
}

function intentOf(comment: string): Intent | undefined {
  const body = comment.trim()
  if (!body.toLowerCase().startsWith(PREFIX)) return undefined
  const word = body.slice(PREFIX.length).trim().toLowerCase()
  const intent = INTENTS.find((known) => known === word)
  if (intent !== undefined) return intent
  const shown = JSON.stringify(word.length > 40 ? `${word.slice(0, 40)}…` : word)
  const near = word.length > 40 ? undefined : nearestName(word, INTENTS)
  throw new TypeError(
    `the comment before the statement says "poolhouse:" and then ${shown}, but a hint is "read" or "write"` +
      (near === undefined ? '' : `; did you mean "${near}"?`),
  )
}
