import type { TransactionStatus } from '../../api/driver.js'
import type { Statement } from '../../api/statement.js'
import { StatementRules } from '../../api/statement-rules.js'
import { leavesNothing } from '../../identity/leaves-nothing.js'
import { isCondition } from '../../outcome/conditions.js'
import type { WireValue } from '../../types/encode-values.js'
import type { ServerError } from '../frames/server-error.js'
import { AutomaticNames } from './automatic-names.js'
import {
  CHANGES_DEFINITIONS,
  DROPS_STATEMENTS,
  effectOf,
  NO_EFFECT,
  PUBLISHES,
  SETS,
  UNDOES,
} from './command-effects.js'
import { ANY_BORROWER, NamedStatement } from './named-statement.js'
import { isHarmless } from './naming-change.js'
import { factsOf } from './statement-facts.js'
import { isForeign, mayBeStale, refusalOfName } from './statement-names.js'

/** The names of statements that a lent client keeps for what its borrower runs on it. */
export interface ClientNames {
  /** The text that the client has prepared under a name. */
  textOf(name: string): string | undefined
  /** The session has prepared a text under this name. */
  prepared(name: string, text: string): void
  /** The server no longer holds the statement of that name, or, without one, any. */
  forget(name?: string): void
}

// Why no names are used. The first ends with the transaction, the next three with a reset of the
// session, the last never.
const IN_TRANSACTION = 1
const IN_SESSION = 2
const DRIFTED = 4
const RAW_TAKEN = 8
const NEVER = 16

// Parameters that the server reports and that decide over the meaning of a text when it is parsed.
// PostgreSQL 18 reports the search path.
const MEANING: ReadonlySet<string> = new Set([
  'search_path',
  'session_authorization',
  'is_superuser',
  'TimeZone',
  'DateStyle',
  'IntervalStyle',
  'standard_conforming_strings',
])
const NO_PARAMETERS: ReadonlyMap<string, string> = new Map()

/**
 * The prepared statements of one session, and the one place that decides whether a statement runs
 * under a name. A statement belongs to the definitions, the search path and the role under which it
 * was parsed; whenever one of these may have changed, it is parsed anew or runs without a name.
 */
export class SessionStatements {
  readonly #rules: StatementRules
  #client: ClientNames | undefined
  readonly #automatic: AutomaticNames | undefined
  // By the names that callers gave. Made when needed: idle sessions may be many.
  #named: Map<string, NamedStatement> | undefined
  #closing: string[] = []
  #obstacles = 0
  // What was parsed under a lower number must be parsed anew.
  #generation = 0
  // Counts the resets that travelled in front of a borrower's first statement.
  #borrower = 0
  // Whether nothing has run since then that could have changed the meaning of texts unseen, and
  // whether that was so before the last choice.
  #isFresh = true
  #choseFresh = true
  #epoch: number
  #parameters: ReadonlyMap<string, string> = NO_PARAMETERS
  #drifted: Set<string> | undefined
  // Definitions were changed here and the transaction is not over.
  #changing = false
  // Definitions were changed here since the session was born or reset: some may be those of
  // temporary tables.
  #touched = false
  // The owner of the client has sent a text that may change the meaning of others. The client may
  // have prepared it, and run it again unheard.
  #rawChangesMeaning = false
  #ignoring = false
  #cancelAsked = false
  #mayRepeat = false

  /** Begins with none prepared. */
  constructor(rules: StatementRules = new StatementRules()) {
    this.#rules = rules
    this.#epoch = rules.epoch
    const { automatic } = rules
    this.#automatic = automatic && new AutomaticNames(automatic, (given) => this.#close(given))
  }

  /** A client runs statements too from now on, and keeps its own names beside these. */
  beside(client: ClientNames): void {
    this.#client = client
    for (const { name, text, state } of this.#named?.values() ?? []) {
      if (state === 'known') client.prepared(name, text)
    }
  }

