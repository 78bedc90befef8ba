import { DatabaseError } from '../outcome/database-error.js'

/** What the server knows of a fake session: its transaction, its settings and its channels. */
export class FakeSession {
  /** The state of its transaction. */
  status: 'idle' | 'active' | 'failed' = 'idle'
  /** Settings left behind by `set …`; empty in a fresh session. */
  readonly settings: Map<string, string> = new Map()
  /** Channels that it listens to. */
  readonly channels: Set<string> = new Set()

  /** Forgets settings and channels, as a reset does. */
  forget(): void {
    this.settings.clear()
    this.channels.clear()
  }

  /** The error for a statement in a transaction that has failed; null where it may run. */
  refuse(text: string): Error | null {
    if (this.status !== 'failed' || /^(?:rollback|commit)/i.test(text)) return null
    return new DatabaseError('current transaction is aborted', { code: '25P02', severity: 'ERROR' })
  }

  /** Moves the transaction status as a server would, and returns the command tag. */
  follow(text: string, error: Error | null, command: string): string {
    if (error !== null) {
      if (this.status === 'active') this.status = 'failed'
      return ''
    }
    const word = text.trim().split(/[\s;]/, 1)[0]!.toLowerCase()
    const failed = this.status === 'failed'
    if (word === 'begin') this.status = 'active'
    else if (/^rollback (?:to|and chain)/i.test(text)) this.status = 'active'
    else if (word === 'commit' || word === 'rollback') this.status = 'idle'
    else if (word === 'listen') this.channels.add(nameIn(text))
    else if (word === 'unlisten') this.channels.delete(nameIn(text))
    else if (word === 'reset') {
      this.status = 'idle'
      this.forget()
    } else if (word === 'set') {
      const [, name = '', value = ''] = /^set\s+(\w+)\s*=?\s*(.*)$/i.exec(text) ?? []
      this.settings.set(name, value)
    }
    if (word === 'commit' && failed) return 'ROLLBACK'
    return command === '' ? word.toUpperCase() : command
  }
}

/** The quoted identifier in a statement. */
function nameIn(text: string): string {
  return /"((?:[^"]|"")*)"/.exec(text)?.[1]?.replaceAll('""', '"') ?? ''
}
