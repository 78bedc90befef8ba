// Writes docs/reference.md out of the doc comments of everything that the packages export, and the
// table of outcomes in docs/errors.md out of core. With `--check` it writes nothing and fails if a
// page is not what it would write.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { code, firstSentence, table } from './reference/markdown.js'
import {
  type Chapter,
  DOUBT,
  ENTRY_POINTS,
  POOLS,
  STATISTICS,
  TESTKIT,
} from './reference/outline.js'
import { PublicApi } from './reference/public-api.js'
import { writeChapter } from './reference/write-chapter.js'
import { withOutcomes } from './reference/write-outcomes.js'
import { writeChannels, writeErrors, writeEvents, writeUrl } from './reference/write-signals.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = join(root, 'docs/reference.md')
const errorPage = join(root, 'docs/errors.md')
const chapters = [...POOLS, STATISTICS, DOUBT, ...TESTKIT]
const COMMAND = 'npx -y pnpm@12 docs:reference'

function writeReference(): string {
  const api = new PublicApi(root, ENTRY_POINTS)
  const named = (pick: (chapter: Chapter) => readonly string[] | undefined): string[] =>
    chapters.flatMap((chapter) => pick(chapter) ?? [])
  const linked = new Set([
    ...named(({ options }) => options),
    ...named(({ changes }) => changes),
    ...named(({ members }) => members),
    ...named(({ words }) => words),
  ])
  const told = new Set([
    ...linked,
    ...named(({ functions }) => functions),
    'Executed',
    'PoolEvents',
    'tracing',
  ])
  const write = (chapter: Chapter): string => writeChapter(api, chapter, linked)
  const errors = readFileSync(errorPage, 'utf8')
  const [makingAPool, ...pools] = POOLS.map(write)
  return `${[
    '<!-- biome-ignore-all format: a table as wide as its longest cell cannot be read in a diff -->',
    `<!-- Made by \`${COMMAND}\` out of the doc comments. Change those. -->`,
    '# Reference',
    'Every option, call, event, statistic, error and channel. Durations are milliseconds and end in `Ms`. Unknown options are refused with the nearest known name. ' +
      'How values of columns look in JavaScript is told in [Types](types.md), the words in the [Glossary](glossary.md).',
    contents(),
    makingAPool,
    writeUrl(),
    ...pools,
    writeEvents(api),
    write(STATISTICS),
    writeErrors(api, errors),
    write(DOUBT),
    writeChannels(api),
    '# Testkit',
    ...TESTKIT.map(write),
    '# Everything else',
    'Types that the above is made of, and building blocks for your own pools and drivers.',
    ...rest(api, told),
  ].join('\n\n')}\n`
}

function contents(): string {
  const item = (title: string): string =>
    `[${title}](#${title.toLowerCase().replaceAll(/[.,]/g, '').replaceAll(' ', '-')})`
  const titles = (list: readonly Chapter[]): string[] => list.map(({ title }) => item(title))
  return [
    [
      ...titles(POOLS),
      ...['Events', 'Statistics', 'Errors', 'In doubt', 'Diagnostics channels'].map(item),
    ].join(' · '),
    `${item('Testkit')}: ${titles(TESTKIT).join(' · ')}`,
    item('Everything else'),
  ].join('\n\n')
}

function rest(api: PublicApi, told: ReadonlySet<string>): string[] {
  const seen = new Set(told)
  return api.entryPoints.flatMap(({ name, exports }) => {
    const others = [...exports.keys()].filter(
      (each) => !seen.has(each) && !/(?:Error|Event)$/.test(each),
    )
    const forgotten = others.filter(
      (each) => /^[A-Z]\w*Options$/.test(each) && each !== 'PoolhouseErrorOptions',
    )
    if (forgotten.length > 0 && !/core\/|conformance/.test(name)) {
      throw new Error(
        `${forgotten.join(', ')} of ${name}: no chapter of scripts/reference/outline.ts has it`,
      )
    }
    for (const each of others) seen.add(each)
    if (others.length === 0) return []
    const rows = others
      .sort()
      .map((each) => [code(each), firstSentence(api.docOf(exports.get(each)!))])
    return [`## ${name}`, table(['name', 'what it is'], rows)]
  })
}

/** Links lead to headings, so that no two may be the same. */
function checkHeadings(text: string): void {
  const slugs = [...text.matchAll(/^#+ (.+)$/gm)].map((match) => match[1]!.toLowerCase())
  const twice = slugs.filter((slug, index) => slugs.indexOf(slug) !== index)
  if (twice.length > 0) throw new Error(`two headings are called ${twice.join(', ')}`)
}

const reference = writeReference()
checkHeadings(reference)
publish(page, reference)
publish(errorPage, withOutcomes(readFileSync(errorPage, 'utf8')))

function publish(path: string, text: string): void {
  if (!process.argv.includes('--check')) writeFileSync(path, text)
  else if (readFileSync(path, 'utf8') !== text) {
    console.error(`${relative(root, path)} is not what the sources say; run ${COMMAND}`)
    process.exitCode = 1
  }
}
