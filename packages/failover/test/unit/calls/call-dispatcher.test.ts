import {
  AbortError,
  ConnectionLostError,
  type ConnectionPool,
  InDoubtError,
  NoPrimaryError,
  PoolClosedError,
} from '@poolhouse/core'
import { EventHub } from '@poolhouse/core/kit'
import { type VirtualClock, virtualClock } from '@poolhouse/core/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Call, Decision } from '../../../src/calls/call.js'
import { CallDispatcher } from '../../../src/calls/call-dispatcher.js'
import type { FailoverConfig } from '../../../src/options/failover-options.js'
import type { TopologyWatch } from '../../../src/watch/topology-watch.js'

/** What the dispatcher asks the watch for, and what it told it. */
class FakeWatch {
  primary: ConnectionPool | undefined = a
  blocked: Error | undefined
  isFirstRound = false
  /** Node that was probed or of which there was a hint. */
  readonly asked: string[] = []
  /** Called while a node is probed. */
  onProbe: (() => void) | undefined

  describe(): string {
    return 'nodes'
  }

  noPrimaryCause(cause?: unknown): unknown {
    return cause
  }

  hurry(): void {
    this.asked.push('hurry')
  }

  hint(id: string): void {
    this.asked.push(`hint ${id}`)
  }

  async probe(id: string): Promise<void> {
    this.asked.push(`probe ${id}`)
    this.onProbe?.()
  }
}

type Answer = (pool: ConnectionPool, timeoutMs: number | undefined) => string

/** A call that is sent again, as often as its answer throws, for this price. */
class FakeCall implements Call<string> {
  readonly isReadOnly = false
  readonly isListening = false
  readonly startedAt: number
  /** Time and node of each attempt. */
  readonly sent: string[] = []
  readonly #answer: Answer
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  decision: Decision['kind'] = 'retry'
  costs = false

  constructor(answer: Answer, limits: { timeoutMs?: number; signal?: AbortSignal } = {}) {
    this.startedAt = clock.now()
    this.#answer = answer
    this.timeoutMs = limits.timeoutMs
    this.signal = limits.signal
  }

  primaryChanged(): void {}

  async send(pool: ConnectionPool, timeoutMs: number | undefined): Promise<string> {
    this.sent.push(`${clock.now() - this.startedAt} ${pool.name}`)
    return this.#answer(pool, timeoutMs)
  }

  decide(error: unknown): Decision {
    return this.decision === 'surface'
      ? { kind: 'surface', error }
      : { kind: 'retry', isRerun: false, costs: this.costs, error }
  }

  finalError(error: unknown): unknown {
    return error
  }
}

const stats = { idle: 0 }
const a = { name: 'a', stats: () => stats } as unknown as ConnectionPool
const b = { name: 'b', stats: () => stats } as unknown as ConnectionPool
// An error that says nothing about the node, and one that does.
const plain = new Error('no')
const lost = new ConnectionLostError('lost', { executed: 'no' })

let clock: VirtualClock
let nodes: FakeWatch
let hub: EventHub

beforeEach(() => {
  clock = virtualClock()
  nodes = new FakeWatch()
  hub = new EventHub()
})

function dispatcher(config: Partial<FailoverConfig> = {}): CallDispatcher {
  const all = {
    name: 'house',
    hold: { timeoutMs: 1_000, maxCalls: 10 },
    retryBudget: 0.1,
    clock,
    random: () => 0.5,
    ...config,
  } as FailoverConfig
  const made = new CallDispatcher(all, nodes as unknown as TopologyWatch, hub, () => {})
  made.topologyChanged()
  return made
}

/** Throws these one after the other, and then answers. */
function failing(...errors: Error[]): Answer {
  return (pool) => {
    const error = errors.shift()
    if (error !== undefined) throw error
    return pool.name
  }
}

async function settled(promise: Promise<unknown>, ms = 5_000): Promise<unknown> {
  const end = promise.catch((error: unknown) => error)
  await clock.advance(ms)
  return await end
}

