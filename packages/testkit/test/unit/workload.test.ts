import { expect, test } from 'vitest'
import { type HistoryClient, startWorkload } from '../../src/history/workload.js'

test('makes no new call once it is told to stop, also where a write is still under way', async () => {
  let answerNow = (_: { rows: [] }): void => {}
  const answer = new Promise<{ rows: [] }>((resolve) => {
    answerNow = resolve
  })
  const asked: string[] = []
  const query = (text: string): Promise<unknown> => {
    asked.push(text)
    return answer
  }
  const client = { query } as unknown as HistoryClient
  const workload = startWorkload({ writes: client, reads: client, writers: 1 })
  const stopped = workload.stop()
  answerNow({ rows: [] })
  const { operations } = await stopped
  expect(asked).toEqual([expect.stringContaining('insert')])
  expect(operations.map(({ kind, outcome }) => [kind, outcome?.kind])).toEqual([
    ['insert', 'acknowledged'],
  ])
})
