import type { Classification, DecidingToken } from '@poolhouse/core/sql'
import type { FunctionRules } from './function-rules.js'
import { hazardOfColumn, hazardOfRelation, hazardOfSource } from './hazards.js'
import { isKnownOperator } from './known-operators.js'
import { NO_NAMES, type OwnNames } from './own-names.js'

/**
 * A node of the tree that `libpg-query` makes: an object with its fields, or with one field that
 * names the kind of the node in it.
 */
type SyntaxNode = { readonly [field: string]: unknown }

/** The result of `libpg-query` for a text. */
export interface SyntaxTree {
  /** The statements. */
  readonly stmts?: readonly { readonly stmt?: SyntaxNode }[]
}

const LONGEST_SHOWN = 40
const SAMPLERS: ReadonlySet<string> = new Set(['bernoulli', 'system'])
const READ: Classification = Object.freeze({ verdict: 'read', reason: 'it only reads' })
const SESSION_STATEMENTS: ReadonlySet<string> = new Set([
  'VariableSetStmt',
  'DiscardStmt',
  'PrepareStmt',
  'ExecuteStmt',
  'DeallocateStmt',
  'DeclareCursorStmt',
  'FetchStmt',
  'ClosePortalStmt',
  'LoadStmt',
  'CheckPointStmt',
])

/**
 * Classifies a parsed text by the same rules as tokens, by the kind of each node instead of its
 * place in the text.
 */
export function classifyTree(
  { stmts = [] }: SyntaxTree,
  text: string,
  rules: FunctionRules,
  names: OwnNames = NO_NAMES,
): Classification {
  if (stmts.length === 0) return write('it is empty')
  if (stmts.length > 1) return write(`it has ${stmts.length} statements`)
  const query = queryOf(stmts[0]?.stmt ?? {})
  return 'verdict' in query ? query : new TreeWalk(text, rules, names).walk(query.node)
}

/** The query that a statement is or runs, or its classification if there is none. */
function queryOf(statement: SyntaxNode): { readonly node: unknown } | Classification {
  const [kind = '', body] = only(statement)
  const { query, relation, is_from: isFrom, is_program: isProgram, filename } = body
  switch (kind) {
    case 'SelectStmt':
      return { node: statement }
    case 'ExplainStmt':
      return isObject(query) && 'SelectStmt' in query
        ? { node: query }
        : write('it explains something that is no query')
    case 'CopyStmt':
      if (isFrom === true || isProgram === true || filename !== undefined) {
        return write('it is a COPY that does not go to the client')
      }
      return { node: query ?? { RangeVar: relation } }
    default:
      return write(`it is a ${kind}, and no query`, SESSION_STATEMENTS.has(kind))
  }
}

/** Walks a whole tree without recursion, because a tree may be as deep as its text is long. */
class TreeWalk {
  readonly #text: string
  readonly #rules: FunctionRules
  readonly #names: OwnNames
  readonly #open: unknown[] = []
  #verdict: Classification = READ

  constructor(text: string, rules: FunctionRules, names: OwnNames) {
    this.#text = text
    this.#rules = rules
    this.#names = names
  }

  walk(root: unknown): Classification {
    this.#open.push(root)
    while (this.#open.length > 0) {
      const node = this.#open.pop()
      if (Array.isArray(node)) {
        for (const item of node) this.#open.push(item)
      } else if (isObject(node)) {
        const found = this.#enter(node)
        if (found !== undefined) return found
      }
    }
    return this.#verdict
  }

