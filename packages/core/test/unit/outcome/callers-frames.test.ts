import { expect, test } from 'vitest'
import { callersFrames } from '../../../src/outcome/callers-frames.js'

const here = new URL('../../../', import.meta.url).pathname

test('T121: begins with the first frame that is neither ours nor of Node.js', () => {
  const stack = [
    'Error',
    `    at ServerPool.acquire (${here}src/server-pool.ts:1:2)`,
    '    at new Promise (<anonymous>)',
    `    at DatabaseView.acquire (file://${here.replace('/core/', '/manager/')}dist/index.js:1:2)`,
    '    at use (/app/node_modules/.pnpm/@poolhouse+failover@1.0.0/node_modules/@poolhouse/failover/dist/index.cjs:3:4)',
    '    at AsyncLocalStorage.run (node:internal/async_local_storage/async_hooks:91:14)',
    '    at loadOrder (/app/src/orders.ts:7:9)',
    `    at ServerPool.use (${here}src/server-pool.ts:1:2)`,
  ]
  expect(callersFrames(stack.join('\n'))).toBe(stack.slice(6).join('\n'))
})

test('T121: shows every frame where none is of a caller', () => {
  const frames = `    at ServerPool.acquire (${here}src/server-pool.ts:1:2)`
  expect(callersFrames(`Error\n${frames}`)).toBe(frames)
  expect(callersFrames('Error')).toBe('')
})

test('T121: takes no package of the application for one of ours', () => {
  const frames = '    at find (/app/packages/core/src/orders.ts:1:2)'
  expect(callersFrames(`Error\n${frames}`)).toBe(frames)
})