describe('the pause before a call is sent to the same node again', () => {
  it('doubles with each attempt', async () => {
    const call = new FakeCall(failing(plain, plain, plain))
    expect(await settled(dispatcher().dispatch(call))).toBe('a')
    expect(call.sent).toEqual(['0 a', '7.5 a', '22.5 a', '52.5 a'])
  })

  it('counts the attempt that has failed already', async () => {
    const call = new FakeCall(failing(plain))
    expect(await settled(dispatcher().dispatch(call, { pool: a, error: plain }))).toBe('a')
    expect(call.sent).toEqual(['7.5 a', '22.5 a'])
  })

  it('is a probe alone the first time that an error hints at a change', async () => {
    const call = new FakeCall(failing(lost, lost))
    expect(await settled(dispatcher().dispatch(call))).toBe('a')
    expect(call.sent).toEqual(['0 a', '0 a', '15 a'])
    expect(nodes.asked).toEqual(['hint a', 'probe a', 'hint a', 'probe a'])
  })

  it('asks no server after an error that hints at nothing', async () => {
    await settled(dispatcher().dispatch(new FakeCall(failing(plain))))
    expect(nodes.asked).toEqual([])
  })

  it('is none when the probe finds another primary', async () => {
    const calls = dispatcher()
    const call = new FakeCall(failing(plain, lost))
    nodes.onProbe = () => {
      nodes.primary = b
      calls.topologyChanged()
    }
    expect(await settled(calls.dispatch(call))).toBe('b')
    expect(call.sent).toEqual(['0 a', '7.5 a', '7.5 b'])
  })
})

describe('the price of a repetition', () => {
  it('is taken while the primary stays', async () => {
    const call = new FakeCall(failing(plain))
    call.costs = true
    expect(await settled(dispatcher({ retryBudget: 0 }).dispatch(call))).toBe(plain)
  })

  it('is not taken when the primary was away in between', async () => {
    const calls = dispatcher({ retryBudget: 0 })
    const call = new FakeCall(failing(plain))
    call.costs = true
    const end = calls.dispatch(call)
    await clock.advance(2)
    nodes.primary = undefined
    calls.topologyChanged()
    nodes.primary = a
    calls.topologyChanged()
    expect(await settled(end)).toBe('a')
  })
})

describe('the time of a call', () => {
  it('that is over ends it with the error of its last attempt', async () => {
    const call = new FakeCall(failing(plain), { timeoutMs: 5 })
    expect(await settled(dispatcher().dispatch(call))).toBe(plain)
    expect(call.sent).toEqual(['0 a'])
  })

  it('that is over before its first attempt is left for the node to tell', async () => {
    const call = new FakeCall(() => 'done', { timeoutMs: 5 })
    await clock.advance(10)
    expect(await settled(dispatcher().dispatch(call))).toBe('done')
  })

  it('is handed to each attempt as what is left of it', async () => {
    const left: unknown[] = []
    const errors = failing(plain)
    const call = new FakeCall(
      (pool, timeoutMs) => {
        left.push(timeoutMs)
        return errors(pool, timeoutMs)
      },
      { timeoutMs: 100 },
    )
    await settled(dispatcher().dispatch(call))
    expect(left).toEqual([100, 92.5])
  })
})

describe('a call without hold', () => {
  it('waits for the first round of probes, and ends with it if there is no primary', async () => {
    nodes.primary = undefined
    nodes.isFirstRound = true
    const calls = dispatcher({ hold: undefined })
    const end = calls.dispatch(new FakeCall(failing()))
    await clock.advance(50)
    expect(calls.held).toMatchObject({ calls: 1 })
    nodes.isFirstRound = false
    calls.topologyChanged()
    expect(calls.held).toBeUndefined()
    expect(await settled(end)).toBeInstanceOf(NoPrimaryError)
  })
})

describe('the event in-doubt', () => {
  let heard: unknown[]

  beforeEach(() => {
    heard = []
    hub.on('in-doubt', (event) => heard.push(event))
  })

  it('tells of a call that may have been executed, and of the node that it was sent to', async () => {
    const error = new InDoubtError('sent', plain)
    const call = new FakeCall(failing(error))
    call.decision = 'surface'
    expect(await settled(dispatcher().dispatch(call))).toBe(error)
    expect(heard).toMatchObject([{ pool: 'house', node: 'a', error }])
  })

  it('is silent about an error that leaves no doubt', async () => {
    const call = new FakeCall(failing(plain))
    call.decision = 'surface'
    expect(await settled(dispatcher().dispatch(call))).toBe(plain)
    expect(heard).toEqual([])
  })

  it('is silent about a call that was never sent', async () => {
    nodes.primary = undefined
    const caller = new AbortController()
    const end = dispatcher().dispatch(new FakeCall(failing(), { signal: caller.signal }))
    caller.abort()
    expect(await settled(end)).toBeInstanceOf(AbortError)
    expect(heard).toEqual([])
  })
})

it('rejects every call once it is closed, those that are held and later ones', async () => {
  nodes.primary = undefined
  const calls = dispatcher()
  const end = calls.dispatch(new FakeCall(failing()))
  calls.close()
  nodes.primary = a
  calls.topologyChanged()
  expect(calls.target).toBeUndefined()
  expect(await settled(end)).toBeInstanceOf(PoolClosedError)
  const late = new FakeCall(failing())
  expect(await settled(calls.dispatch(late))).toBeInstanceOf(PoolClosedError)
  expect(late.sent).toEqual([])
})