  /**
   * The prepared statement to run this as, undefined for none; if it is not `known`, `parse` goes
   * first. Asked each time a statement is about to be sent, with its values as they are sent.
   * One that is `parsing` is chosen only if `follows`: this is sent behind that Parse, and may be
   * sent anew. Throws `TypeError` for a name that stands for another text or that PostgreSQL would
   * cut off.
   */
  choose(
    statement: Statement,
    values: readonly WireValue[] | undefined,
    follows = false,
  ): NamedStatement | undefined {
    const { text, name } = statement
    let found: NamedStatement | undefined
    this.#choseFresh = this.#isFresh
    if (this.#isFresh) {
      this.#isFresh = factsOf(text).leavesMeaning || leavesNothing(statement)
    }
    if (name !== undefined) {
      found = this.#find(name, text)
      this.#noteText(statement, values)
    } else {
      found = values === undefined ? undefined : this.#automatic?.use(text)
      if (found === undefined) this.#noteText(statement, values)
    }
    if (found === undefined || !this.#allows(found.automatic)) return undefined
    if (found.state === 'parsing') return follows ? found : undefined
    const rules = this.#rules
    if (rules.epoch !== this.#epoch) {
      this.#epoch = rules.epoch
      this.#generation++
    }
    if (found.state === 'known' && this.#isOld(found)) found.state = 'old'
    return found
  }

  /**
   * Parse is about to be sent for a statement that is not known; the names of `takeClosing` must be
   * closed before it.
   */
  parse(statement: NamedStatement): void {
    if (statement.state === 'old') this.#closing.push(statement.name)
    statement.state = 'parsing'
    statement.shape = undefined
    statement.parsedAt = this.#rules.now()
    statement.generation = this.#generation
    statement.borrower = this.#choseFresh ? ANY_BORROWER : this.#borrower
  }

  /** ParseComplete has come for it. */
  parsed(statement: NamedStatement): void {
    statement.state = 'known'
    if (!statement.automatic) this.#client?.prepared(statement.name, statement.text)
  }

  /** It was never sent. */
  unsent(statement: NamedStatement): void {
    if (statement.state === 'parsing') statement.state = 'old'
  }

  /** Whether the server has yet to be told of statements that are over. */
  get hasClosing(): boolean {
    return this.#closing.length > 0
  }

  /** The names that the server has yet to forget. */
  takeClosing(): string[] {
    return this.#closing.splice(0)
  }

  /** These names were taken, and the server was not told. */
  stillClosing(names: readonly string[]): void {
    this.#closing.push(...names)
  }

  /**
   * An error came for a statement that ran under a name, and no BindComplete before it: nothing of
   * it was executed. `known` says that it was sent without Parse. Returns whether a new Parse may
   * succeed. To be called at ReadyForQuery.
   */
  refused(statement: NamedStatement, known: boolean, error: ServerError): boolean {
    if (!known) {
      if (statement.state === 'parsing') statement.state = 'absent'
      if (!isForeign(error)) return false
      // Only another client of the same server session can have prepared a text under the name that
      // says it.
      if (statement.automatic) this.#obstacles |= NEVER
      return statement.automatic
    }
    if (!mayBeStale(error)) return false
    statement.state = 'old'
    this.#client?.forget(statement.name)
    // Whatever drops statements is known by its tag. One that is gone all the same may be on
    // another server session.
    if (isCondition(error.code, 'invalid_sql_statement_name')) this.#obstacles |= NEVER
    return true
  }

  /**
   * Whether the statement that ended with the last ReadyForQuery may be sent anew: outside a
   * transaction, and not if its cancellation was asked for.
   */
  get mayRepeat(): boolean {
    return this.#mayRepeat
  }

  /** The session is over. What it was about to commit may be committed, and the others see it. */
  over(): void {
    if (this.#changing) this.#rules.definitionsChanged()
  }

  /** The server was asked to cancel what runs. */
  cancelAsked(): void {
    this.#cancelAsked = true
  }

  /**
   * A command is through. `returnsRows` says whether columns are known for it; `ours` is false for
   * what the owner of the client runs.
   */
  completed(tag: string, returnsRows: boolean, ours: boolean): void {
    const effect = effectOf(tag, returnsRows)
    if (effect === NO_EFFECT || this.#ignoring) return
    if ((effect & CHANGES_DEFINITIONS) !== 0) {
      this.#changing = true
      this.#touched = true
      this.#rules.definitionsChanged()
    }
    if ((effect & DROPS_STATEMENTS) !== 0) {
      this.#generation++
      this.#client?.forget()
    }
    // AND CHAIN, or what follows in the same text: the session is not idle after it.
    if ((effect & (UNDOES | PUBLISHES)) !== 0 && this.#changing) this.#rules.definitionsChanged()
    if ((effect & SETS) !== 0 && !ours) this.#obstacles |= IN_SESSION
  }

  /** ReadyForQuery has come. */
  ready(status: TransactionStatus): void {
    this.#mayRepeat = status === 'idle' && !this.#cancelAsked
    this.#cancelAsked = false
    if (status !== 'idle') return
    this.#obstacles &= ~IN_TRANSACTION
    if (!this.#changing) return
    // Now the others see it too, and what was parsed meanwhile has not.
    this.#changing = false
    this.#rules.definitionsChanged()
  }

  /** What the server has reported at the log-in. */
  born(parameters: ReadonlyMap<string, string>): void {
    this.#parameters = parameters
    // Where a backslash escapes, a text is read in another way than it was looked at here.
    if (parameters.get('standard_conforming_strings') === 'off') this.#obstacles |= NEVER
  }

  /** The server has reported another value of a parameter. */
  parameter(name: string, value: string): void {
    if (!MEANING.has(name)) return
    this.#drifted ??= new Set()
    if (this.#parameters.get(name) === value) this.#drifted.delete(name)
    else this.#drifted.add(name)
    if (this.#drifted.size > 0) this.#obstacles |= DRIFTED
    else this.#obstacles &= ~DRIFTED
  }

  /** The client was handed out: what is set through it is not seen. */
  rawTaken(): void {
    this.#obstacles |= this.#rawChangesMeaning ? RAW_TAKEN | IN_SESSION : RAW_TAKEN
  }

  /**
   * The owner of the client sends this text, with values that are not known here. Of what we send
   * through a lent client it may be told as well.
   */
  rawSends(text: string): void {
    if (factsOf(text).naming === undefined) return
    this.#rawChangesMeaning = true
    this.#obstacles |= IN_SESSION
  }

  /** What the owner of the client ran has failed. It may have committed before. */
  rawFailed(): void {
    this.#changing = true
  }

  /**
   * No statement of this session runs under a name any more: its server session may be another one
   * by the next call.
   */
  stopNaming(): void {
    this.#obstacles |= NEVER
  }

  /** The session runs our own commands, whose effects on it are known, until `reset`. */
  resetting(on: boolean): void {
    this.#ignoring = on
  }

  /**
   * A reset goes out in front of the next statement, which does not run if that fails. What it
   * changes of the parameters is reported later. A function that the last borrower called may have
   * changed unseen what its texts meant, so that what was parsed for it serves that borrower alone.
   */
  resetAhead(): void {
    this.#borrower++
    this.#isFresh = true
    if (this.#touched || (this.#obstacles & DRIFTED) !== 0) this.#generation++
    this.#touched = false
    this.#obstacles &= NEVER | DRIFTED
  }

  /** The session is as it was when it was born, with these parameters. */
  wasReset(parameters: ReadonlyMap<string, string>): void {
    const drifted = this.#drifted
    if (this.#touched || (drifted !== undefined && drifted.size > 0)) this.#generation++
    this.#touched = false
    if (drifted !== undefined && drifted.size > 0) {
      // What no reset brings back is what the server now gives to every session.
      this.#parameters = new Map(parameters)
      drifted.clear()
    }
    this.#obstacles &= NEVER
  }

  #allows(automatic: boolean): boolean {
    const obstacles = automatic ? this.#obstacles : this.#obstacles & ~RAW_TAKEN
    return obstacles === 0
  }

  #isOld({ automatic, generation, borrower, parsedAt }: NamedStatement): boolean {
    if (generation !== this.#generation) return true
    if (borrower !== ANY_BORROWER && borrower !== this.#borrower) return true
    return automatic && this.#rules.now() - parsedAt >= this.#rules.maxAgeMs
  }

  #find(name: string, text: string): NamedStatement | undefined {
    let found = this.#named?.get(name)
    const held = found?.state === 'absent' ? undefined : found?.text
    const known = held ?? this.#client?.textOf(name)
    const refusal = refusalOfName(name, text, known)
    if (refusal !== undefined) throw refusal
    if (found === undefined || found.text !== text) {
      found = new NamedStatement(name, text, false)
      this.#named ??= new Map()
      this.#named.set(name, found)
    }
    // The owner of the client has prepared it.
    if (found.state === 'absent' && known !== undefined) found.state = 'old'
    return factsOf(text).fixedShape ? found : undefined
  }

  #noteText(statement: Statement, values: readonly WireValue[] | undefined): void {
    const { naming } = factsOf(statement.text)
    if (naming === undefined || leavesNothing(statement)) return
    // It may commit and then fail, so that no tag tells of it.
    if (naming.runsCode === true && !this.#ignoring) this.#changing = true
    const { settingsIn, until } = naming
    if (settingsIn?.every((index) => isHarmless(values?.[index])) === true) return
    this.#obstacles |= until === 'transaction' ? IN_TRANSACTION : IN_SESSION
  }

  #close({ name, state }: NamedStatement): void {
    if (state !== 'absent') this.#closing.push(name)
  }
}
