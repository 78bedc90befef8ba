import { SqlStatements, TOKEN } from '@poolhouse/core/sql'
import { SeededRandom } from '@poolhouse/core/testing'
import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { everyServer } from '../support/every-server.js'
import { hostileTexts } from './hostile-texts.js'

const SEED = Number(process.env['POOLHOUSE_LEXER_SEED'] ?? Date.now() % 1_000_000_007)
const TEXTS = 400

// Where the command tag is not the first word.
const TAGS: Readonly<Record<string, string>> = {
  END: 'COMMIT',
  ABORT: 'ROLLBACK',
  VALUES: 'SELECT',
  '(': 'SELECT',
  WITH: 'SELECT',
  EXECUTE: 'SELECT',
}

/**
 * The command tags, up to the first space, that the statements would have which we see in the text.
 */
function ourTags(text: string, escapes: boolean): string[] {
  const statements = new SqlStatements(text, escapes ? 'escape' : 'literal')
  const tags: string[] = []
  for (let kind = statements.next(); kind !== TOKEN.end; kind = statements.next()) {
    if (!statements.isFirst) continue
    const { start, end } = statements.lexer
    const word = text.slice(start, end).toUpperCase()
    tags.push(TAGS[word] ?? word)
  }
  return tags
}

const servers = everyServer().filter(({ driver }) => driver === 'nodePostgres')
const cases = servers.flatMap((server) => [
  { ...server, setting: 'on' },
  { ...server, setting: 'off' },
])

describe.each(cases)(
  'PostgreSQL $version with standard_conforming_strings $setting',
  ({ cluster, setting }) => {
    it(`T07: executes the statements that we see, of hundreds of hostile texts; seed ${SEED}`, async () => {
      const { primary } = await cluster()
      const client = new Client({ connectionString: primary.url })
      await client.connect()
      try {
        await client.query('drop schema if exists s cascade')
        const random = new SeededRandom(SEED)
        let agreed = 0
        for (const text of hostileTexts(random, TEXTS)) {
          await client.query('rollback')
          await client.query('discard all')
          await client.query(`set standard_conforming_strings = ${setting}`)
          const ours = ourTags(text, setting === 'off')
          let results: { command: string | null }[]
          try {
            results = [await client.query(text)].flat()
          } catch (error) {
            // What is refused as a whole does nothing. Anything else would have been found by
            // parsing it.
            expect((error as { code?: string }).code, JSON.stringify(text)).toMatch(
              /^(?:42|22|25|0A|2D|3F|P0|2F|26)/,
            )
            continue
          }
          // An empty text is answered without a tag.
          const theirs = results.map(({ command }) => command).filter((command) => command !== null)
          expect(ours, `seed ${SEED}: ${JSON.stringify(text)}`).toEqual(theirs)
          agreed++
        }
        expect(agreed).toBeGreaterThan(TEXTS / 2)
      } finally {
        await client.end()
      }
    })
  },
)
