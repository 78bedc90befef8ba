import type { Socket } from 'node:net'
import { ConnectError, type ConnectionOptions, type Driver } from '@poolhouse/core'
import { formatEndpoint } from '@poolhouse/core/kit'
import { ConnectDeadlineError } from '@poolhouse/core/net'
import type { PgClient } from '../../pg-module.js'

type Password = ConnectionOptions['password']

/** A driver, and the password that it is to be given. */
interface Failing {
  readonly driver: Driver
  readonly password: Password
}

// What a password function that has failed says instead, for the driver to recognise.
const FAILED = `failed ${Math.random()}`

/**
 * Makes a failed connect final for those who wait, as in `pg.Pool`: its pool has no deadline within
 * which it could be tried again. With `keepAliveMs` sockets are probed by TCP when they are quiet
 * for that long.
 */
export function failingAtOnce(
  driver: Driver,
  password: Password,
  keepAliveMs: number | undefined,
): Failing {
  let failure: unknown
  return {
    driver: {
      ...driver,
      connect: async (context) => {
        const endpoint = formatEndpoint(context.settings.endpoint)
        try {
          if (context.password === FAILED) throw failure
          const connection = await driver.connect(context)
          if (keepAliveMs !== undefined) {
            streamOf(connection.raw as PgClient).setKeepAlive(true, keepAliveMs)
          }
          return connection
        } catch (error) {
          throw finalError(error, endpoint)
        }
      },
    },
    password:
      typeof password === 'function'
        ? async () => {
            try {
              return await password()
            } catch (error) {
              failure = error
              return FAILED
            }
          }
        : password,
  }
}

function streamOf(client: PgClient): Socket {
  return client.connection.stream
}

function finalError(error: unknown, endpoint: string): unknown {
  if (error instanceof ConnectError && error.fatal) return error
  const { message, sqlState, cause } = error as ConnectError
  // Applications look for the word in what `pg` says.
  const final = new ConnectError(
    cause instanceof ConnectDeadlineError ? `connection timeout: ${message}` : message,
    {
      endpoint,
      sqlState,
      fatal: true,
      cause: error instanceof ConnectError ? cause : error,
    },
  )
  // Another call may well succeed.
  Object.defineProperty(final, 'retryable', { value: true, enumerable: true })
  return final
}
