import type { StatementPart } from '../protocol/split-statements.js'

const FIXED: Readonly<Record<string, string>> = {
  insert: 'INSERT 0 1',
  update: 'UPDATE 1',
  delete: 'DELETE 1',
  merge: 'MERGE 1',
  truncate: 'TRUNCATE TABLE',
  begin: 'BEGIN',
  start: 'START TRANSACTION',
  commit: 'COMMIT',
  end: 'COMMIT',
  rollback: 'ROLLBACK',
  abort: 'ROLLBACK',
  savepoint: 'SAVEPOINT',
  release: 'RELEASE',
  lock: 'LOCK TABLE',
  set: 'SET',
  reset: 'RESET',
  listen: 'LISTEN',
  unlisten: 'UNLISTEN',
  notify: 'NOTIFY',
  prepare: 'PREPARE',
  deallocate: 'DEALLOCATE',
  declare: 'DECLARE CURSOR',
  close: 'CLOSE CURSOR',
  move: 'MOVE 0',
  grant: 'GRANT',
  revoke: 'REVOKE',
  comment: 'COMMENT',
  vacuum: 'VACUUM',
  analyze: 'ANALYZE',
  reindex: 'REINDEX',
  cluster: 'CLUSTER',
  checkpoint: 'CHECKPOINT',
  call: 'CALL',
  do: 'DO',
  load: 'LOAD',
}

/**
 * The tag with which PostgreSQL reports the statement as done, one row for DML; `''` for a command
 * that is not known.
 */
export function commandTag({ code }: StatementPart): string {
  const words = code
    .trim()
    .toUpperCase()
    .split(/[^A-Z]+/)
  const [first = '', second = ''] = words
  switch (first) {
    case 'CREATE':
    case 'ALTER':
    case 'DROP':
    case 'REFRESH': {
      const noise = /^(OR|REPLACE|TEMP|TEMPORARY|UNLOGGED|UNIQUE|GLOBAL|LOCAL|RECURSIVE)$/
      const object = words.slice(1).filter((word) => !noise.test(word))
      const two = /^(MATERIALIZED|EVENT|FOREIGN|ACCESS)$/.test(object[0] ?? '')
      return [first, ...object.slice(0, two ? 2 : 1)].join(' ')
    }
    case 'DISCARD':
      return `DISCARD ${second}`
    case 'PREPARE':
      return second === 'TRANSACTION' ? 'PREPARE TRANSACTION' : 'PREPARE'
    case 'COMMIT':
    case 'ROLLBACK':
      return second === 'PREPARED' ? `${first} PREPARED` : first
    default:
      return FIXED[first.toLowerCase()] ?? ''
  }
}
