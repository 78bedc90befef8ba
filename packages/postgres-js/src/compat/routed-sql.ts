import type { ListenRequest, Sql } from 'postgres'

/** The function `sql` of postgres.js, routed: see `createRoutedSql`. */
export interface RoutedSql extends Sql {
  /**
   * Subscribes to a channel; the subscription survives the loss of its connection and a failover.
   * `onlisten` is called once it listens, and after each gap in which notifications may have been
   * missed.
   *
   * @example
   * const sql = createRoutedSql(jsDb)
   * const { unlisten } = await sql.listen('orders', refresh, () => refreshAll('listening'))
   * await unlisten()
   */
  listen(channel: string, onnotify: (payload: string) => void, onlisten?: () => void): ListenRequest
}
