// Writes docs/settings.md out of the table of settings. With `--check` it writes nothing and fails
// if the page is not what it would write.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Setting } from '../packages/core/src/settings/setting.js'
import { SETTING_GROUPS } from '../packages/core/src/settings/settings-table.js'
import { OTHER_SCHEMES } from '../packages/core/src/settings/url-schemes.js'
import { VENDOR_URLS } from '../tests/support/vendors/vendor-urls.js'
import { code, table } from './reference/markdown.js'

const page = fileURLToPath(new URL('../docs/settings.md', import.meta.url))
const COMMAND = 'npx -y pnpm@12 docs:settings'

function writeSettings(): string {
  return `${[
    '<!-- biome-ignore-all format: a table as wide as its longest cell cannot be read in a diff -->',
    `<!-- Made by \`${COMMAND}\` out of packages/core/src/settings and tests/support/vendors/vendor-urls.ts. Change those. -->`,
    '# Settings',
    'A connection is described by a URL, by the keywords of libpq (`host=db dbname=app`), by an object, or, with the manager, by environment variables. ' +
      'Each URL parameter, keyword and `PG*` variable is **honoured**, **ignored** because leaving it out does no harm, or **refused** with a hint what to use instead. ' +
      'None is dropped silently: an unknown parameter is refused with the nearest known name, and a value that is not listed is refused too. ' +
      'An empty value counts as not given. ' +
      'No message repeats a value, because it may be part of a password.',
    '## Where settings come from',
    [
      '* `createPool` reads its options and the URL in `connection`, and no environment: no `PG*`, no `~/.pgpass`. An option overrides the URL: `connectTimeoutMs` overrides `connect_timeout`.',
      '* `createPool` makes connections to one server. For a URL with several hosts, or with `target_session_attrs=primary`, give `hosts(url)` to `withFailover`, or the URL to the manager; standbys are read through `withReplicas`.',
      '* `loadConfig` of the manager reads the environment: `DATABASE_URL`, `DATABASE_<NAME>_URL`, their `…_REPLICA_URLS`, and `PG*` where there is no `DATABASE_URL`. `createManager` alone reads none. See [the manager](../packages/manager/README.md#the-environment).',
      '* By default TLS is verified beyond loopback and Unix sockets. `sslmode=require` alone encrypts without verification, `prefer` is never chosen for you, and `allow` is refused.',
      '* `channel_binding` is `prefer` by default, as for libpq.',
    ].join('\n'),
    '## Poolers',
    "A connection that looks like a pooler in transaction mode is treated as `pooler: 'pgbouncer'` unless the option `pooler` says otherwise: a host name whose first part ends in `-pooler`, " +
      "the port of a vendor's pooler at that vendor's domain (below), `pooled.db.prisma.io`, and `pgbouncer=true`. In that case nothing is prepared and `connection.parameters` are refused; " +
      'the error says why a pooler was assumed. See [PgBouncer](guides/pgbouncer.md).',
    '## URLs of vendors',
    "Each is accepted as it is, and connects to a server that behaves like the vendor's (`tests/login/vendor-urls.test.ts`). Which authority signs whose certificate, with the vendors' pages: [Certificates](guides/certificates.md).",
    table(
      ['vendor', 'URL', 'pooler', 'what to know'],
      VENDOR_URLS.map(({ vendor, url, pooled, note }) => [
        vendor,
        code(url),
        pooled ? 'yes' : '',
        note,
      ]),
    ),
    '## Other URL schemes',
    'A URL begins with `postgres://` or `postgresql://`. Other schemes are refused:',
    table(
      ['scheme', 'message'],
      OTHER_SCHEMES.map(([begins, instead]) => [code(begins), instead]),
    ),
    ...SETTING_GROUPS.flatMap(({ title, settings }) => [
      `## ${title}`,
      table(['parameter', 'variable', 'treatment', 'how'], settings.map(row)),
    ]),
  ].join('\n\n')}\n`
}

function row({ name, variable, treatment, how, values, otherwise }: Setting): string[] {
  const only =
    values === undefined
      ? ''
      : ` Values: ${values.map(code).join(', ')}; others are refused${otherwise === undefined ? '' : `: ${otherwise}`}.`
  return [
    code(name ?? ''),
    code(variable ?? ''),
    treatment === 'honoured' ? treatment : `**${treatment}**`,
    `${how}.${only}`,
  ]
}

const settings = writeSettings()
if (!process.argv.includes('--check')) writeFileSync(page, settings)
else if (readFileSync(page, 'utf8') !== settings) {
  console.error(`docs/settings.md is not what the table of settings says; run ${COMMAND}`)
  process.exitCode = 1
}
