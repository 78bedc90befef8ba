import { PoolhouseError } from '@poolhouse/core'
import type { ConnectionSettings, RawHolder } from '@poolhouse/core/kit'
import {
  admission,
  type ClientNames,
  type LibraryClient,
  type LibraryLine,
  startupOptions,
} from '@poolhouse/core/net'
import { clientNames } from './client-names.js'
import { ClientTypes } from './client-types.js'
import { LentClient } from './lent-client.js'
import { LineStream } from './line-stream.js'
import type { PgClient, PgModule } from './pg-module.js'

/** The `pg.Client` of a session, made when a borrower first asks for it. */
export class LibraryPgClient implements LibraryClient {
  readonly isStarted = true
  /** It writes when it is called. */
  readonly mayWrite = false
  readonly raw: PgClient
  readonly names: ClientNames
  readonly #line: LibraryLine
  readonly #stream: LineStream
  // Undefined until the client is first lent.
  #lent: LentClient | undefined

  /** Makes a client that takes itself for connected. */
  constructor(pg: PgModule, settings: ConnectionSettings, line: LibraryLine) {
    this.#line = line
    this.#stream = new LineStream(line)
    const client = new pg.Client(clientConfig(pg, settings, line, this.#stream))
    ignoreEnvironment(client, settings)
    this.names = clientNames(client.connection)
    // Without a listener the end of a session would be an uncaught exception.
    client.on('error', noop)
    client.connect(noop)
    this.#stream.emit('connect')
    this.#stream.emit('data', admission(line.info.parameters, line.key, line.status))
    this.#stream.started()
    this.raw = client
  }

  lend(holder: RawHolder): unknown {
    this.#lent ??= new LentClient(this.raw, (what) => this.#line.end(new PoolhouseError(what)))
    return this.#lent.to(holder)
  }

  take(messages: Buffer): void {
    this.#stream.answered(messages)
  }

  drained(): void {
    this.#stream.drained()
  }

  restore(): void {
    this.#lent?.restore()
    // Its next query would wait for that.
    if (this.#stream.isUnread)
      this.#line.end(new PoolhouseError('an answer was left unread on its raw client'))
  }

  lose(): void {
    this.#stream.destroy(this.#line.socket.stream.errored ?? undefined)
  }
}

/** Never called. Without it `pg` would keep the password of the environment. */
const noPassword = (): string => ''

function noop(): void {}

function clientConfig(
  pg: PgModule,
  settings: ConnectionSettings,
  line: LibraryLine,
  stream: LineStream,
): Record<string, unknown> {
  const { endpoint, user } = settings
  const { application_name = settings.applicationName } = settings.parameters
  return {
    host: endpoint.host,
    port: endpoint.port,
    database: endpoint.database,
    user,
    password: noPassword,
    application_name,
    // The socket is already encrypted.
    ssl: false,
    sslnegotiation: 'postgres',
    stream: () => stream,
    types: new ClientTypes(pg, line.types),
  }
}

/** Removes what `pg` takes from PGOPTIONS, PGREPLICATION and its global defaults. */
function ignoreEnvironment(client: PgClient, settings: ConnectionSettings): void {
  const parameters = client.connectionParameters
  parameters.options = startupOptions(settings)
  parameters.replication = undefined
  parameters.query_timeout = false
}
