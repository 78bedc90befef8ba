/** Rows in the table that is looked up, their keys from 0; the balance of each is its key. */
export const ROWS = 10_000
/** Most connections of each. */
export const CONNECTIONS = 10
/** The point query, for those who take text and values. */
export const POINT = 'select balance from accounts where id = $1'

/** One of those compared. */
export interface Contender {
  /** Looks up the balance of one account. */
  find(key: number): PromiseLike<unknown>
  /** The balance in the answer. */
  balanceOf(answer: never): unknown
  /** Runs a statement without values, which takes long; undefined for one that cannot. */
  readonly run?: (text: string) => PromiseLike<unknown>
  /** Closes its connections. */
  close(): Promise<unknown>
}

/** Makes one of those compared, for the server at `url`. */
export type MakeContender = (url: string) => Promise<Contender>
