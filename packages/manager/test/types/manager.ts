// Compiled, never run: what the compiler must accept and must refuse.
import type { Driver, Pool } from '@poolhouse/core'
import { createManager, type NamedDatabase } from '../../src/index.js'

declare const driver: Driver
declare const made: Pool & { extra: number }

const manager = createManager({
  drivers: { pg: driver },
  databases: {
    app: 'postgres://a/app',
    dw: { primary: 'postgres://b/dw', pool: { max: 3 } },
    made,
  },
})

export const app: NamedDatabase = manager.database('app')
export const reader: Pool = manager.database('dw').reader({ maxStalenessMs: 10 })
export const extra: number = manager.database('made').extra

// @ts-expect-error There is no such database.
manager.database('typo')
// @ts-expect-error There is no such option.
createManager({ databases: { app: { primary: 'postgres://a/app', pool: { mx: 3 } } } })
