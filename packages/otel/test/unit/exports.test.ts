import { expect, test } from 'vitest'
import * as otel from '../../src/index.js'

test('the package exports exactly these values', () => {
  expect(Object.keys(otel).sort()).toMatchInlineSnapshot(`
    [
      "METRICS",
      "SPANS",
      "instrument",
      "logEvents",
      "metricProducer",
      "metricsHandler",
    ]
  `)
})