  /**
   * Looks at the fields of a node. A field that begins with a capital letter names the kind of the
   * node in it.
   */
  #enter(node: SyntaxNode): Classification | undefined {
    if (node['intoClause'] !== undefined) return write('it makes a table')
    if (node['lockingClause'] !== undefined) return write('it locks rows')
    for (const [field, value] of Object.entries(node)) {
      if (typeof value !== 'object' || value === null) continue
      const found = isObject(value) ? this.#kind(field, value) : undefined
      if (found !== undefined) return found
      this.#open.push(value)
    }
    return undefined
  }

  #kind(kind: string, body: SyntaxNode): Classification | undefined {
    switch (kind) {
      case 'SelectStmt':
        return undefined
      case 'FuncCall':
        return this.#call(body)
      case 'RangeVar':
        return this.#relation(body)
      case 'ColumnRef':
        return this.#column(body)
      case 'A_Indirection':
        return this.#indirection(body)
      case 'A_Expr':
        return this.#operator(body['name'], body['location'])
      case 'SubLink':
        return this.#operator(body['operName'], body['location'])
      case 'RangeTableSample':
        return this.#sampler(body)
      case 'SortBy':
        return this.#operator(body['useOp'], body['location'])
      default:
        return kind.endsWith('Stmt') ? write(`it holds a ${kind}`) : undefined
    }
  }

  #call(body: SyntaxNode): Classification | undefined {
    const names = stringsOf(body['funcname'])
    const name = names.at(-1) ?? ''
    const { verdict, reason, silent } = this.#rules.judge(names.at(-2), name, this.#names)
    if (verdict === 'read') return undefined
    const token = this.#tokenAt(body['location'], name)
    if (verdict === 'write') return write(`"${name}" ${reason}`, silent, token)
    return this.#unknown(name, reason, token)
  }

  #unknown(name: string, reason: string, token: DecidingToken): undefined {
    if (this.#verdict !== READ) return
    this.#verdict = Object.freeze({ verdict: 'unknown', reason: `"${name}" ${reason}`, token })
  }

  #column({ fields, location }: SyntaxNode): Classification | undefined {
    const names = stringsOf(fields)
    const name = names.at(-1)
    // The star of `t.*` is no name.
    if (name === undefined || !Array.isArray(fields) || names.length < fields.length)
      return undefined
    const found = hazardOfColumn(name)
    if (found !== undefined) {
      return write(`"${name}" ${found.reason}`, found.silent, this.#tokenAt(location, name))
    }
    return names.length > 1 ? this.#attribute(names.at(-2), name, location) : undefined
  }

  /** `(value).name`, which may be a field or a function. */
  #indirection({ indirection }: SyntaxNode): Classification | undefined {
    for (const name of stringsOf(indirection)) {
      const found = this.#attribute(undefined, name, undefined)
      if (found !== undefined) return found
    }
    return undefined
  }

  #attribute(
    schema: string | undefined,
    name: string,
    location: unknown,
  ): Classification | undefined {
    const { verdict, reason, silent } = this.#rules.judgeAttribute(schema, name, this.#names)
    if (verdict === 'read') return undefined
    const token = this.#tokenAt(location, name)
    if (verdict === 'write') return write(`"${name}" ${reason}`, silent, token)
    return this.#unknown(name, reason, token)
  }

  #sampler({ method, location }: SyntaxNode): undefined {
    const names = stringsOf(method)
    const name = names.at(-1) ?? ''
    if (names.length === 1 && SAMPLERS.has(name)) return
    this.#unknown(name, 'is a function that nothing is known of', this.#tokenAt(location, name))
  }

  /** An operator, with its schema if the text names one. BETWEEN and the like are no operators. */
  #operator(list: unknown, location: unknown): undefined {
    const names = stringsOf(list)
    const sign = names.at(-1)
    if (sign === undefined || /[a-z]/i.test(sign)) return
    const schema = names.at(-2)
    if ((schema === undefined || schema === 'pg_catalog') && isKnownOperator(sign)) return
    this.#unknown(sign, 'is an operator that nothing is known of', this.#tokenAt(location, sign))
  }

  #relation({ schemaname, relname, location }: SyntaxNode): Classification | undefined {
    for (const name of [schemaname, relname]) {
      const local = typeof name === 'string' ? hazardOfRelation(name) : undefined
      if (local === undefined) continue
      return write(`"${name}" ${local.reason}`, local.silent, this.#tokenAt(location, String(name)))
    }
    const source =
      typeof relname === 'string' ? hazardOfSource(relname, this.#names.sequences) : undefined
    if (source === undefined) return undefined
    const token = this.#tokenAt(location, String(relname))
    return write(`"${String(relname)}" ${source.reason}`, source.silent, token)
  }

  /** Converts a location, which is counted in bytes, into an offset in characters. */
  #tokenAt(location: unknown, name: string): DecidingToken {
    // The tree leaves out a location of 0.
    const bytes = typeof location === 'number' ? Math.max(0, location) : 0
    const position = Buffer.from(this.#text).subarray(0, bytes).toString().length
    const shown = name.length > LONGEST_SHOWN ? `${name.slice(0, LONGEST_SHOWN)}…` : name
    return Object.freeze({ text: shown, position })
  }
}

function write(reason: string, hazard = false, token?: DecidingToken): Classification {
  return Object.freeze({
    verdict: 'write',
    reason,
    ...(hazard && { hazard }),
    ...(token && { token }),
  })
}

function only(node: SyntaxNode): readonly [kind: string | undefined, body: SyntaxNode] {
  const [entry] = Object.entries(node)
  return entry === undefined || !isObject(entry[1]) ? [entry?.[0], {}] : [entry[0], entry[1]]
}

function stringsOf(list: unknown): string[] {
  if (!Array.isArray(list)) return []
  return list.flatMap((item: unknown) => {
    const text = isObject(item) ? (item['String'] as SyntaxNode | undefined)?.['sval'] : undefined
    return typeof text === 'string' ? [text] : []
  })
}

function isObject(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
