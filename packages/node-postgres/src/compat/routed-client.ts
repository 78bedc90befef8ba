import { ConnectionLostError, NoPrimaryError, type Pool } from '@poolhouse/core'
import pg from 'pg'
import { type RoleHost, RoleHosts } from './roles/role-host.js'
import type { RoleAddress, RoleFollower } from './roles/role-servers.js'

type ConnectCallback = ((error: Error) => void) | ((error: null, client: pg.Client) => void)

/** What `pg` keeps in a client and `@types/pg` leaves out. */
interface ClientInside {
  readonly _ending: boolean
  readonly readyForQuery?: boolean
  readonly connectionParameters: { host: string; port: number }
}

/**
 * A `pg.Client` whose host may be a role: `app.primary` or `app.replica`. The role is looked up in
 * a pool each time a client connects; user, password, database and TLS are those of its own
 * configuration. For libraries that open their connections themselves and take a class or a module
 * instead of a pool (Sequelize, TypeORM with `replication`, Knex). Get the class from
 * `Client.bind`; unbound it is a plain `pg.Client`.
 *
 * When its server leaves the role, a client breaks with `ConnectionLostError`, as `pg` reports a
 * lost connection: an `error` event, and its queries reject. The library's own pool then opens
 * another one, which looks the role up again. Reads on `app.replica` may be stale: what must see
 * an own write belongs to `app.primary`.
 */
export class Client extends pg.Client {
  /** What `bind` was given. */
  protected static readonly hosts: RoleHosts | undefined

  readonly #roleHost: RoleHost | undefined

  /**
   * Takes what `pg.Client` takes. Throws `ConfigError` if the host is a role of a pool that is not
   * bound.
   */
  constructor(config?: string | pg.ClientConfig) {
    super(config)
    this.#roleHost = new.target.hosts?.find(this.host)
  }

  /**
   * A class that knows the roles of these pools: with `Client.bind({ app: pool })` the hosts
   * `app.primary` and `app.replica`, and, as there is only one pool, `primary` and `replica`.
   * Throws `TypeError` without a pool, and `ConfigError` for one over another driver.
   *
   * @example
   * const BoundClient = Client.bind({ app: primary })
   * const client = new BoundClient({ host: 'app.primary', user: 'app', database: 'shop' })
   */
  static override bind(pools: Readonly<Record<string, Pool>>): typeof Client {
    const hosts = new RoleHosts(pools)
    return class BoundClient extends Client {
      protected static override readonly hosts = hosts
    }
  }

  /**
   * Looks the role up, then connects as `pg.Client` does.
   *
   * @example
   * const BoundClient = Client.bind({ app: primary })
   * const client = new BoundClient({ host: 'app.replica', user: 'app', database: 'shop' })
   * await client.connect()
   */
  override connect(): Promise<pg.Client>
  override connect(callback: ConnectCallback): void
  override connect(callback?: ConnectCallback): Promise<pg.Client> | undefined {
    if (this.#roleHost === undefined) {
      if (callback === undefined) return super.connect()
      super.connect(callback)
      return undefined
    }
    const connected = this.#connect(this.#roleHost)
    if (callback === undefined) return connected
    const hear = callback as (error: Error | null, client?: pg.Client) => void
    // Outside of the promise: what the callback throws is not a rejection of ours.
    connected.then(
      () => process.nextTick(hear, null, this),
      (error: Error) => process.nextTick(hear, error),
    )
    return undefined
  }

  async #connect({ servers, role }: RoleHost): Promise<this> {
    const address = await servers.find(role)
    // `end()`, or a pool's deadline, may have come meanwhile.
    if (this.#inside._ending || this.connection.stream.destroyed) {
      throw new ConnectionLostError('the client was ended while it looked for its server', {
        executed: 'no',
      })
    }
    this.#leadTo(address)
    let inHotStandby = false
    this.connection.on('parameterStatus', ({ parameterName, parameterValue }: Parameter) => {
      if (parameterName === 'in_hot_standby') inHotStandby = parameterValue === 'on'
    })
    const stop = servers.follow(this.#follower({ role, address }))
    this.once('end', stop)
    try {
      await super.connect()
    } catch (error) {
      stop()
      throw error
    }
    // The role may have moved between the look-up and the log-in. PostgreSQL 14 and newer tell.
    if (role === 'primary' && inHotStandby) {
      const error = new NoPrimaryError(
        `${address.host}:${address.port} was the primary and is a replica now`,
      )
      this.connection.stream.destroy()
      throw error
    }
    return this
  }

  #leadTo({ host, port }: RoleAddress): void {
    const parameters = this.#inside.connectionParameters
    parameters.host = this.host = host
    parameters.port = this.port = port
  }

  #follower(place: Pick<RoleFollower, 'role' | 'address'>): RoleFollower {
    const abandon = (reason: string): void => {
      const error = new ConnectionLostError(`the connection was given up: ${reason}`, {
        executed: this.#idle ? 'no' : 'unknown',
      })
      this.connection.stream.destroy(error)
    }
    const leave = (reason: string): void => {
      if (this.#idle) abandon(reason)
      else this.once('drain', () => leave(reason))
    }
    return { ...place, abandon, leave }
  }

  /** Whether it runs no statement and no transaction is open. */
  get #idle(): boolean {
    return this.#inside.readyForQuery === true && this.getTransactionStatus?.() !== 'T'
  }

  get #inside(): ClientInside {
    return this as unknown as ClientInside
  }
}

interface Parameter {
  readonly parameterName: string
  readonly parameterValue: string
}
