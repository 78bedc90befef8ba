import { afterAll, describe, it } from 'vitest'
import type { OutageFigures } from '../failover/support/outage-setup.js'
import { judgeOutage, OUTAGES } from '../failover/support/outages.js'
import { ROUNDS_AND_DRIVERS } from '../support/rounds.js'

const measured: (OutageFigures & { readonly outage: string; readonly driver: string })[] = []

afterAll(() => process.stdout.write(`\n${table()}\n`))

describe.each(ROUNDS_AND_DRIVERS)(
  '6 writers and 6 readers through an outage, over $driver, round $round',
  (driver) => {
    for (const outage of OUTAGES) {
      it(outage.title, async () => {
        const figures = await judgeOutage(outage, driver)
        measured.push({ ...figures, outage: outage.name, driver: driver.driver })
      }, 120_000)
    }
  },
)

/**
 * The figures for `packages/failover/README.md`: of each outage and driver the worst of all rounds.
 */
function table(): string {
  const lines = [
    '| outage | driver | runs | writes | in doubt | failed, not done | served after promotion | longest gap of writes | of reads |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ]
  for (const { name } of OUTAGES) {
    for (const driver of new Set(measured.map((figures) => figures.driver))) {
      const runs = measured.filter(
        (figures) => figures.outage === name && figures.driver === driver,
      )
      if (runs.length === 0) continue
      const worst = (read: (figures: OutageFigures) => number | undefined): number =>
        Math.round(Math.max(...runs.map((figures) => read(figures) ?? 0)))
      const cells = [
        name,
        driver,
        runs.length,
        runs.reduce((sum, { counts }) => sum + counts.acknowledged, 0),
        worst(({ counts }) => counts.unknown),
        worst(({ counts }) => counts.notExecuted),
        `${worst(({ servedMs }) => servedMs)} ms`,
        `${worst(({ longestWriteGapMs }) => longestWriteGapMs)} ms`,
        `${worst(({ longestReadGapMs }) => longestReadGapMs)} ms`,
      ]
      lines.push(`| ${cells.join(' | ')} |`)
    }
  }
  return lines.join('\n')
}
