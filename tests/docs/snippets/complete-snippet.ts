import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { ROOT, type Snippet } from './read-snippets.js'

/** The public entry points whose names a block may use without an import, the first one first. */
const ENTRIES: Readonly<Record<string, string>> = {
  '@poolhouse/core': 'packages/core/src/index.ts',
  '@poolhouse/failover': 'packages/failover/src/index.ts',
  '@poolhouse/read-replicas': 'packages/read-replicas/src/index.ts',
  '@poolhouse/read-replicas/parser': 'packages/read-replicas/src/parser.ts',
  '@poolhouse/manager': 'packages/manager/src/index.ts',
  '@poolhouse/node-postgres': 'packages/node-postgres/src/index.ts',
  '@poolhouse/postgres-js': 'packages/postgres-js/src/index.ts',
  '@poolhouse/otel': 'packages/otel/src/index.ts',
  '@poolhouse/cli': 'packages/cli/src/index.ts',
  '@poolhouse/dashboard': 'packages/dashboard/src/index.ts',
  '@poolhouse/testkit': 'packages/testkit/src/index.ts',
  '@poolhouse/core/kit': 'packages/core/src/kit.ts',
  '@poolhouse/core/testing': 'packages/core/src/testing/index.ts',
  '@poolhouse/node-postgres/compat': 'packages/node-postgres/src/compat/index.ts',
  '@poolhouse/postgres-js/compat': 'packages/postgres-js/src/compat/index.ts',
}

/** What only a block that is not run may use: nothing of it is there at run time. */
const COMPILED_ONLY = './given-in-examples.ts'

/** Files of the tests whose names a block may use in the same way, from this folder. */
const FILES: readonly string[] = [
  './given.ts',
  '../library-shapes.ts',
  '../consul.ts',
  '../in-order.ts',
  '../audited-driver.ts',
  COMPILED_ONLY,
]

/** Where a name comes from, and whether it is only a type. */
interface Source {
  readonly from: string
  readonly isType: boolean
  /** Whether it is for blocks that are not run. */
  readonly isCompiledOnly: boolean
}

/** The code of a block as a module. */
export interface Completed {
  /** What stands in front of the block, in one line. */
  readonly before: string
  /** What stands behind it. */
  readonly after: string
}

let known: ReadonlyMap<string, Source> | undefined

/**
 * Makes a module of a block: imports what it uses and neither imports nor declares, which are names
 * of given.ts and of the public entry points, and makes a function of a block that returns.
 */
export function completeSnippet({ lines, language, renamed, treatment }: Snippet): Completed {
  known ??= readKnown()
  const code = lines.map(({ text }) => text).join('\n')
  const kind = language === 'ts' ? ts.ScriptKind.TS : ts.ScriptKind.JS
  const file = ts.createSourceFile('snippet', code, ts.ScriptTarget.Latest, true, kind)
  const declared = new Set(file.statements.flatMap(namesOf))
  const imports: string[] = []
  for (const name of usedIn(file)) {
    const other = renamed.get(name)
    const source = declared.has(name) ? undefined : known.get(other ?? name)
    if (source === undefined || (source.isCompiledOnly && treatment === 'run')) continue
    const what = other === undefined ? name : `${other} as ${name}`
    imports.push(`import ${source.isType ? 'type ' : ''}{ ${what} } from '${source.from}';`)
  }
  const before = ['export {};', ...imports].join(' ')
  if (!returns(file)) return { before, after: '' }
  return { before: `${before} async function block() {`, after: '}\nawait block()' }
}

/** Whether a block returns, as the body of a function does. */
function returns(node: ts.Node): boolean {
  if (ts.isReturnStatement(node)) return true
  if (ts.isFunctionLike(node) || ts.isClassLike(node)) return false
  return ts.forEachChild(node, returns) ?? false
}

/** The names that a statement declares for the whole module. */
function namesOf(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => bound(name))
  }
  if (ts.isImportDeclaration(statement)) {
    const { name, namedBindings } = statement.importClause ?? {}
    const list = namedBindings && ts.isNamedImports(namedBindings) ? namedBindings.elements : []
    return [name, ...list.map((each) => each.name)].flatMap((each) => each?.text ?? [])
  }
  const { name } = statement as { name?: ts.Node }
  return name !== undefined && ts.isIdentifier(name) ? [name.text] : []
}

function bound(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text]
  return name.elements.flatMap((each) => (ts.isBindingElement(each) ? bound(each.name) : []))
}

/** Every identifier that is not the name of a property. */
function usedIn(file: ts.SourceFile): Set<string> {
  const used = new Set<string>()
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && !isProperty(node, node.parent)) used.add(node.text)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return used
}

/** Whether an identifier is the name of a property or a member, and no use of a variable. */
function isProperty(node: ts.Identifier, parent: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node
  if (ts.isBindingElement(parent)) return parent.propertyName === node
  const isMember =
    ts.isPropertyAssignment(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isMethodSignature(parent)
  return isMember && parent.name === node
}

function readKnown(): Map<string, Source> {
  const found = new Map<string, Source>()
  const read = (from: string, path: URL, isCompiledOnly = false): void => {
    const text = readFileSync(path, 'utf8')
    const file = ts.createSourceFile(path.pathname, text, ts.ScriptTarget.Latest)
    for (const [name, isType] of file.statements.flatMap(exportsOf)) {
      if (!found.has(name)) found.set(name, { from, isType, isCompiledOnly })
    }
  }
  for (const path of FILES) {
    const url = new URL(path, import.meta.url)
    read(fileURLToPath(url).replace(/\.ts$/, '.js'), url, path === COMPILED_ONLY)
  }
  for (const [from, path] of Object.entries(ENTRIES)) read(from, new URL(path, ROOT))
  return found
}

function exportsOf(statement: ts.Statement): (readonly [name: string, isType: boolean])[] {
  if (ts.isExportDeclaration(statement)) {
    const { exportClause, isTypeOnly } = statement
    if (exportClause === undefined || !ts.isNamedExports(exportClause)) return []
    return exportClause.elements.map((each) => [each.name.text, isTypeOnly || each.isTypeOnly])
  }
  if (!ts.canHaveModifiers(statement)) return []
  const isExported = ts
    .getModifiers(statement)
    ?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
  if (isExported !== true) return []
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => [
      (name as ts.Identifier).text,
      false,
    ])
  }
  const { name } = statement as ts.FunctionDeclaration | ts.InterfaceDeclaration
  const isType = ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)
  return name === undefined ? [] : [[name.text, isType]]
}
