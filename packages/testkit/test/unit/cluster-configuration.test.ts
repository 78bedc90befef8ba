import { describe, expect, it } from 'vitest'
import { resolveClusterOptions } from '../../src/cluster/cluster-options.js'
import { accessRulesText, configurationText } from '../../src/cluster/data-directory.js'
import type { ServerPlace } from '../../src/cluster/server-process.js'

function place(version: number): ServerPlace {
  const binaries = { postgres: '/p/postgres', initdb: '/p/initdb', version }
  return { name: 'b', binaries, user: undefined, home: '/t/b' }
}

function configuration(options: Parameters<typeof resolveClusterOptions>[0], version = 18): string {
  const resolved = resolveClusterOptions(options)
  return configurationText(place(version), { options: resolved, port: 20_000, follows: undefined })
}

describe('the configuration of a node', () => {
  it('retries the stream every 100 ms, because a promotion may wait for the next try', () => {
    expect(configuration({})).toContain("wal_retrieve_retry_interval = '100ms'\n")
  })

  it('keeps full-page writes, because SIGKILL can tear a page', () => {
    expect(configuration({})).not.toContain('full_page_writes')
  })

  it('names no setting that PostgreSQL 15 does not know', () => {
    expect(configuration({}, 18)).toContain('io_method')
    expect(configuration({}, 15)).not.toContain('io_method')
  })

  it('has every node of a synchronous cluster wait for one replica', () => {
    expect(configuration({ synchronous: true })).toContain(
      "synchronous_standby_names = 'ANY 1 (*)'\n",
    )
    expect(configuration({})).not.toContain('synchronous_standby_names')
  })

  it('lets a given setting win over the default of the kit, each named once', () => {
    const text = configuration({ settings: { shared_buffers: '64MB', fsync: true } })
    expect(text.match(/^shared_buffers .*$/gm)).toEqual(["shared_buffers = '64MB'"])
    expect(text.match(/^fsync .*$/gm)).toEqual(['fsync = on'])
  })

  it('quotes values so that quotes and backslashes arrive as they are', () => {
    const text = configuration({ settings: { log_line_prefix: String.raw`it's \n` } })
    expect(text).toContain(String.raw`log_line_prefix = 'it''s \\n'`)
  })

  it('listens on loopback only, with a socket that others cannot open', () => {
    const text = configuration({})
    expect(text).toContain("listen_addresses = '127.0.0.1'\n")
    expect(text).toContain("unix_socket_permissions = '0700'\n")
  })
})

describe('the access rules of a node', () => {
  it('ask applications for the chosen method', () => {
    expect(accessRulesText({ auth: 'md5', tls: false })).toMatch(
      /^host all all 127\.0\.0\.1\/32 md5$/m,
    )
  })

  it('leave only TLS to applications when the cluster speaks it', () => {
    const text = accessRulesText({ auth: 'trust', tls: true })
    expect(text).toMatch(/^hostssl all all 127\.0\.0\.1\/32 trust$/m)
    expect(text).not.toMatch(/^host all all /m)
  })

  it('turn the superuser away before any rule that would let everybody in', () => {
    const lines = accessRulesText({ auth: 'trust', tls: false }).split('\n')
    const refusal = lines.indexOf('host all postgres all reject')
    expect(refusal).toBeGreaterThan(-1)
    expect(refusal).toBeLessThan(lines.findIndex((line) => line.startsWith('host all all')))
  })
})
