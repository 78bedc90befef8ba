/** How many connections this process may have at each server, all databases and tenants together. */
export interface BudgetOptions {
  /**
   * Most connections to one server (host and port). `auto`: 90 % of what the server really allows (`max_connections` less what is reserved),
   * asked with the first connection; 10 until then. Default `auto`.
   */
  perServer?: number | 'auto' | undefined
  /** How many processes like this one share what the server allows, with `auto`. Default 1. */
  instances?: number | undefined
  /** Own limits of some servers, by `host:port`. */
  servers?: Readonly<Record<string, number>> | undefined
}
