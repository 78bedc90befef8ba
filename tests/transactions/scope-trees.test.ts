import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type ConnectionPool,
  createPool,
  type PoolhouseError,
  type Transaction,
} from '@poolhouse/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everyServer } from '../support/every-server.js'

const ROUNDS = 30
const KINDS = ['insert', 'insert', 'copy', 'stream', 'refused', 'twice'] as const

/**
 * One step of a random work: a statement that leaves the row `n`, one that fails, or a savepoint
 * with steps of its own.
 */
interface Step {
  readonly n: number
  readonly kind: (typeof KINDS)[number] | 'savepoint'
  readonly steps: readonly Step[]
  readonly throws: boolean
  readonly givesUpWithFirst: boolean
}

/** Numbers from 0 to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

function randomStep(random: () => number, next: () => number, depth: number): Step {
  const n = next()
  const isLeaf = depth > 3 || random() < 0.45
  return {
    n,
    kind: isLeaf ? KINDS[Math.floor(random() * KINDS.length)]! : 'savepoint',
    throws: random() < 0.25,
    givesUpWithFirst: random() < 0.7,
    steps: isLeaf
      ? []
      : Array.from({ length: 1 + Math.floor(random() * 3) }, () =>
          randomStep(random, next, depth + 1),
        ),
  }
}

/**
 * Runs steps side by side; `done` is told which were acknowledged, `strayed` which ran in another
 * one's async context.
 */
class Runner {
  readonly done = new Set<number>()
  readonly strayed: number[] = []
  readonly #context = new AsyncLocalStorage<number>()

  run(scope: Transaction, step: Step): Promise<void> {
    return this.#context.run(step.n, async () => {
      await this.#carryOut(scope, step)
      this.done.add(step.n)
    })
  }

  async #carryOut(scope: Transaction, { kind, n, ...rest }: Step): Promise<void> {
    const insert = 'insert into scope_trees values ($1)'
    switch (kind) {
      case 'insert':
        await scope.query(insert, [n])
        return
      case 'copy':
        await scope.copyFrom('copy scope_trees from stdin', [`${n}\n`])
        return
      case 'stream':
        for await (const _ of scope.stream(`${insert} returning n`, [n]));
        return
      case 'refused':
        await scope.query('select 1/0')
        return
      case 'twice':
        await scope.savepoint(async (inner) => {
          await inner.query(insert, [n])
          await inner.query(insert, [n])
        })
        return
      case 'savepoint':
        await scope.savepoint(async (inner) => {
          if (this.#context.getStore() !== n) this.strayed.push(n)
          const calls = rest.steps.map((step) => this.run(inner, step))
          await (rest.givesUpWithFirst ? Promise.all(calls) : Promise.allSettled(calls))
          if (rest.throws) throw new Error('on purpose')
        })
    }
  }
}

/** The rows that must be there: acknowledged, in scopes that were acknowledged. */
function acknowledged(steps: readonly Step[], done: ReadonlySet<number>): number[] {
  return steps
    .filter(({ n }) => done.has(n))
    .flatMap((step) => (step.kind === 'savepoint' ? acknowledged(step.steps, done) : [step.n]))
}

describe.each(everyServer())(
  'random trees of savepoints over $driver on PostgreSQL $version',
  ({ make, cluster }) => {
    let pool: ConnectionPool
    beforeAll(async () => {
      const { primary } = await cluster()
      await primary.sql(
        'drop table if exists scope_trees; create table scope_trees (n int primary key)',
      )
      await primary.sql('grant all on scope_trees to public')
      pool = createPool({ driver: make(), connection: primary.url, max: 1 })
    })
    afterAll(async () => {
      await pool?.close()
    })

    it('T05: what was acknowledged in acknowledged scopes is there, and nothing else', async () => {
      for (let seed = 1; seed <= ROUNDS; seed++) {
        const random = randomFrom(seed * 104_729)
        let last = 0
        const steps = Array.from({ length: 4 }, () => randomStep(random, () => ++last, 0))
        const runner = new Runner()
        const abort = new AbortController()
        if (seed % 5 === 0) setTimeout(() => abort.abort(), random() * 40)
        const error = await pool
          .transaction((tx) => Promise.allSettled(steps.map((step) => runner.run(tx, step))), {
            signal: abort.signal,
          })
          .then(
            () => undefined,
            (reason: PoolhouseError) => reason,
          )
        if (error !== undefined) expect(['no', 'rolled-back', 'yes']).toContain(error.executed)
        const isThere = error === undefined || error.executed === 'yes'
        const expected = isThere ? acknowledged(steps, runner.done) : []
        const { rows } = await pool.query<{ n: number }>('delete from scope_trees returning n')
        const found = rows.map(({ n }) => n).sort((a, b) => a - b)
        expect(found, `seed ${seed}`).toEqual(expected.sort((a, b) => a - b))
        expect(runner.strayed, `seed ${seed}`).toEqual([])
      }
      expect(pool.stats().counters.destroyed).toBe(0)
    })
  },
)
