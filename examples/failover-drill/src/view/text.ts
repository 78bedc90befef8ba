import pc from 'picocolors'
import type { Voice } from '../scoreboard.js'

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with the escape character
const ESCAPES = /\u001b\[[\d;]*m/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same, to split at
const PIECES = /(\u001b\[[\d;]*m)/

/** How many columns a line takes. Every character of ours takes one. */
export function widthOf(line: string): number {
  return [...line.replace(ESCAPES, '')].length
}

/** Cuts a line to a number of columns and keeps its colours whole. */
export function cut(line: string, columns: number): string {
  if (widthOf(line) <= columns) return line
  let room = columns - 1
  let result = ''
  for (const piece of line.split(PIECES)) {
    if (PIECES.test(piece)) {
      result += piece // colours take no room, and the ones that end must stay
      continue
    }
    const part = [...piece].slice(0, room).join('')
    room -= [...part].length
    result += part
    if (room === 0 && !result.includes('…')) result += '…'
  }
  return result
}

/** Pads on the right to a number of columns, colours not counted. */
export function left(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)))
}

/** Pads on the left to a number of columns, colours not counted. */
export function right(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - widthOf(text))) + text
}

/** A whole number with thin groups: 12 345. */
export function grouped(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(?:\d{3})+$)/g, ' ')
}

/** Seconds since the beginning: `3.51 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}

const COLOURS: Readonly<Record<Voice, (text: string) => string>> = {
  drill: pc.yellow,
  pool: pc.cyan,
  alarm: pc.red,
}

/** The name of who speaks, in its colour, always five columns wide. */
export function voiceTag(voice: Voice): string {
  return COLOURS[voice](left(voice, 5))
}
