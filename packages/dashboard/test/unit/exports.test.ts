import { expect, test } from 'vitest'
import * as dashboard from '../../src/index.js'

test('the package exports exactly these values', () => {
  expect(Object.keys(dashboard)).toEqual(['createDashboard'])
})
