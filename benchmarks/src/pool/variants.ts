import { EventEmitter } from 'node:events'
import { createPool, type Lease } from '@poolhouse/core'
import type { DriverConnection } from '@poolhouse/core/kit'

/**
 * A pool of ten instant fake resources, brought to one shape so that all pools run the same loop.
 */
export interface PoolVariant {
  /** Takes a resource. */
  acquire(): Promise<unknown>
  /** Gives it back. */
  release(resource: unknown): void
  /** Ends the pool. */
  close(): Promise<void>
}

/** What every variant is told. */
export interface VariantOptions {
  /** Most resources. */
  readonly max: number
  /** How long one takes to open, in milliseconds; 0 for at once. */
  readonly connectMs: number
  /** Longest wait in milliseconds; undefined for the pool's default. */
  readonly acquireTimeoutMs?: number
  /** Most waiters. */
  readonly maxPending: number
  /** Counts resources opened. */
  onOpen(): void
}

const open = (options: VariantOptions, done: () => void): void => {
  options.onOpen()
  if (options.connectMs === 0) queueMicrotask(done)
  else setTimeout(done, options.connectMs)
}

class FakeClient extends EventEmitter {
  static options: VariantOptions
  readonly _queryable = true
  connect(callback: (error?: Error) => void): void {
    open(FakeClient.options, () => callback())
  }
  end(callback?: () => void): void {
    if (callback) queueMicrotask(callback)
  }
  ref(): void {}
  unref(): void {}
}

const unused = (): never => {
  throw new Error('not measured')
}

const fakeConnection = (): DriverConnection => ({
  raw: undefined,
  info: { address: undefined, port: undefined, backendPid: 1, parameters: new Map() },
  inFlight: 0,
  lastByteAt: 0,
  transactionStatus: () => 'idle',
  run: (_statement, done) =>
    queueMicrotask(() => done(null, { rows: [], rowCount: 0, command: 'SELECT', fields: [] })),
  openCursor: unused,
  copyIn: unused,
  copyOut: unused,
  listen: unused,
  ping: () => Promise.resolve(),
  reset: () => Promise.resolve(),
  cancel: () => Promise.resolve(),
  close: () => Promise.resolve(),
  destroy: () => {},
  ref: () => {},
  unref: () => {},
})

/**
 * How to make each pool. Every import happens inside, so that a process loads only what it
 * measures.
 */
export const poolVariants: Readonly<
  Record<string, (options: VariantOptions) => Promise<PoolVariant>>
> = {
  poolhouse: async (options) => {
    const pool = createPool({
      driver: {
        name: 'fake',
        capabilities: { pipeline: false, namedStatements: true },
        connect: () => new Promise((resolve) => open(options, () => resolve(fakeConnection()))),
      },
      connection: 'postgres://bench@localhost/bench',
      max: options.max,
      maxPending: options.maxPending,
      acquireTimeoutMs: options.acquireTimeoutMs,
    })
    return {
      acquire: () => pool.acquire(),
      release: (lease) => (lease as Lease).release(),
      close: () => pool.close(),
    }
  },
  'pg-pool': async (options) => {
    const { default: PgPool } = await import('pg-pool')
    FakeClient.options = options
    const pool = new PgPool({
      Client: FakeClient as never,
      max: options.max,
      ...(options.acquireTimeoutMs && { connectionTimeoutMillis: options.acquireTimeoutMs }),
    })
    pool.on('error', () => {})
    return {
      acquire: () => pool.connect(),
      release: (client) => (client as { release(): void }).release(),
      close: () => pool.end(),
    }
  },
  tarn: async (options) => {
    const { Pool } = await import('tarn')
    const pool = new Pool<object>({
      create: (callback) => open(options, () => callback(null, {})),
      destroy: () => {},
      min: 0,
      max: options.max,
      ...(options.acquireTimeoutMs && { acquireTimeoutMillis: options.acquireTimeoutMs }),
    })
    return {
      acquire: () => pool.acquire().promise,
      release: (resource) => {
        pool.release(resource as object)
      },
      close: async () => {
        await pool.destroy()
      },
    }
  },
  'generic-pool': async (options) => {
    const { createPool: createGenericPool } = (await import('generic-pool')).default
    const pool = createGenericPool<object>(
      {
        create: () => new Promise((resolve) => open(options, () => resolve({}))),
        destroy: async () => {},
      },
      {
        max: options.max,
        ...(options.acquireTimeoutMs && { acquireTimeoutMillis: options.acquireTimeoutMs }),
      },
    )
    return {
      acquire: () => pool.acquire() as Promise<object>,
      release: (resource) => {
        pool.release(resource as object).then(undefined, () => {})
      },
      close: async () => {
        await pool.drain()
        await pool.clear()
      },
    }
  },
  'lightning-pool': async (options) => {
    const { Pool } = await import('lightning-pool')
    const pool = new Pool<object>(
      {
        create: () => new Promise((resolve) => open(options, () => resolve({}))),
        destroy: async () => {},
      } as never,
      {
        max: options.max,
        maxQueue: options.maxPending,
        acquireTimeoutMillis: options.acquireTimeoutMs ?? 0,
      } as never,
    )
    return {
      acquire: () => pool.acquire() as Promise<object>,
      release: (resource) => {
        pool.release(resource as object)
      },
      close: async () => {
        await pool.closeAsync(0)
      },
    }
  },
}
