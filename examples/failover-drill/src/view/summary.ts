import pc from 'picocolors'
import { isKept, judge, type Promised } from '../promises.js'
import type { RoundReport } from '../report.js'
import { type Spread, statisticsOf, sum } from '../statistics.js'
import { grouped, left, right } from './text.js'

type Mark = Promised['verdict'] | 'fact'

interface Line {
  readonly mark: Mark
  readonly label: string
  readonly value: string
  readonly meaning: string
}

const MARKS: Readonly<Record<Mark, string>> = {
  kept: pc.green('✓'),
  missed: pc.yellow('!'),
  broken: pc.red('✗'),
  fact: ' ',
}

const LABEL_COLUMNS = 28
const VALUE_COLUMNS = 9

/** What came of the drill, as a table that fits 80 columns. */
export function renderSummary(reports: readonly RoundReport[]): string {
  const [first] = reports
  if (first === undefined) return ''
  const one = reports.length === 1
  return [
    '',
    ` ${pc.bold(one ? 'promised' : `promised, and the worst of ${reports.length} rounds`)}`,
    ...(one ? judge(first) : worstPromises(reports)).map(promised).map(render),
    ` ${pc.bold('observed')}`,
    ...(one ? factsOfOne(first) : factsOfAll(reports)).map(render),
    '',
    ` ${verdict(reports)}`,
  ].join('\n')
}

function factsOfOne(report: RoundReport): Line[] {
  const { writes, reads, held, oldPrimary, newPrimary } = report
  const { happened, notHappened } = writes.inDoubt
  return [
    fact(
      'writes acknowledged',
      grouped(writes.acknowledged),
      `compared with the table on ${newPrimary}`,
    ),
    fact('longest time without a write', ms(report.writeGapMs), partsOfGap(report)),
    fact('writes held (none was sent)', grouped(held.calls), `the first for ${ms(held.longestMs)}`),
    fact(
      'writes in doubt, not re-sent',
      grouped(happened + notHappened),
      `${happened} had happened, ${notHappened} had not`,
    ),
    fact('writes failed', grouped(total(writes.failed)), classes(writes.failed)),
    fact('reads served', grouped(reads.served), byNode(reads.byNode)),
    fact('  while nothing was written', grouped(reads.servedDuringWriteGap)),
    fact(`  by ${oldPrimary}, back as a replica`, grouped(reads.servedByRejoinedNode)),
    fact('reads failed', grouped(total(reads.failed) + reads.inDoubt), classes(reads.failed)),
  ]
}

function partsOfGap({ writeGapBeforePromotionMs }: RoundReport): string {
  return `${ms(writeGapBeforePromotionMs)} of it before the promotion`
}

function factsOfAll(reports: readonly RoundReport[]): Line[] {
  const statistics = statisticsOf(reports)
  const all = (pick: (report: RoundReport) => number): string => grouped(sum(reports.map(pick)))
  return [
    times('promotion to first write', statistics.promotionToFirstWriteMs),
    times('longest time without a write', statistics.longestWriteGapMs),
    times('longest time without a read', statistics.longestReadGapMs),
    times('longest hold of a write', statistics.longestHoldMs),
    fact(
      'writes acknowledged',
      all(({ writes }) => writes.acknowledged),
    ),
    fact(
      'writes held (none was sent)',
      all(({ held }) => held.calls),
    ),
    fact(
      'writes in doubt, not re-sent',
      all(({ writes: { inDoubt } }) => inDoubt.happened + inDoubt.notHappened),
      `${all(({ writes }) => writes.inDoubt.happened)} had happened, ${all(({ writes }) => writes.inDoubt.notHappened)} had not`,
    ),
    fact(
      'writes failed',
      all(({ writes }) => total(writes.failed)),
    ),
    fact(
      'reads served',
      all(({ reads }) => reads.served),
    ),
    fact(
      'reads failed',
      all(({ reads }) => total(reads.failed) + reads.inDoubt),
    ),
  ]
}

/** Each promise once, as it fared in its worst round. */
function worstPromises(reports: readonly RoundReport[]): Promised[] {
  const [first = [], ...others] = reports.map(judge)
  return first.map((promise, index) => {
    const all = [promise, ...others.map((promises) => promises[index]!)]
    return all.reduce((worst, other) => (isWorse(other, worst) ? other : worst))
  })
}

function isWorse(one: Promised, other: Promised): boolean {
  return (one.value ?? Number.POSITIVE_INFINITY) > (other.value ?? Number.POSITIVE_INFINITY)
}

function promised({ verdict, label, unit, value, meaning }: Promised): Line {
  const text = value === undefined ? 'never' : unit === 'ms' ? ms(value) : grouped(value)
  return { mark: verdict, label, value: text, meaning }
}

function fact(label: string, value: string, meaning = ''): Line {
  return { mark: 'fact', label, value, meaning }
}

function times(label: string, spread: Spread | undefined): Line {
  if (spread === undefined) return fact(label, 'never', 'in one of the rounds')
  return fact(label, ms(spread.median), `median; worst ${ms(spread.worst)}`)
}

function render({ mark, label, value, meaning }: Line): string {
  const line = ` ${MARKS[mark]} ${left(label, LABEL_COLUMNS)} ${right(pc.bold(value), VALUE_COLUMNS)}`
  return meaning === '' ? line : `${line}  ${pc.dim(meaning)}`
}

function verdict(reports: readonly RoundReport[]): string {
  if (!reports.every(isKept)) return pc.red(pc.bold('A promise was broken.'))
  const missed = reports.flatMap(judge).some((promise) => promise.verdict === 'missed')
  return pc.green(
    missed ? 'Every promise was kept, but a target was missed.' : 'Every promise was kept.',
  )
}

function total(counts: Readonly<Record<string, number>>): number {
  return sum(Object.values(counts))
}

function classes(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')
}

function byNode(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([node, count]) => `${node} ${grouped(count)}`)
    .join(', ')
}

function ms(value: number): string {
  return `${grouped(value)} ms`
}
