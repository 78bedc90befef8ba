import { type Corner, NOT_RUN } from './corners.js'
import {
  ASPECTS,
  type Aspect,
  type CornerResult,
  DRIVERS_OF_PAGE,
  type Finding,
  type Results,
} from './finding.js'

const HEADINGS: Readonly<Record<Aspect, string>> = {
  driver: 'driver suite',
  pool: 'pool suite',
  cleaning: 'cleaning',
  cancel: 'cancel',
  copy: 'COPY',
  listen: 'LISTEN',
  parameters: 'start-up parameters',
  replicas: 'replicas',
  failover: 'failover',
}

const NOT_YET = 'no run so far'

/** The page `docs/compatibility.md` for these corners. Notes are numbered as they come. */
export function compatibilityPage(corners: readonly Corner[], results: Results): string {
  const notes = new Notes()
  const rows = corners.map((corner) => row(corner, results[corner.name], notes))
  return `${[
    '<!-- biome-ignore-all format: a table as wide as its longest cell cannot be read in a diff -->',
    '<!-- Made by `npx -y pnpm@12 matrix` from runs of real servers; `pnpm matrix --page` writes it anew from docs/compatibility.json. -->',
    '# Compatibility',
    'What Poolhouse does on each server, and behind each pooler and proxy. Every cell is the result of a run over both drivers, `pg` and postgres.js; where they differ, the cell names them. ' +
      'No server here is simulated.',
    [
      '- **✓**: as on a server without anything in between. A number says how many cases of a conformance suite passed.',
      '- **limit**: it works, but for what the note says.',
      '- **refused**: it cannot work here, and the call rejects with the error in the note instead of doing something else.',
      '- **not run**: the note says why.',
    ].join('\n'),
    'The columns: the conformance suites of drivers and of pools (`@poolhouse/testkit/conformance`); whether the next borrower of a connection meets an open transaction, a setting, ' +
      'a temporary table or a lock of the last one; whether a statement past its deadline ends on the server, and no other one does; COPY in and out; subscriptions; whether a session has the ' +
      '`connection.parameters` that were asked for; whether bounded reads reach a replica while a session sees its own writes; and whether writes go on after the death of the primary, ' +
      'with nothing lost, doubled or told wrong.',
    table(
      [
        'server, and what stands before it',
        'pool option',
        ...ASPECTS.map((aspect) => HEADINGS[aspect]),
      ],
      rows,
    ),
    '## Notes',
    notes.list(),
    '## Cases that differ',
    differences(corners, results) || 'None.',
    '## What was run',
    table(
      ['server, and what stands before it', 'pool option', 'versions', 'last run'],
      corners.map((corner) => {
        const { versions = {}, date = NOT_YET } = results[corner.name] ?? {}
        const listed = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
        return [corner.title, given(corner), listed.join(', ') || NOT_YET, date]
      }),
    ),
    '## What was not run',
    table(
      ['what', 'why'],
      Object.entries(NOT_RUN).map(([what, why]) => [what, why]),
    ),
    'What to declare and what to know: [PgBouncer](guides/pgbouncer.md) · [PGlite](guides/pglite.md) · [HAProxy](guides/haproxy.md) · [Patroni](guides/patroni.md). ' +
      'How to run it: [Contributing](../CONTRIBUTING.md).',
  ].join('\n\n')}\n`
}

function row(corner: Corner, result: CornerResult | undefined, notes: Notes): string[] {
  const cells = ASPECTS.map((aspect) => {
    const [one, other] = DRIVERS_OF_PAGE.map((driver) => {
      const reason = corner.notRun?.[aspect] ?? NOT_YET
      const found = corner.notRun?.[aspect] ? undefined : result?.findings[driver]?.[aspect]
      return described(found ?? { is: 'not run', reason }, notes)
    })
    if (one === other) return one!
    return DRIVERS_OF_PAGE.map((driver, index) => `${driver}: ${[one, other][index]}`).join('; ')
  })
  return [corner.title, given(corner), ...cells]
}

function given({ given }: Corner): string {
  return given === '' ? 'none' : `\`${given}\``
}

/** The text of a cell. */
function described(finding: Finding, notes: Notes): string {
  switch (finding.is) {
    case 'works': {
      const note = finding.note === undefined ? '' : ` (${notes.number(finding.note)})`
      return `✓${finding.passed === undefined ? '' : ` ${finding.passed}`}${note}`
    }
    case 'limit': {
      const { passed, differs } = finding
      if (passed === undefined) return `limit (${notes.number(finding.reason)})`
      const count = Object.keys(differs ?? {}).length
      return `limit: ${passed} of ${passed + count}, [why](#cases-that-differ)`
    }
    case 'refused':
      return `refused (${notes.number(`\`${finding.error.replaceAll('`', "'")}\``)})`
    case 'not run':
      return `not run (${notes.number(finding.reason)})`
    case 'fails':
      return `✗ (${notes.number(finding.what)})`
  }
}

/** Of each suite and corner the cases by their reason, with equal ones told once. */
function differences(corners: readonly Corner[], results: Results): string {
  const told = new Map<string, string[]>()
  for (const corner of corners) {
    for (const suite of ['driver', 'pool'] as const) {
      const reasons = new Map<string, Set<string>>()
      for (const driver of DRIVERS_OF_PAGE) {
        const finding = results[corner.name]?.findings[driver]?.[suite]
        if (finding?.is !== 'limit') continue
        for (const [title, reason] of Object.entries(finding.differs ?? {})) {
          const titles = reasons.get(reason) ?? new Set()
          reasons.set(reason, titles.add(title))
        }
      }
      if (reasons.size === 0) continue
      const option = corner.given === '' ? '' : `, ${given(corner)}`
      const where = `${corner.title}${option}: ${HEADINGS[suite]}`
      const text = [...reasons]
        .map(
          ([reason, titles]) =>
            `- ${reason}\n${[...titles].map((title) => `  - ${title}\n`).join('')}`,
        )
        .join('')
      told.set(text, [...(told.get(text) ?? []), where])
    }
  }
  return [...told]
    .map(([text, where]) => `### ${where.join('; ')}\n\n${text.trimEnd()}`)
    .join('\n\n')
}

/** Notes by their numbers; equal ones have one. */
class Notes {
  readonly #texts: string[] = []

  number(text: string): number {
    const known = this.#texts.indexOf(text)
    return known === -1 ? this.#texts.push(text) : known + 1
  }

  list(): string {
    return this.#texts.map((text, index) => `${index + 1}. ${text}`).join('\n') || 'None.'
  }
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
