import {
  ConnectionLostError,
  isPoolhouseError,
  type QueryOptions,
  type Transaction,
} from '../../src/index.js'
import { MyError, maybeAbort, maybeTimeout, nap, treatment } from './call-parts.js'
import { marked } from './fake-server.js'
import { CONFIRM_MS, GENEROUS_MS } from './limits.js'
import type { World } from './world.js'

/** Runs one statement. */
export function poolQuery(world: World): void {
  const { options } = world
  const abort = maybeAbort(world)
  const timeoutMs = maybeTimeout(world)
  const id = ++world.lastId
  const text = world.random.chance(0.15)
    ? world.random.pick(['set b = 2', 'set b = 2', 'alter table t add c int'])
    : 'select 1'
  const sql = marked(text, 'call', id, treatment(world))
  world.say(`query ${id} ${sql} timeout ${timeoutMs}`)
  const limit =
    timeoutMs === undefined
      ? options.acquireTimeoutMs + options.statementTimeoutMs + CONFIRM_MS
      : timeoutMs + CONFIRM_MS
  const queryOptions: QueryOptions = { timeoutMs, signal: abort?.signal }
  const fate = (): string => world.server.fates.get(`call ${id}`)?.outcome ?? 'never sent'
  void world.track('query', world.pool.query(sql, undefined, queryOptions), limit, {
    id,
    priority: 0,
    abort,
    served: () => fate() !== 'never sent',
    then: () => {
      if (fate() !== 'done') world.complain(`query ${id} resolved, but the server says ${fate()}`)
    },
    failed: (error) => {
      const executed = isPoolhouseError(error) ? error.executed : 'yes'
      world.verdicts.push({ who: `query ${id}`, executed, fate })
      // A call that has not been sent waits for another connection, unless all of them were
      // destroyed on purpose.
      const lost = error instanceof ConnectionLostError && !error.message.includes('were destroyed')
      if (lost && fate() === 'never sent') {
        world.complain(`query ${id} was given a dead connection`)
      }
    },
  })
}

/** Runs a transaction that may break every rule. */
export function transaction(world: World): void {
  const { random, options } = world
  const id = ++world.lastId
  const abort = maybeAbort(world)
  const timeoutMs = maybeTimeout(world, 0.5)
  const attempts = random.chance(0.3) ? 2 : 1
  const script = Array.from({ length: random.int(0, 3) }, () =>
    random.pick([
      'ok',
      'ok',
      'nap',
      'savepoint',
      'fail',
      'serialize',
      'hang',
      'lose',
      'fatal',
      'forget',
    ]),
  )
  const ending = random.pick(['return', 'return', 'return', 'throw', 'rollback'])
  let rolledBack = false
  let sent = false
  world.say(
    `transaction ${id} ${script.join()} ${ending} timeout ${timeoutMs} attempts ${attempts}`,
  )
  const work = async (tx: Transaction): Promise<void> => {
    const run = (step: string, scope = tx): Promise<unknown> => {
      sent = true
      return scope.query(marked('insert', 'tx', id, step))
    }
    for (const step of script) {
      if (step === 'nap') await nap(world, random.int(1, 100))
      else if (step === 'forget') run('ok').catch(() => {})
      else if (step === 'savepoint')
        await tx.savepoint((inner) => run('fail', inner)).catch(ignoreMine)
      else await run(step)
    }
    if (ending === 'throw') throw new MyError('work failed')
    if (ending === 'rollback') {
      await tx.rollback()
      rolledBack = true
    }
  }
  const { committed } = world.server
  const limit =
    timeoutMs === undefined
      ? GENEROUS_MS
      : attempts * (options.acquireTimeoutMs + timeoutMs + CONFIRM_MS + 50) + 500
  const promise = world.pool.transaction(work, {
    timeoutMs,
    signal: abort?.signal,
    retry: { attempts },
  })
  void world.track('transaction', promise, limit, {
    id,
    // While COMMIT is under way its answer decides, so a signal need not be obeyed at once.
    then: () => {
      if (sent && !rolledBack && !committed.has(id)) {
        world.complain(`transaction ${id} resolved without a commit`)
      }
    },
    failed: (error) => {
      // What has sent nothing has committed nothing, whatever became of its COMMIT.
      if (!sent) return
      const executed = isPoolhouseError(error) ? error.executed : 'rolled-back'
      const fate = (): string => (committed.has(id) ? 'done' : 'failed')
      if (executed !== 'no') world.verdicts.push({ who: `transaction ${id}`, executed, fate })
      else if (committed.has(id)) world.complain(`transaction ${id} was committed, and failed`)
    },
  })
  if (abort !== undefined) world.aborts.push(abort)
}

function ignoreMine(error: unknown): void {
  if (!isPoolhouseError(error, '23505')) throw error
}

/** Fires the signal of some call. */
export function abortSomething(world: World): void {
  const waiting = [...world.calls].filter(({ abort }) => abort !== undefined)
  if (world.random.chance(0.4) && world.aborts.length > 0) {
    world.random.pick(world.aborts).abort()
    return
  }
  if (waiting.length === 0) return
  world.abort(world.random.pick(waiting))
}
