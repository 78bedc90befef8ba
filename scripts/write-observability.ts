// Writes docs/observability.md out of the tables of metrics, spans and log lines. With `--check` it
// writes nothing and fails if the page is not what it would write.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { EVENT_LINES } from '../packages/otel/src/log/event-lines.js'
import { METRICS } from '../packages/otel/src/metrics/metric-table.js'
import { PROMETHEUS_METRICS } from '../packages/otel/src/prometheus/prometheus-table.js'
import { SPANS } from '../packages/otel/src/spans/span-table.js'
import { code, table } from './reference/markdown.js'

const page = fileURLToPath(new URL('../docs/observability.md', import.meta.url))
const COMMAND = 'npx -y pnpm@12 docs:observability'

function writeObservability(): string {
  return `${[
    '<!-- biome-ignore-all format: a table as wide as its longest cell cannot be read in a diff -->',
    `<!-- Made by \`${COMMAND}\` out of packages/otel/src. Change that. -->`,
    '# Observability',
    'What a pool or a manager shows of itself, by [`@poolhouse/otel`](../packages/otel/README.md): every metric, span and log line. ' +
      'Names, units and attributes follow the semantic conventions 1.44 of OpenTelemetry where these have one; `poolhouse.*` is our own. ' +
      'Nothing here holds values of statements or passwords.',
    [
      '* `instrument(pool | manager)` records metrics and spans with the OpenTelemetry API.',
      '* `metricsHandler(pool | manager)` answers scrapes of Prometheus. [`grafana.json`](observability/grafana.json) is a dashboard for it, [`alerts.yml`](observability/alerts.yml) has alert rules, and [`alerts.test.yml`](observability/alerts.test.yml) their tests: `promtool test rules alerts.test.yml` runs them after a change.',
      '* `logEvents(pool | manager, logger)` writes one line for each event.',
      '* Without any of them: `pool.stats()`, with histograms that add up over pools and over time; `inspect()` with the longest holders, the slowest texts and the last leaks; `on(event)`; and one process warning for each place whose leases leak.',
    ].join('\n'),
    '[`examples/observability`](../examples/observability/README.md) shows all of them on a cluster that fails over.',
    '## Metrics of OpenTelemetry',
    table(
      ['metric', 'instrument', 'unit', 'meaning', 'attributes'],
      METRICS.map(({ name, instrument, unit, description, attributes }) => [
        code(name),
        instrument,
        code(unit),
        description,
        attributes.map(code).join(', '),
      ]),
    ),
    '## Metrics of Prometheus',
    'Histograms are in seconds, with the suffixes `_bucket`, `_sum` and `_count`. `db_client_connection_pool_name` is the pool of connections to one server, `database` the pool or the database of the manager that it belongs to, ' +
      '`pool` the pool that an event came from: of databases that share their servers, the first.',
    table(
      ['metric', 'type', 'unit', 'meaning', 'labels'],
      PROMETHEUS_METRICS.map(({ name, type, unit, help, labels }) => [
        code(name),
        type,
        code(unit),
        help,
        labels.map(code).join(', '),
      ]),
    ),
    '## Spans',
    table(
      ['span', 'kind', 'covers', 'attributes'],
      SPANS.map(({ name, kind, description, attributes }) => [
        code(name),
        kind,
        description,
        attributes.map(code).join(', '),
      ]),
    ),
    '## Log lines',
    'Each line has the fields `event` and `pool`, and those of the [event](reference.md#events). Durations are in milliseconds. Errors are told by class, code and `executed`.',
    table(
      ['event', 'level', 'meaning'],
      EVENT_LINES.map(({ event, level, meaning }) => [code(event), level, meaning]),
    ),
  ].join('\n\n')}\n`
}

const written = writeObservability()
if (!process.argv.includes('--check')) writeFileSync(page, written)
else if (readFileSync(page, 'utf8') !== written) {
  console.error(`docs/observability.md is not what the tables say; run ${COMMAND}`)
  process.exitCode = 1
}
