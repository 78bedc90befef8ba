import { ConnectError, type Driver } from '@poolhouse/core'
import { ConnectDeadlineError } from '@poolhouse/core/net'
import { expect, test } from 'vitest'
import { failingAtOnce } from '../../../src/compat/plain/failing-at-once.js'

const settings = { endpoint: { host: 'h', port: 1, database: 'd' } }

async function failureOf(error: Error): Promise<ConnectError> {
  const failing = { connect: () => Promise.reject(error) } as unknown as Driver
  const { driver } = failingAtOnce(failing, undefined, undefined)
  return await driver.connect({ settings, timeoutMs: 50 } as never).then(
    () => expect.unreachable(),
    (reason) => reason,
  )
}

test('a connect that took too long says so in the word of pg, whatever the clock says', async () => {
  const cause = new ConnectDeadlineError(50, true)
  const error = await failureOf(new ConnectError(cause.message, { endpoint: 'h:1/d', cause }))
  expect(error.message).toMatch(/^connection timeout: it took longer than 50 ms/)
  expect(error).toMatchObject({ fatal: true, retryable: true, cause })
})

test('any other failure of a connect keeps its message, and is final', async () => {
  const error = await failureOf(new ConnectError('connection refused', { endpoint: 'h:1/d' }))
  const message = 'connection refused; see POOLHOUSE_CONNECT'
  expect(error).toMatchObject({ message, fatal: true, retryable: true })
})
