/** A statement that returns rows. */
export interface FakeRows {
  /** The rows. */
  rows: unknown[]
  /** The command tag; default: the first word of the text. */
  command?: string
  /** What happens after the last row, if they are fetched through a cursor. */
  then?: FakeFailure | FakeHang | FakeLoss
}

/** A COPY … TO STDOUT that gives data. */
export interface FakePieces {
  /** The data, piece by piece. */
  pieces: (string | Uint8Array)[]
  /** What happens after the last piece. */
  then?: FakeFailure | FakeHang | FakeLoss
}

/**
 * A COPY … FROM STDIN that does not come to a good end. Without a reply it takes whatever it is
 * given.
 */
export interface FakeTaking {
  /** Pieces that are taken before. Default: all of them, and it happens at the end. */
  takes?: number
  /** What happens then. */
  then: FakeFailure | FakeHang | FakeLoss
}

/** A statement that the server refuses. */
export interface FakeFailure {
  /** What the caller gets. */
  error: Error
}

/** A statement that is never answered. */
export interface FakeHang {
  /** Always true. */
  hang: true
}

/**
 * A commit that waits for a synchronous standby: never answered, but a cancel request is answered
 * with success and the warning that tells of it.
 */
interface FakeStandbyWait {
  /** Always true. */
  waitsForStandby: true
}

/** A statement during which the session dies. */
export interface FakeLoss {
  /** Why. */
  lose: string
}

/** What a scripted statement does. */
export type FakeReply =
  | FakeRows
  | FakePieces
  | FakeTaking
  | FakeFailure
  | FakeHang
  | FakeStandbyWait
  | FakeLoss

/** A start-up parameter as a session has it. */
export interface FakeParameter {
  /** Its value; `null` for none. Default: the text that was asked for. */
  found?: string | null
  /** 1 if it was set later than at the log-in. Default 0. */
  setLater?: 0 | 1
  /** 1 if the value means the same as the text. Default 1. */
  same?: 0 | 1
}
