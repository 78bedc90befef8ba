import {
  InDoubtError,
  isPoolhouseError,
  type QueryOptions,
  type Transaction,
} from '../../src/index.js'
import { MyError, maybeAbort, maybeTimeout, nap, treatment } from './call-parts.js'
import { marked } from './fake-server.js'
import { take } from './lease-moves.js'
import { CLEANING_MS, CONFIRM_MS, GENEROUS_MS } from './limits.js'
import type { World } from './world.js'

/** A statement whose own fate can be looked up. */
function part(world: World, text: string, who: string, id: number, step: string): Part {
  const number = ++world.lastId
  const key = `part ${number}`
  return {
    text: `${marked(text, who, id, step)} /* part ${number} */`,
    fate: () => world.server.fates.get(key)?.outcome ?? 'never sent',
    runs: () => world.server.fates.get(key)?.runs ?? 0,
    step,
  }
}

/** One statement of several. */
interface Part {
  readonly text: string
  readonly step: string
  readonly fate: () => string
  readonly runs: () => number
}

/** What the caller was told of one statement must agree with the server's books. */
function compare(world: World, who: string, { fate, runs }: Part, error: unknown): void {
  if (runs() > 1) world.complain(`${who} was sent ${runs()} times`)
  if (error === undefined) {
    if (fate() !== 'done') world.complain(`${who} succeeded, but the server says ${fate()}`)
  } else if (isPoolhouseError(error)) {
    world.verdicts.push({ who, executed: error.executed, fate })
  } else if ((error as { mine?: true }).mine !== true) {
    world.complain(`${who} has a foreign error: ${(error as Error).stack}`)
  }
}

/** Runs several statements on a lease that is held. */
export function leaseBatch(world: World): void {
  const held = take(world)
  if (held === undefined) return
  const { random } = world
  const abort = maybeAbort(world)
  const timeoutMs = maybeTimeout(world)
  const id = ++world.lastId
  const parts = Array.from({ length: random.int(1, 6) }, () => {
    const text = random.pick(['select 1', 'select 1', 'select 1; select 2', 'begin', 'commit'])
    return part(world, text, 'lease', held.id, treatment(world))
  })
  const steps = parts.map(({ step }) => step).join()
  world.say(`lease ${held.id} batch ${id} ${steps} timeout ${timeoutMs}`)
  const each = world.options.statementTimeoutMs + CLEANING_MS
  const limit = timeoutMs === undefined ? 20 * each : timeoutMs + CONFIRM_MS
  const texts = parts.map(({ text }) => text)
  // What is sent already runs on while the pool has the lease back.
  world.server.careless.add(held.id)
  const batch = held.lease.batch(texts, { timeoutMs, signal: abort?.signal })
  void world.track('lease batch', batch, limit, {
    id,
    abort,
    then: (outcomes) => {
      if (outcomes.length !== parts.length) world.complain(`batch ${id} lacks outcomes`)
      for (const [index, outcome] of outcomes.entries()) {
        const error = outcome.status === 'rejected' ? outcome.reason : undefined
        compare(world, `batch ${id} [${index}]`, parts[index]!, error)
      }
    },
    failed: (error) => {
      for (const [index, each] of parts.entries()) {
        compare(world, `batch ${id} [${index}]`, each, error)
      }
    },
  })
}

/** Runs a transaction whose statements are known. */
export function arrayTransaction(world: World): void {
  const { random, options, server } = world
  const id = ++world.lastId
  const abort = maybeAbort(world)
  const timeoutMs = maybeTimeout(world, 0.5)
  const parts = Array.from({ length: random.int(0, 5) }, () => {
    const text = random.pick(['insert', 'insert', 'insert', 'insert; select 2'])
    const step = random.pick(['ok', 'ok', 'ok', 'ok', 'fail', 'serialize', 'hang', 'lose', 'fatal'])
    return part(world, text, 'tx', id, step)
  })
  const steps = parts.map(({ step }) => step).join()
  world.say(`array ${id} ${steps} timeout ${timeoutMs}`)
  const limit =
    timeoutMs === undefined
      ? GENEROUS_MS
      : options.acquireTimeoutMs + timeoutMs + CONFIRM_MS + 50 + 500
  const promise = world.pool.transaction(
    parts.map(({ text }) => text),
    { timeoutMs, signal: abort?.signal },
  )
  void world.track('array', promise, limit, {
    id,
    then: (results) => {
      if (results.length !== parts.length) world.complain(`array ${id} lacks results`)
      if (parts.length > 0 && !server.committed.has(id)) {
        world.complain(`array ${id} resolved without a commit`)
      }
    },
    failed: (error) => {
      verdictOf(world, `array ${id}`, id, error)
      checkIndex(world, `array ${id}`, parts, error)
      for (const each of parts) {
        if (each.runs() > 1) world.complain(`array ${id} has run a statement twice`)
      }
    },
  })
  if (abort !== undefined) world.aborts.push(abort)
}

const CODES: Partial<Record<string, string>> = { '23505': 'fail', '40001': 'serialize' }

function checkIndex(world: World, who: string, parts: readonly Part[], error: unknown): void {
  if (!isPoolhouseError(error) || error.statementIndex === undefined) return
  const at = parts[error.statementIndex]
  if (at === undefined) {
    world.complain(`${who} names statement ${error.statementIndex}`)
    return
  }
  const step = CODES[error.code]
  if (step !== undefined && at.step !== step) {
    world.complain(`${who} says that ${at.step} failed with ${error.code}`)
  }
}

