/**
 * How many connections this process may have at each server, all databases and tenants together.
 */
export interface BudgetOptions {
  /**
   * Most connections to one server. Names that lead to one server share its budget; a name whose
   * server is not known yet may open one connection. `auto`: 90 % of what the server really allows
   * (`max_connections` less what is reserved), asked with the first connection; 10 until then. When
   * the server refuses one because there are too many, it is asked again, and what others have is
   * theirs until they give it back. Default `auto`.
   */
  perServer?: number | 'auto' | undefined
  /**
   * How many processes like this one share what the server allows, with `auto`. `discover`: they
   * count each other every ten seconds, by a session that each keeps on every server under an
   * `application_name` of its own. Default 1.
   */
  instances?: number | 'discover' | undefined
  /** Own limits of some servers, by `host:port`. */
  servers?: Readonly<Record<string, number>> | undefined
  /**
   * How many log-ins a server carries out in a second, for all processes together. After a failover
   * all of them want connections at once; each opens those that it needs in its turn, so that
   * together they ask for no more than 1.25 × this. It takes `instances`: a process that knows of
   * no others opens as fast as it can. Default 200, some 5 ms of a core each.
   */
  logInsPerSecond?: number | undefined
}
