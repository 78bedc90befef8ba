import type { WriteStream } from 'node:tty'
import type { RoundReport } from '../report.js'
import type { Entry, Scoreboard } from '../scoreboard.js'
import { renderFrame } from './frame.js'
import { renderSummary } from './summary.js'
import type { View } from './view.js'

const REDRAW_EVERY_MS = 100
const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
// Terminals that know this show a frame only when it is whole; others ignore it.
const BEGIN_FRAME = '\x1b[?2026h'
const END_FRAME = '\x1b[?2026l'
const CLEAR_TO_END_OF_LINE = '\x1b[K'
const CLEAR_BELOW = '\x1b[J'
const CLEAR_SCREEN = '\x1b[2J\x1b[H'

/** Redraws one picture in place, ten times a second, below what the terminal already shows. */
export class LiveView implements View {
  readonly #terminal: WriteStream
  readonly #notices: string[] = []
  readonly #onResize = (): void => this.#startOver()
  // However the process ends, a shell without a cursor must not be left behind.
  readonly #onExit = (): void => {
    this.#terminal.write(SHOW_CURSOR)
  }
  #board: Scoreboard | undefined
  #timer: NodeJS.Timeout | undefined
  /** Lines of the picture on the screen; the cursor stands below them. */
  #height = 0

  /** Draws on `terminal`. */
  constructor(terminal: WriteStream) {
    this.#terminal = terminal
  }

  begin(board: Scoreboard): void {
    this.#board = board
    this.#height = 0
    this.#terminal.write(HIDE_CURSOR)
    this.#terminal.on('resize', this.#onResize)
    process.once('exit', this.#onExit)
    this.#timer = setInterval(() => this.#draw(), REDRAW_EVERY_MS)
    this.#draw()
  }

  tell(_entry: Entry): void {
    // The next picture shows it: the board keeps the time line.
  }

  notice(text: string): void {
    this.#notices.push(text)
    if (this.#timer !== undefined) this.#draw()
    else this.#terminal.write(`${text}\n`)
  }

  end(): void {
    if (this.#timer === undefined) return
    this.#draw()
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#terminal.off('resize', this.#onResize)
    process.off('exit', this.#onExit)
    this.#terminal.write(SHOW_CURSOR)
  }

  finish(reports: readonly RoundReport[]): void {
    this.#terminal.write(`${renderSummary(reports)}\n`)
  }

  #startOver(): void {
    this.#height = 0
    this.#terminal.write(CLEAR_SCREEN)
    this.#draw()
  }

  #draw(): void {
    if (this.#board === undefined) return
    const { columns = 80, rows = 24 } = this.#terminal
    // The last row stays free: a line break there would scroll the picture away from where it is
    // redrawn.
    const frame = renderFrame(this.#board, { columns, rows: rows - 1 - this.#notices.length })
    const lines = [...frame, ...this.#notices]
    const up = this.#height === 0 ? '' : `\x1b[${this.#height}A`
    const picture = lines.map((line) => `${line}${CLEAR_TO_END_OF_LINE}\n`).join('')
    this.#terminal.write(`${BEGIN_FRAME}${up}\r${picture}${CLEAR_BELOW}${END_FRAME}`)
    this.#height = lines.length
  }
}
