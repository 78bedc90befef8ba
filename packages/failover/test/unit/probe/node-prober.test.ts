import { type VirtualClock, virtualClock } from '@poolhouse/core/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Observation } from '../../../src/base/observation.js'
import { NodeProber } from '../../../src/probe/node-prober.js'
import { probeStatements } from '../../../src/probe/probe-statement.js'
import { FakeServer } from '../support/fake-server.js'

let clock: VirtualClock
let server: FakeServer
let signs: string[]

beforeEach(() => {
  clock = virtualClock()
  server = new FakeServer('a', clock)
  signs = []
})

function prober(
  fence: 'timeline' | 'off' = 'timeline',
  renewAfterMs = Number.POSITIVE_INFINITY,
): NodeProber {
  return new NodeProber({
    pool: server.pool,
    clock,
    timeoutMs: 400,
    statements: probeStatements(fence),
    renewAfterMs: () => renewAfterMs,
    onHint: (reason) => signs.push(reason),
    onOvertaken: () => signs.push('an attempt was overtaken'),
  })
}

/** Probes while time moves on by `ms`; undefined if the probe is still under way. */
async function observe(
  probing: NodeProber,
  ms: number,
): Promise<{ observation: Observation | undefined } | undefined> {
  let seen: { observation: Observation | undefined } | undefined
  void probing.observe().then((observation) => {
    seen = { observation }
  })
  await clock.advance(ms)
  return seen
}

