import type { Pool } from '@poolhouse/core'

const ROWS = 1_000_000
const ROWS_IN_A_PIECE = 2_000
/** Far more than the pieces under way, far less than a million rows. */
const MOST_HEAP_MB = 100

/**
 * COPY in, a cursor over all of it, COPY out: a million rows each time, and never more than a few
 * of them in memory.
 */
export async function showBulk(db: Pool): Promise<void> {
  await db.query('create table readings (id int, sensor int, value float8)')

  const copyIn = new Measured('copy in')
  const { rowCount } = await db.copyFrom('copy readings from stdin', readings(copyIn))
  copyIn.tell(`${rowCount} rows`)

  const cursor = new Measured('cursor')
  let sum = 0
  const select = 'select id, sensor, value from readings'
  for await (const row of db.stream<{ value: number }>(select, [], { batchSize: 1_000 })) {
    sum += row.value
    cursor.step()
  }
  cursor.tell(`${cursor.steps} rows, mean ${(sum / cursor.steps).toFixed(3)}`)

  const copyOut = new Measured('copy out')
  let bytes = 0
  for await (const piece of db.copyTo('copy readings to stdout')) {
    bytes += piece.byteLength
    copyOut.step()
  }
  copyOut.tell(`${(bytes / 1e6).toFixed(1)} MB in ${copyOut.steps} pieces`)
}

/**
 * What a file or an HTTP request would deliver: text, a piece at a time, made only when the server
 * takes it.
 */
function* readings(measured: Measured): Generator<string> {
  for (let id = 1; id <= ROWS; id += ROWS_IN_A_PIECE) {
    let piece = ''
    for (let row = id; row < id + ROWS_IN_A_PIECE; row += 1) {
      piece += `${row}\t${row % 97}\t${(row % 1_000) / 1_000}\n`
    }
    measured.step()
    yield piece
  }
}

/** Time, and the most heap that was seen on the way. */
class Measured {
  readonly #name: string
  readonly #began = performance.now()
  #heap = 0
  steps = 0

  constructor(name: string) {
    this.#name = name
  }

  step(): void {
    this.steps += 1
    if (this.steps % 100 === 0) this.#heap = Math.max(this.#heap, process.memoryUsage().heapUsed)
  }

  tell(what: string): void {
    const seconds = ((performance.now() - this.#began) / 1_000).toFixed(1)
    const heap = Math.round(this.#heap / 2 ** 20)
    console.log(`${this.#name.padEnd(9)} ${what}, ${seconds} s, heap at most ${heap} MB`)
    if (heap > MOST_HEAP_MB) throw new Error(`${this.#name} needed ${heap} MB of heap`)
  }
}
