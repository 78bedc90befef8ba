import { RawConnection, type RawRow } from './raw-connection.js'

/**
 * A few connections that each run one prepared statement, pipelined: what JavaScript can do at the
 * least cost, as a limit to measure against. It is no product.
 */
export class RawClient {
  readonly #connections: readonly RawConnection[]

  private constructor(connections: readonly RawConnection[]) {
    this.#connections = connections
  }

  /** Opens so many connections to the server of `url`, which may ask for no password. */
  static async open(url: string, text: string, count: number): Promise<RawClient> {
    const opened = Array.from({ length: count }, () => RawConnection.open(url, text))
    return new RawClient(await Promise.all(opened))
  }

  /** Runs the statement with one value on the connection with the fewest calls in flight. */
  run(value: string): Promise<RawRow[]> {
    let least = this.#connections[0]!
    for (const connection of this.#connections) {
      if (connection.inFlight < least.inFlight) least = connection
    }
    return least.run(value)
  }

  /** Closes the connections. */
  async close(): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.close()))
  }
}
