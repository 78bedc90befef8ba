import { beforeAll, describe, expect, it } from 'vitest'
import { Stopwatch } from '../support/clocks/stopwatch.js'
import { DRIVERS } from '../support/drivers.js'
import { guardProcess } from '../support/process-guards.js'
import { testServer } from '../support/servers/test-server.js'
import { until } from '../support/until.js'
import { ask, learn, makeNumbers, outcomes } from './shared-calls.js'

guardProcess()
const server = testServer()
beforeAll(async () => {
  await makeNumbers(server)
  await server.sql(
    `create view marks_session as select set_config('app.mark', 'left behind', false) as was`,
  )
  // Its text shows no function, so that it shares the connection that it looks at.
  await server.sql(
    `create view session_marks as select pg_backend_pid() as pid, current_setting('app.mark', true) as mark`,
  )
  await server.sql('grant select on marks_session, session_marks to public')
})

const MARKS = 'select pid, mark from session_marks'

describe.each(DRIVERS)('under a load that never ends, over $driver', ({ make }) => {
  const openPool = server.poolsOver(make())

  it('T112: what a view sets in a shared session is gone after some ten seconds', async () => {
    const pool = openPool({ max: 1, multiplex: { connections: 1 } })
    await learn(pool)
    await learn(pool, MARKS, [])
    await learn(pool, 'select was from marks_session', [])
    let isOver = false
    const clients = Array.from({ length: 20 }, async (_, n) => {
      while (!isOver) expect(await outcomes([ask(pool, n)], n)).toEqual(['ok'])
    })
    await Promise.all(Array.from({ length: 10 }, () => pool.query('select was from marks_session')))
    const marks = async () => {
      const all = await Promise.all(Array.from({ length: 20 }, () => pool.query(MARKS)))
      return all.flatMap(({ rows }) => rows).filter(({ mark }) => mark === 'left behind').length
    }
    expect(await marks()).toBeGreaterThan(0)
    using watch = new Stopwatch()
    await until(async () => (await marks()) === 0, 'the session to be reset')
    expect(watch.elapsedMs).toBeLessThan(20_000)
    isOver = true
    await Promise.all(clients)
    // Reset, and not replaced.
    expect(pool.stats().counters).toMatchObject({ destroyed: 0, errors: 0 })
  })
})
