/**
 * How many connections this process may have to each server, for all databases and tenants
 * together.
 *
 * @example
 * const budget: BudgetOptions = {
 *   perServer: 60, // connections
 *   instances: 4, // processes
 *   servers: { 'small.example:5432': 20 },
 *   logInsPerSecond: 100,
 * }
 * createManager({ ...options, budget })
 */
export interface BudgetOptions {
  /**
   * Most connections to one server. Names that lead to one server share its budget; a name whose
   * server is not identified yet may open one connection. `auto`: 90 % of `max_connections` less
   * the reserved ones, asked with the first connection; 10 until then. When the server refuses a
   * connect because it is full (53300), it is asked again, and the budget shrinks to what other
   * clients leave. Default `auto`.
   */
  perServer?: number | 'auto' | undefined
  /**
   * How many processes like this one share the connections of a server, with `auto`. `discover`:
   * each process keeps one session on every server under an `application_name` of its own, and they
   * count each other every ten seconds. Default 1.
   */
  instances?: number | 'discover' | undefined
  /** Limits of single servers, by `host:port`, in the place of `perServer`. Default: none. */
  servers?: Readonly<Record<string, number>> | undefined
  /**
   * How many log-ins a server carries out per second, for all processes together. After a failover
   * all processes want connections at once; each one spreads its connects, so that together they
   * ask for at most 1.25 × this. Needs `instances`: a process that knows of no others connects as
   * fast as it can. Default 200, which is about 5 ms of one core each.
   */
  logInsPerSecond?: number | undefined
}
