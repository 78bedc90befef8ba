import { afterAll, describe, it } from 'vitest'
import { judgeReads, READ_OUTAGES, type ReadFigures } from '../read-replicas/read-outages.js'
import { ROUNDS_AND_DRIVERS } from '../support/rounds.js'

const measured: (ReadFigures & { readonly outage: string; readonly driver: string })[] = []

afterAll(() => process.stdout.write(`\n${table()}\n`))

describe.each(ROUNDS_AND_DRIVERS)(
  'sessions, users with cookies and readers of an endpoint see nothing stale, backwards or lost, over $driver, round $round, through',
  (driver) => {
    for (const outage of READ_OUTAGES) {
      it(outage.title, async () => {
        const figures = await judgeReads(outage, driver.make())
        measured.push({ ...figures, outage: outage.name, driver: driver.driver })
      }, 120_000)
    }
  },
)

/** The sums of all rounds, of those runs in which nothing was wrong. */
function table(): string {
  const lines = [
    '| outage | driver | runs | operations | reads | stale, backwards or lost | longest gap of reads |',
    '| --- | --- | --- | --- | --- | --- | --- |',
  ]
  for (const { name } of READ_OUTAGES) {
    for (const driver of new Set(measured.map((figures) => figures.driver))) {
      const runs = measured.filter(
        (figures) => figures.outage === name && figures.driver === driver,
      )
      if (runs.length === 0) continue
      const sum = (read: (figures: ReadFigures) => number): number =>
        runs.reduce((total, figures) => total + read(figures), 0)
      const gap = Math.round(Math.max(...runs.map(({ longestReadGapMs }) => longestReadGapMs)))
      const cells = [
        name,
        driver,
        runs.length,
        sum(({ operations }) => operations),
        sum(({ reads }) => reads),
        sum(({ violations }) => violations.length),
        `${gap} ms`,
      ]
      lines.push(`| ${cells.join(' | ')} |`)
    }
  }
  return lines.join('\n')
}
