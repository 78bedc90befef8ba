import { describe, expect, test } from 'vitest'
import { served, startSetting, tally } from '../setting.js'

describe('explainRoute', () => {
  test('says that work without an annotation goes to the primary, and how to change that', async () => {
    const { db } = await startSetting()
    const route = db.explainRoute('select 1')
    expect(route).toMatchObject({ target: 'primary', node: 'a' })
    expect(route.reason).toContain('use reader()')
    expect(route.candidates.map(({ node }) => node)).toEqual(['b', 'c'])
  })

  test('names the replica that the next read gets, without counting as a choice', async () => {
    const { db } = await startSetting({ strategy: 'roundRobin' })
    for (let turn = 0; turn < 5; turn++) {
      const route = db.explainRoute({ text: 'select 1' }, { intent: 'read' })
      expect(db.explainRoute('select 1', { intent: 'read' }).node).toBe(route.node)
      expect(route.target).toBe('replica')
      expect(route.reason).toBe(
        `2 of 2 replicas fit a read that accepts data 5000 ms old: the strategy chose "${route.node}"`,
      )
      expect(tally(await served(db, 1))).toEqual(new Map([[route.node, 1]]))
    }
  })

  test('says why each replica does not fit', async () => {
    const { db } = await startSetting()
    const route = db.explainRoute('select 1', { intent: 'read', maxStalenessMs: 0 })
    expect(route).toMatchObject({ target: 'primary', node: 'a' })
    expect(route.candidates).toHaveLength(2)
    for (const { eligible, reason } of route.candidates) {
      expect(eligible).toBe(false)
      expect(reason).toMatch(/^it may be \d+ ms behind, and the read accepts 0 ms$/)
    }
  })

  test('refuses arguments that are no statement', async () => {
    const { db } = await startSetting()
    expect(() => db.explainRoute(7 as never)).toThrow(TypeError)
    expect(() => db.explainRoute('select 1', { intent: 'read', maxStalenessMs: -1 })).toThrow(
      'explainRoute: maxStalenessMs must be',
    )
  })
})
