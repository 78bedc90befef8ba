import { inspect } from 'node:util'
import { parseConnectionUrl } from '@poolhouse/core/kit'
import { virtualClock } from '@poolhouse/core/testing'
import { expect, it } from 'vitest'
import { hosts } from '../../../src/index.js'

const context = { signal: new AbortController().signal, clock: virtualClock() }

async function connections(url: string): Promise<string[]> {
  const { nodes } = await hosts(url).next(context)
  return nodes.map(({ connection }) => connection)
}

it('gives each host of a URL a URL of its own', async () => {
  const url =
    'postgres://app:p%40ss@a:5433,b,[::1]:5434/app?target_session_attrs=primary&sslmode=require'
  expect(await connections(url)).toEqual([
    'postgres://app:p%40ss@a:5433/app?sslmode=require',
    'postgres://app:p%40ss@b:5432/app?sslmode=require',
    'postgres://app:p%40ss@[::1]:5434/app?sslmode=require',
  ])
})

it('reads hosts and ports from parameters', async () => {
  const url = 'postgresql://app@/app?host=a,b&port=1,2'
  expect(await connections(url)).toEqual(['postgresql://app@a:1/app', 'postgresql://app@b:2/app'])
})

it('T34: gives each host its own hostaddr, and drops the parameters about the list', async () => {
  const url =
    'postgres://app@a,b/app?hostaddr=10.0.0.1,10.0.0.2&load_balance_hosts=random&channel_binding=require'
  expect(await connections(url)).toEqual([
    'postgres://app@a:5432/app?channel_binding=require&hostaddr=10.0.0.1',
    'postgres://app@b:5432/app?channel_binding=require&hostaddr=10.0.0.2',
  ])
  expect(() => hosts('postgres://app@a,b/app?target_session_attrs=nonsense')).toThrow(
    'target_session_attrs must be one of any',
  )
})

it('keeps all other parts of the URL', async () => {
  const rest = 'u:p@%2Frun%2Fpg/db?application_name=x%20y&options=-c%20a%3Db'
  const [one] = await connections(`postgres://${rest}`)
  const { hosts: _was, ...before } = parseConnectionUrl('test', `postgres://${rest}`)
  const { hosts: now, ...after } = parseConnectionUrl('test', one!)
  expect(after).toEqual(before)
  expect(now).toEqual([{ host: '/run/pg', port: 5432 }])
})

it('shows no password when it is printed', async () => {
  const found = hosts('postgres://app:secret@a,b/app')
  const { nodes } = await found.next(context)
  expect(inspect([found, nodes]) + JSON.stringify([found, nodes])).not.toContain('secret')
  expect(found.name).toBe('hosts(a:5432, b:5432)')
})

it.each([
  ['postgres://a,b/app?target_session_attrs=standby', /withReplicas/],
  ['postgres:///app', /names no host/],
  ['http://a', /malformed URL/],
])('refuses %s', (url, message) => {
  expect(() => hosts(url)).toThrow(message)
})
