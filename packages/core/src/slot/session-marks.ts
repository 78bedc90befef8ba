import { own } from '../base/own.js'
import { CHANGES_SESSION, SPOILS_SESSION } from '../sql/trait-flags.js'

const STRINGS = 'standard_conforming_strings'
// Reported by the server about itself; no borrower can leave them behind.
const SERVER_STATE: ReadonlySet<string> = new Set(['in_hot_standby', 'is_superuser'])

// What texts do not show, such as a view that calls set_config, lasts no longer than this.
const MOST_SHARED_MS = 10_000

/**
 * Owns how one session may differ from a fresh one, and what must be done about it before the next
 * borrower has it.
 */
export class SessionMarks {
  /** Whether the session may have changed in a way that only a reset undoes. */
  readonly dirty: boolean = false
  /** Why the session must end with its lease: no reset undoes what was done to it. */
  readonly spoiled: string | undefined = undefined
  /**
   * Whether a backslash escapes in plain strings of this session: the server reported that
   * `standard_conforming_strings` is off.
   */
  readonly escapes: boolean = false
  /** Whether a reset is to travel in front of what the session does next. */
  readonly resetDue: boolean = false
  /** Whether the current borrower asked for a reset after its use. */
  readonly resetAfter: boolean = false
  /** Whether calls have shared the session since its last reset. */
  readonly wasShared: boolean = false
  #sharedSince = 0
  /** How often a reset has undone what was set in the session. */
  readonly resets: number = 0
  // Server parameters when the session was ready; undefined before that.
  #atBirth: ReadonlyMap<string, string> | undefined = undefined
  // Those of them that have another value now; undefined if none has.
  #drifted: Set<string> | undefined = undefined

  /** Whether a server parameter has another value than when the session was ready. */
  get drifted(): boolean {
    return this.#drifted !== undefined
  }

  /** Whether the next borrower may have the session as it is. */
  get clean(): boolean {
    return !this.dirty && this.#drifted === undefined
  }

  /**
   * The session is ready, with these server parameters. Once more when what its borrower has set is
   * to stay: it counts as fresh as it is now.
   */
  begin(parameters: ReadonlyMap<string, string>): void {
    this.#atBirth = parameters
    own<SessionMarks>(this).escapes = parameters.get(STRINGS) === 'off'
  }

  /** The server reported the value of a parameter. */
  reported(name: string, value: string): void {
    if (name === STRINGS) own<SessionMarks>(this).escapes = value === 'off'
    // What changes before the session is ready is what it began with.
    if (this.#atBirth === undefined || SERVER_STATE.has(name)) return
    const drifted = this.#drifted ?? new Set()
    if (this.#atBirth.get(name) === value) drifted.delete(name)
    else drifted.add(name)
    this.#drifted = drifted.size > 0 ? drifted : undefined
  }

  /**
   * Notes what a statement may do to the session, before it is sent: whether it fails, is cancelled
   * or is rolled back says nothing about what it did. `traits` are those of its text.
   */
  note(traits: number): void {
    if ((traits & CHANGES_SESSION) !== 0) own<SessionMarks>(this).dirty = true
    if ((traits & SPOILS_SESSION) !== 0) {
      this.spoil('a statement did to its session what no reset undoes')
    }
  }

  /** Calls share the session from now on. */
  share(now: number): void {
    if (this.wasShared) return
    own<SessionMarks>(this).wasShared = true
    this.#sharedSince = now
  }

  /** Whether it has been shared for so long that it is to be reset. */
  isRestDue(now: number): boolean {
    return this.wasShared && now - this.#sharedSince >= MOST_SHARED_MS
  }

  /** Something that no text shows may have changed the session. */
  markDirty(): void {
    own<SessionMarks>(this).dirty = true
  }

  /** No reset makes the session fresh again. The first reason is kept. */
  spoil(reason: string): void {
    own<SessionMarks>(this).spoiled ??= reason
  }

  /**
   * The borrower wants the session reset before and after its use, whatever its texts show.
   * `before` is false for a session that is fresh, or that cannot be reset in front of a statement.
   */
  resetAround(before: boolean): void {
    own<SessionMarks>(this).resetAfter = true
    own<SessionMarks>(this).resetDue = before
  }

  /**
   * The borrower has returned the session. `resets` asks for a reset before the next use, which
   * travels in front of a statement if the driver can do that (`ahead`).
   */
  returned(resets: boolean, ahead: boolean): void {
    own<SessionMarks>(this).resetAfter = false
    if (!resets) return
    if (ahead) own<SessionMarks>(this).resetDue = true
    else own<SessionMarks>(this).dirty = true
  }

  /** Takes the reset that is due: returns whether it must be sent now. */
  takeReset(): boolean {
    if (!this.resetDue) return false
    own<SessionMarks>(this).resetDue = false
    own<SessionMarks>(this).resets++
    return true
  }

  /** The session was brought back to a known state; `reset` says whether by a whole reset. */
  cleaned(reset: boolean): void {
    if (reset) {
      own<SessionMarks>(this).resetDue = false
      own<SessionMarks>(this).resets++
      own<SessionMarks>(this).wasShared = false
    }
    own<SessionMarks>(this).dirty = false
    this.#drifted = undefined
  }
}