describe('NodeProber', () => {
  it('probes over one session again and again, and says when each probe was sent', async () => {
    const probing = prober()
    await clock.advance(7)
    expect(await observe(probing, 0)).toMatchObject({ observation: { kind: 'answer', sentAt: 7 } })
    await observe(probing, 0)
    await observe(probing, 0)
    expect(server.driver.attempts).toBe(1)
    probing.stop()
    await clock.settle()
    expect(server.driver.open.size).toBe(0)
  })

  it('opens another session in the same probe if the old one was lost', async () => {
    const probing = prober()
    await observe(probing, 0)
    for (const session of server.driver.open) session.lose('terminated by an administrator')
    expect(await observe(probing, 0)).toMatchObject({ observation: { kind: 'answer' } })
    expect(signs).toEqual(['the session of the monitor was lost'])
    probing.stop()
  })

  it('F22: replaces its session when the name may have moved, and uses the old one until then', async () => {
    const probing = prober('timeline', 1_000)
    await observe(probing, 0)
    await clock.advance(999)
    await observe(probing, 0)
    expect(server.driver.attempts).toBe(1)
    await clock.advance(1)
    server.driver.options.connectMs = 300
    expect(await observe(probing, 0)).toMatchObject({ observation: { kind: 'answer' } })
    expect([server.driver.attempts, server.driver.open.size]).toEqual([2, 1])
    await clock.advance(300)
    expect(server.driver.open.size).toBe(1)
    expect(await observe(probing, 0)).toMatchObject({ observation: { kind: 'answer' } })
    expect(signs).toEqual([])
    probing.stop()
  })

  it('F22: gets the answer over the old session before a new one replaces it', async () => {
    const probing = prober('timeline', 1_000)
    await observe(probing, 0)
    await clock.advance(1_000)
    server.driver.options.statementMs = 300
    server.driver.options.connectMs = 50
    let seen: Observation | undefined
    void probing.observe().then((observation) => {
      seen = observation
    })
    // The new session is open, and the question to the old one is under way.
    await clock.advance(100)
    expect([server.driver.open.size, seen]).toEqual([2, undefined])
    await clock.advance(200)
    expect(seen).toMatchObject({ kind: 'answer' })
    expect([server.driver.open.size, signs]).toEqual([1, []])
    probing.stop()
  })

  it('leaves no session behind that owes an answer, when it is stopped', async () => {
    const probing = prober('timeline', 1_000)
    await observe(probing, 0)
    await clock.advance(1_000)
    server.driver.options.statementMs = 300_000
    server.driver.options.connectMs = 50
    await observe(probing, 100)
    expect(server.driver.open.size).toBe(2)
    probing.stop()
    await clock.settle()
    expect(server.driver.open.size).toBe(0)
  })

  it('F22: keeps its session when no other can be opened', async () => {
    const probing = prober('timeline', 1_000)
    await observe(probing, 0)
    await clock.advance(1_000)
    const { open } = server.driver
    const former = [...open]
    server.mood = 'denying'
    expect(await observe(probing, 0)).toMatchObject({ observation: { kind: 'answer' } })
    await clock.advance(500)
    expect(await observe(probing, 0)).toMatchObject({ observation: { kind: 'answer' } })
    expect([...open]).toEqual(former)
    expect(server.driver.attempts).toBe(2)
    probing.stop()
  })

  // An Aurora writer says 55000, as a server does that is being promoted: that one is asked twice.
  it.each([
    ['0A000', 1],
    ['55000', 2],
  ] as const)(
    'stops asking for positions that the service refuses with %s, with fence: off',
    async (code, refused) => {
      server.hidesPositions = code
      const fenced = prober()
      expect(await observe(fenced, 0)).toMatchObject({ observation: { kind: 'busy' } })
      fenced.stop()
      const probing = prober('off')
      const before = server.probedAt.length
      expect(await observe(probing, 0)).toMatchObject({ observation: { kind: 'answer' } })
      await observe(probing, 0)
      expect(server.probedAt.length - before).toBe(refused + 2)
      probing.stop()
    },
  )

  it('gives a silent server the time of one probe, and opens a session for the next', async () => {
    const probing = prober()
    await observe(probing, 0)
    server.freeze()
    expect(await observe(probing, 399)).toBeUndefined()
    await clock.advance(100)
    expect(await observe(probing, 401)).toMatchObject({ observation: { kind: 'failed' } })
    probing.stop()
  })

  it('F44: does not count its own stall against the server', async () => {
    const probing = prober()
    await observe(probing, 0)
    server.freeze()
    let seen: { observation: Observation | undefined } | undefined
    void probing.observe().then((observation) => {
      seen = { observation }
    })
    await clock.advance(50)
    clock.stall(300)
    await clock.advance(1_000)
    expect(seen).toEqual({ observation: undefined })
    probing.stop()
  })

  it('accepts a refusal although the event loop was stalled', async () => {
    const probing = prober()
    server.kill()
    server.driver.options.connectMs = 300
    let seen: Observation | undefined
    void probing.observe().then((observation) => {
      seen = observation
    })
    await clock.advance(1)
    clock.stall(5_000)
    await clock.advance(10)
    expect(seen).toMatchObject({ kind: 'refused' })
    probing.stop()
  })

  it('F19: goes on opening a session that takes longer than a probe, and uses it', async () => {
    const probing = prober()
    server.driver.options.connectMs = 900
    expect(await observe(probing, 401)).toMatchObject({ observation: { kind: 'failed' } })
    expect(await observe(probing, 401)).toMatchObject({ observation: { kind: 'failed' } })
    expect(await observe(probing, 100)).toMatchObject({ observation: { kind: 'answer' } })
    await clock.advance(5_000)
    expect([server.driver.open.size, server.driver.connecting]).toEqual([1, 0])
    probing.stop()
  })

  it('makes a new attempt beside one that outlasts a probe, and takes the first to be open', async () => {
    const probing = prober()
    // A proxy took it just before it lost its server.
    server.driver.options.connectMs = 1_900
    expect(await observe(probing, 401)).toMatchObject({ observation: { kind: 'failed' } })
    server.driver.options.connectMs = 0
    expect(await observe(probing, 0)).toMatchObject({ observation: { kind: 'answer' } })
    const former = [...server.driver.open]
    await clock.advance(5_000)
    expect([...server.driver.open]).toEqual(former)
    expect([server.driver.attempts, server.driver.connecting]).toEqual([2, 0])
    expect(signs).toEqual(['an attempt was overtaken'])
    probing.stop()
  })

  it('ends such an attempt with its probe, so that there is a time without any in which the process can end', async () => {
    const probing = prober()
    server.freeze()
    let withoutAny = 0
    for (let probe = 0; probe < 20; probe++) {
      const seen = observe(probing, 0)
      expect(server.driver.connecting).toBeGreaterThan(0)
      expect(server.driver.connecting).toBeLessThanOrEqual(2)
      await clock.advance(1_000)
      await seen
      expect(server.driver.connecting).toBeLessThanOrEqual(1)
      if (server.driver.connecting === 0) withoutAny++
    }
    expect(withoutAny).toBeGreaterThan(5)
    server.mood = 'up'
    expect(await observe(probing, 0)).toMatchObject({ observation: { kind: 'answer' } })
    expect([server.driver.open.size, server.driver.connecting]).toEqual([1, 0])
    probing.stop()
  })

  it.each([450, 700, 1_500])(
    'hears a refusal of the server that takes %i ms',
    async (connectMs) => {
      const probing = prober()
      server.mood = 'denying'
      server.driver.options.connectMs = connectMs
      const seen: (string | undefined)[] = []
      for (let probe = 0; probe < 4; probe++) {
        seen.push((await observe(probing, 401))?.observation?.kind)
      }
      expect(seen).toContain('denied')
      probing.stop()
    },
  )

  it('makes an attempt for the next probe also when the one that hangs began in the middle of a probe', async () => {
    const probing = prober()
    await observe(probing, 0)
    server.driver.options.connectMs = 1_900
    server.driver.options.statementMs = 1_000
    const seen = observe(probing, 401)
    await clock.advance(0)
    for (const session of server.driver.open) session.lose('terminated by an administrator')
    await seen
    server.driver.options.connectMs = 0
    server.driver.options.statementMs = 0
    expect(await observe(probing, 0)).toMatchObject({ observation: { kind: 'answer' } })
    probing.stop()
  })

  it('believes the newest attempt when that is refused', async () => {
    const probing = prober()
    server.driver.options.connectMs = 1_900
    expect(await observe(probing, 401)).toMatchObject({ observation: { kind: 'failed' } })
    server.driver.options.connectMs = 0
    server.kill()
    expect(await observe(probing, 0)).toMatchObject({ observation: { kind: 'refused' } })
    probing.stop()
  })

  it('ignores the facts of a late answer, but probes again over the same session', async () => {
    const probing = prober()
    await observe(probing, 0)
    server.driver.options.statementMs = 600
    expect(await observe(probing, 450)).toMatchObject({ observation: { kind: 'failed' } })
    server.driver.options.statementMs = 0
    server.driver.options.connectMs = 5_000
    await clock.advance(200)
    expect(signs).toEqual(['a late answer came'])
    expect(await observe(probing, 0)).toMatchObject({ observation: { kind: 'answer' } })
    expect(server.driver.attempts).toBe(1)
    probing.stop()
  })

  it('leaves nothing behind when it is stopped in the middle', async () => {
    const probing = prober()
    server.freeze()
    await observe(probing, 401)
    const seen = probing.observe()
    await clock.advance(10)
    expect(server.driver.connecting).toBe(2)
    probing.stop()
    await clock.advance(3_000)
    expect(await seen).toMatchObject({ kind: 'failed' })
    expect(server.driver.open.size + server.driver.connecting).toBe(0)
    expect(clock.pendingTimers).toBe(0)
  })
})
