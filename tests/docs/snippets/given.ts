// What the blocks of the documentation use without saying where it comes from: the application
// around them. `complete-snippet.ts` imports a name from here if a block neither declares nor
// imports it.
import { createServer } from 'node:http'
import { AggregationTemporality, InMemoryMetricExporter } from '@opentelemetry/sdk-metrics'
import { type ConnectionPool, createPool } from '@poolhouse/core'
import { type FailoverPool, withFailover } from '@poolhouse/failover'
import { createManager } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import { Pool as CompatPool } from '@poolhouse/node-postgres/compat'
import { postgresJs } from '@poolhouse/postgres-js'
import { withReplicas } from '@poolhouse/read-replicas'
import type { Cluster } from '@poolhouse/testkit'
import { drizzle } from 'drizzle-orm/node-postgres'
import express from 'express'
import fastify from 'fastify'
import pg from 'pg'

/** URLs of a primary and of two replicas. */
export const urls = (
  process.env['SNIPPET_SERVERS'] ?? 'postgres://a postgres://b postgres://c'
).split(' ')
const poolOf = (connection: string): ConnectionPool => createPool({ driver, connection })

/** A driver. */
export const driver = nodePostgres()
/** A pool of one server. */
export const pool = poolOf(urls[0]!)
/** Pools of replicas. */
export const replicas = urls.slice(1).map(poolOf)
/** A pool of each server. */
export const nodes = urls.map(poolOf)
/** The current primary. */
export const primary: FailoverPool = withFailover(nodes)
/** Writes on the primary, reads on replicas. */
export const db = withReplicas(primary, primary.topology)
/** The same over postgres.js. */
const js = postgresJs()
export const jsDb = withReplicas(
  createPool({ driver: js, connection: urls[0]! }),
  urls.slice(1).map((each) => createPool({ driver: js, connection: each })),
  { classify: 'conservative' },
)
/** Named databases. */
export const manager = createManager({
  drivers: { pg: driver },
  databases: { app: { nodes: urls } },
})
/** A web application. */
export const app = fastify()
/** An HTTP server. */
export const server = createServer()
/** Fetches a password. */
export const password = async (): Promise<string> => process.env['SNIPPET_PASSWORD'] ?? ''
/** The certificate of an authority. */
export const ca = ''
/** An id. */
export const id = 7
/** Several ids. */
export const ids: readonly number[] = [1, 2]
/** An item of an order. */
export const item = 'tea'
const write = (..._what: readonly unknown[]): void => {}
/** A log. */
export const log = { info: write, warn: write, error: write }
/** Makes a logger, as pino does. */
export const pino = () => ({ ...log, debug: write })
/** Does something with a row, and says whether to go on. */
export const handle = async (_row: unknown): Promise<boolean> => true
/** Looks again at what a payload names. */
export const refresh = (_payload: string): void => {}
/** Looks again at everything. */
export const refreshAll = (_reason: string): void => {}
/** The work of a transaction. */
export const work = async (_tx: unknown): Promise<void> => {}
/** Where tenants are. */
export const directory = new Map([['acme', { on: 'app', schema: 'public' }]])
/** Options of a manager. */
export const options = { drivers: { pg: driver }, databases: { app: { nodes: urls } } }
/** The position of a session. */
export const token = 'v1.strong'
/** A request and its answer, of whatever framework. */
export const request = { cookies: { token } as Record<string, string | undefined> }
export const response = { setCookie(_name: string, _value: string): void {} }
/** A web application of Express. */
export const expressApp = express()
/** The one address of a server. */
export const url = urls[0]!
export const connection = url
/** The addresses by what they are. */
export const servers = { primary: urls[0]!, replicas: urls.slice(1) }
/** Replicas, each by a name of its own. */
export const replicaB = poolOf(urls[1]!)
export const replicaC = poolOf(urls[2]!)
/** Replicas that do not cost the same. */
export const reserved = replicaB
export const onDemand = replicaC
/** Makes the pool of a node. */
export const nodePool = (node: { host: string; port: number }): ConnectionPool =>
  createPool({ driver, connection: { ...node, user: 'app', database: 'app' } })
/** Makes a driver. */
export const myDriver = nodePostgres
/** Reads a value of a type. */
export const parseMood = (text: string): string => text
/** Where metrics go. */
export const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
/** Servers of the testkit. */
export declare const cluster: Cluster

export { CompatPool, drizzle, pg }
