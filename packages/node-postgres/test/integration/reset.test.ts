import { type Cluster, type ClusterNode, startCluster } from '@poolhouse/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failure, openSession } from '../open-session.js'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ replicas: 1 })
})

afterAll(async () => {
  await cluster?.stop()
})

const standby = (): ClusterNode => cluster.replicas[0]!

describe('reset', () => {
  it('"rollback" ends an open or failed transaction and changes nothing else', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.query(`set application_name = 'kept'`)
    await session.query('begin')
    await session.connection.reset('rollback')
    expect(session.connection.transactionStatus()).toBe('idle')
    await session.query('begin')
    await failure(session.query('select 1/0'))
    await session.connection.reset('rollback')
    expect(session.connection.transactionStatus()).toBe('idle')
    expect((await session.query('show application_name')).rows).toEqual([
      { application_name: 'kept' },
    ])
    await session.connection.reset('rollback')
    expect(session.heard.notices).toEqual([])
  })

  it('"session" undoes everything that a caller can leave behind, and keeps prepared statements', async () => {
    await using session = await openSession(cluster, cluster.primary, {
      parameters: { work_mem: '9MB' },
    })
    const { query } = session
    await query({ text: 'select 1 as n', name: 'kept' })
    await query('create sequence if not exists numbers')
    await query(`set search_path = nowhere; set application_name = 'left'; set work_mem = '1MB'`)
    await query('listen gossip; create temp table leftover (n int)')
    await query(`select pg_advisory_lock(4711); select nextval('public.numbers')`)
    await query('declare open_cursor cursor with hold for select 1')
    await query('set session characteristics as transaction read only')
    await query('begin')
    await session.connection.reset('session')
    expect(session.connection.transactionStatus()).toBe('idle')
    const { rows } = await query(`select
      current_setting('search_path') as search_path, current_setting('application_name') as name,
      current_setting('work_mem') as work_mem, current_setting('default_transaction_read_only') as read_only,
      (select count(*)::int from pg_listening_channels()) as channels,
      (select count(*)::int from pg_class where relname = 'leftover') as tables,
      (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
      (select count(*)::int from pg_cursors where name = 'open_cursor') as cursors,
      (select count(*)::int from pg_prepared_statements where name = 'kept') as prepared`)
    expect(rows).toEqual([
      {
        search_path: '"$user", public',
        name: 'poolhouse-test',
        work_mem: '9MB',
        read_only: 'off',
        channels: 0,
        tables: 0,
        locks: 0,
        cursors: 0,
        prepared: 1,
      },
    ])
    expect(await failure(query('select lastval()'))).toMatchObject({ code: '55000' })
    expect((await query({ text: 'select 1 as n', name: 'kept' })).rows).toEqual([{ n: 1 }])
  })

  it('"session" ends a failed transaction and resets the role', async () => {
    await cluster.primary.sql(`create role helper; grant helper to ${cluster.user}`)
    await using session = await openSession(cluster, cluster.primary)
    await session.query('set role helper')
    await session.query('begin')
    await failure(session.query('select 1/0'))
    await session.connection.reset('session')
    expect((await session.query('select current_user as name')).rows).toEqual([
      { name: cluster.user },
    ])
    expect(session.connection.transactionStatus()).toBe('idle')
  })

  it('works on a standby', async () => {
    await using session = await openSession(cluster, standby())
    await session.query(`set work_mem = '1MB'; select pg_advisory_lock(1)`)
    await session.query('begin')
    await session.connection.reset('session')
    const { rows } = await session.query(`select pg_is_in_recovery() as standby,
      current_setting('work_mem') as work_mem,
      (select count(*)::int from pg_locks where locktype = 'advisory') as locks`)
    expect(rows).toEqual([{ standby: true, work_mem: '4MB', locks: 0 }])
    expect(session.heard.notices).toEqual([])
  })

  it('rejects when the session is gone', async () => {
    await using session = await openSession(cluster, cluster.primary)
    session.connection.destroy('gone')
    expect(await failure(session.connection.reset('session'))).toMatchObject({ executed: 'no' })
  })
})

describe('ping', () => {
  it('proves that the session is alive, also in a failed transaction, and does not change its status', async () => {
    await using session = await openSession(cluster, cluster.primary)
    await session.connection.ping()
    await session.query('begin')
    await failure(session.query('select 1/0'))
    await session.connection.ping()
    expect(session.connection.transactionStatus()).toBe('failed')
  })

  it('rejects when the session dies', async () => {
    await using session = await openSession(cluster, cluster.primary)
    const pinging = failure(session.connection.ping())
    session.connection.destroy('gone')
    expect(await pinging).toMatchObject({ name: 'ConnectionLostError' })
    expect(await failure(session.connection.ping())).toMatchObject({ name: 'ConnectionLostError' })
  })
})