function verdictOf(world: World, who: string, id: number, error: unknown): void {
  const { committed } = world.server
  const executed = isPoolhouseError(error) ? error.executed : 'rolled-back'
  if (error instanceof InDoubtError && executed !== 'unknown') {
    world.complain(`${who} is in doubt, and says "${executed}"`)
  }
  // What has sent nothing has committed nothing, whatever became of its COMMIT.
  const isEmpty = !world.server.fates.has(`tx ${id}`)
  const fate = (): string => (committed.has(id) ? 'done' : 'failed')
  if (!isEmpty) world.verdicts.push({ who, executed, fate })
}

const STEPS = [
  'ok',
  'ok',
  'several',
  'misfit',
  'limited',
  'aborted',
  'forget',
  'swallowed',
  'savepoint',
  'savepoint of nothing',
  'stream',
  'left stream',
  'copy in',
  'together',
  'nap',
  'rollback',
  'hang',
] as const

/** Runs a transaction that begins with anything but a statement that is awaited. */
export function oddTransaction(world: World): void {
  const { random, options, server } = world
  const id = ++world.lastId
  const abort = maybeAbort(world)
  const timeoutMs = maybeTimeout(world, 0.5)
  const script = Array.from({ length: random.int(0, 5) }, () => random.pick(STEPS))
  const ending = random.pick(['return', 'return', 'return', 'throw', 'throw at once'])
  let rolledBack = false
  world.say(`odd ${id} ${script.join()} ${ending} timeout ${timeoutMs}`)
  const ask = (
    tx: Transaction,
    text: string,
    step: string,
    options?: QueryOptions,
  ): Promise<unknown> => {
    const asked = part(world, text, 'tx', id, step)
    const told = tx.query(asked.text, undefined, options)
    told.then(
      () => compare(world, `odd ${id} ${text}`, asked, undefined),
      (error: unknown) => {
        const untold = isPoolhouseError(error) && error.executed === 'rolled-back'
        // What was undone may have been done before.
        if (!untold) compare(world, `odd ${id} ${text}`, asked, error)
      },
    )
    return told
  }
  const run = async (tx: Transaction, step: (typeof STEPS)[number]): Promise<unknown> => {
    const any = random.pick(['ok', 'ok', 'fail', 'hang', 'lose', 'fatal'])
    switch (step) {
      case 'ok':
      case 'hang':
        return await ask(tx, 'insert', step)
      case 'several':
        return await ask(tx, 'insert; select 2', 'ok')
      case 'misfit':
        return await tx.query('copy t from stdin').catch(() => {})
      case 'limited':
        return await ask(tx, 'insert', any, { timeoutMs: random.int(1, 100) }).catch(() => {})
      case 'aborted': {
        const own = new AbortController()
        const told = ask(tx, random.pick(['insert', 'insert; select 2']), any, {
          signal: own.signal,
        })
        if (random.chance(0.5)) await nap(world, random.int(0, 20))
        own.abort()
        return await told.catch(() => {})
      }
      case 'forget':
        ask(tx, random.pick(['insert', 'insert; select 2']), any).catch(() => {})
        return undefined
      case 'swallowed':
        return await ask(tx, 'insert', any).catch(() => {})
      case 'savepoint':
        return await tx.savepoint((inner) => ask(inner, 'insert', any)).catch(() => {})
      case 'savepoint of nothing':
        return await tx.savepoint(async () => 1).catch(() => {})
      case 'stream':
      case 'left stream':
        try {
          for await (const _ of tx.stream(marked('rows', 'tx', id, any), undefined, {
            batchSize: 2,
          })) {
            if (step === 'left stream') break
          }
        } catch {}
        return undefined
      case 'copy in':
        return await tx
          .copyFrom(marked('copy t from stdin', 'tx', id, any), ['a\n'])
          .catch(() => {})
      case 'together':
        return await Promise.allSettled([
          ask(tx, 'insert', 'ok'),
          ask(tx, 'insert', any),
          tx.savepoint((inner) => ask(inner, 'insert', 'ok')),
        ])
      case 'nap':
        return await nap(world, random.int(1, 100))
      case 'rollback':
        await tx.rollback()
        rolledBack = true
        return undefined
    }
  }
  const work = (tx: Transaction): Promise<void> => {
    if (ending === 'throw at once') {
      ask(tx, 'insert', 'ok').catch(() => {})
      throw new MyError('work failed at once')
    }
    return (async () => {
      for (const step of script) await run(tx, step)
      if (ending === 'throw') throw new MyError('work failed')
    })()
  }
  const limit =
    timeoutMs === undefined
      ? GENEROUS_MS
      : options.acquireTimeoutMs + timeoutMs + CONFIRM_MS + 50 + 500
  void world.track(
    'odd',
    world.pool.transaction(work, { timeoutMs, signal: abort?.signal }),
    limit,
    {
      id,
      then: () => {
        const hasRun = server.fates.has(`tx ${id}`)
        if (hasRun && !rolledBack && !server.committed.has(id)) {
          world.complain(`odd ${id} resolved without a commit`)
        }
      },
      failed: (error) => verdictOf(world, `odd ${id}`, id, error),
    },
  )
  if (abort !== undefined) world.aborts.push(abort)
}
