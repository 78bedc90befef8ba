import { ReadIntentError } from '@poolhouse/core'
import { describe, expect, test } from 'vitest'
import type { StatementClassifier } from '../../../src/classify/classification.js'
import { fingerprintOf } from '../../../src/classify/fingerprint.js'
import { LearnedStatements } from '../../../src/classify/learned-statements.js'
import { lexerClassifier } from '../../../src/classify/lexer-classifier.js'
import { TextRoutes } from '../../../src/classify/text-routes.js'

/** A classifier that counts its calls. */
function counted(mode: 'conservative' | 'optimistic' = 'optimistic'): {
  classifier: StatementClassifier
  asked: string[]
} {
  const asked: string[] = []
  const inner = lexerClassifier({ mode })
  const classify = (text: string): ReturnType<typeof inner.classify> => {
    asked.push(text)
    return inner.classify(text)
  }
  return { classifier: { mode, classify }, asked }
}

describe('the route of a text', () => {
  test('is the primary without a classifier, where only hints count', () => {
    const routes = new TextRoutes(undefined)
    expect(routes.routeOf('select 1')).toEqual({ to: 'primary', by: 'nothing' })
    expect(routes.routeOf('/* x */ select 1')).toEqual({ to: 'primary', by: 'nothing' })
    expect(routes.routeOf('/* poolhouse: read */ select f(1)')).toEqual({
      to: 'reader',
      by: 'hint',
    })
    expect(routes.routeOf('/* poolhouse: write */ select 1')).toEqual({ to: 'primary', by: 'hint' })
  })

  test('depends on the mode if a function is not known', () => {
    const conservative = new TextRoutes(lexerClassifier())
    const optimistic = new TextRoutes(lexerClassifier({ mode: 'optimistic' }))
    expect(conservative.routeOf('select f(1)').to).toBe('primary')
    expect(optimistic.routeOf('select f(1)').to).toBe('replica')
    for (const routes of [conservative, optimistic]) {
      expect(routes.routeOf('select 1')).toMatchObject({ to: 'replica', by: 'text' })
      expect(routes.routeOf('select nextval(1)')).toMatchObject({ to: 'primary', by: 'text' })
    }
  })

  test('S28: follows the hint, whatever the text says', () => {
    const routes = new TextRoutes(lexerClassifier({ mode: 'optimistic' }))
    expect(routes.routeOf('/* poolhouse: write */ select 1')).toEqual({ to: 'primary', by: 'hint' })
    expect(routes.routeOf('/* poolhouse: read */ insert into t values (1)')).toEqual({
      to: 'reader',
      by: 'hint',
    })
  })

  test.each([undefined, lexerClassifier()])(
    'S21: is an error if a hint says read and a replica would silently run the statement wrongly',
    (classifier) => {
      const routes = new TextRoutes(classifier)
      for (const text of ['select pg_advisory_lock(1)', 'set a = 1']) {
        expect(() => routes.routeOf(`/* poolhouse: read */ ${text}`)).toThrow(ReadIntentError)
      }
      expect(() => routes.routeOf('/* poolhouse: read */ select pg_advisory_lock(1)')).toThrow(
        'says that it reads, but "pg_advisory_lock" takes or gives back a lock that holds on one server only, which a replica would do without an error, and wrongly',
      )
    },
  )

  test('is decided once for each text, unless it is long', () => {
    const { classifier, asked } = counted()
    const routes = new TextRoutes(classifier)
    for (let call = 0; call < 3; call++) routes.routeOf('select 1')
    expect(asked).toEqual(['select 1'])
    const long = `select '${'x'.repeat(9_000)}'`
    for (let call = 0; call < 3; call++) routes.routeOf(long)
    expect(asked).toEqual(['select 1', long, long, long])
  })

  test('is kept for a bounded number of texts, those that were used most recently', () => {
    const { classifier, asked } = counted()
    const routes = new TextRoutes(classifier)
    for (let text = 0; text < 5_000; text++) {
      routes.routeOf(`select ${text}`)
      routes.routeOf('select always')
    }
    expect(asked.filter((text) => text === 'select always')).toHaveLength(1)
    asked.length = 0
    routes.routeOf('select 4999')
    expect(asked).toEqual([])
    routes.routeOf('select 1')
    expect(asked).toEqual(['select 1'])
  })

  test('S27: is the primary for every statement with the fingerprint of one that a replica has refused', () => {
    const routes = new TextRoutes(lexerClassifier({ mode: 'optimistic' }))
    expect(routes.routeOf("select f(1, 'a')").to).toBe('replica')
    routes.learn("select f(1, 'a')")
    for (const text of [
      "select f(1, 'a')",
      'SELECT  f(27,\n$$b$$) -- x',
      '/* y */ select f($1, $2)',
    ]) {
      expect(routes.routeOf(text)).toEqual({ to: 'primary', by: 'experience' })
    }
    expect(routes.routeOf('select g(1, 2)').to).toBe('replica')
    // A hint takes precedence.
    expect(routes.routeOf('/* poolhouse: read */ select f(1, 2)').to).toBe('reader')
  })
})

describe('a fingerprint', () => {
  test('is the same for statements that differ only in constants, case, spaces and comments', () => {
    const same = [
      'select a from t where b = 1',
      "SELECT a\nFROM t WHERE b = 'x' /* y */",
      'select a from t where b=$1',
    ]
    expect(new Set(same.map(fingerprintOf)).size).toBe(1)
  })

  test('differs with names, with their quotes, and with where they end', () => {
    const different = [
      'select a',
      'select "a"',
      'select "A"',
      'select ab',
      'select a b',
      'select a, b',
      'select (a)',
      '',
    ]
    expect(new Set(different.map(fingerprintOf)).size).toBe(different.length)
  })

  test('is hardly ever shared by another statement', () => {
    const seen = new Set<number>()
    for (let name = 0; name < 20_000; name++) seen.add(fingerprintOf(`select f${name}(1)`))
    expect(seen.size).toBe(20_000)
    for (const one of seen) expect(Number.isSafeInteger(one)).toBe(true)
  })
})

describe('learned statements', () => {
  test('are forgotten when there are too many, the least recently used first', () => {
    const learned = new LearnedStatements(3)
    for (const one of [1, 2, 3]) learned.add(one)
    expect(learned.has(1)).toBe(true)
    learned.add(4)
    expect([1, 2, 3, 4].map((one) => learned.has(one))).toEqual([true, false, true, true])
  })
})
