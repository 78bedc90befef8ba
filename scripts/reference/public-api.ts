import { join, relative } from 'node:path'
import ts from 'typescript'

/** What one entry point of a package exports, with the compiler's knowledge of it. */
export interface EntryPoint {
  /** What to import it as: `@poolhouse/core/testing`. */
  readonly name: string
  /** The declarations, by name. */
  readonly exports: ReadonlyMap<string, ts.Symbol>
}

/** One member of an interface, a class or an object type. */
export interface Member {
  readonly name: string
  /** Its type, or its signature; without `undefined` where it may be left out. */
  readonly type: string
  readonly isMethod: boolean
  readonly optional: boolean
  /** Its doc comment without tags: plain Markdown. */
  readonly doc: string
  /** The code of its examples. */
  readonly examples: readonly string[]
  /** Where it is declared: `packages/core/src/api/pool.ts:12`. */
  readonly at: string
}

/** A function that is exported, or one of its overloads. */
export type CallableDeclaration = Pick<Member, 'doc' | 'examples' | 'at'>

/** Reads the public API of the packages out of their sources. */
export class PublicApi {
  readonly entryPoints: readonly EntryPoint[]
  readonly #checker: ts.TypeChecker
  readonly #program: ts.Program
  readonly #root: string

  /**
   * `files` are the sources of the entry points by name, seen from `root`. Throws an `Error` if one
   * of them is not there.
   */
  constructor(root: string, files: Readonly<Record<string, string>>) {
    this.#root = root
    const { config } = ts.readConfigFile(join(root, 'tsconfig.base.json'), ts.sys.readFile)
    const { options } = ts.parseJsonConfigFileContent({ ...config, files: [] }, ts.sys, root)
    const paths = Object.values(files).map((file) => join(root, file))
    this.#program = ts.createProgram(paths, options)
    this.#checker = this.#program.getTypeChecker()
    this.entryPoints = Object.entries(files).map(([name, file]) => {
      const module = this.#checker.getSymbolAtLocation(this.#sourceOf(join(root, file)))
      if (module === undefined) throw new Error(`${file} exports nothing`)
      const exports = new Map(
        this.#checker
          .getExportsOfModule(module)
          .map((symbol): [string, ts.Symbol] => [symbol.name, this.#resolved(symbol)]),
      )
      return { name, exports }
    })
  }

  /** A source file by its absolute path. Throws an `Error` if it belongs to no entry point. */
  #sourceOf(path: string): ts.SourceFile {
    const file = this.#program.getSourceFile(path)
    if (file === undefined) throw new Error(`${path} is not among the sources`)
    return file
  }

  /**
   * An export by name, of the first entry point that has it unless `from` names one. Throws an
   * `Error` if there is none.
   */
  find(name: string, from?: string): ts.Symbol {
    for (const entry of this.entryPoints) {
      const symbol = entry.exports.get(name)
      if (symbol !== undefined && (from ?? entry.name) === entry.name) return symbol
    }
    throw new Error(`nothing exported is called ${name}; was it renamed?`)
  }

  /** Whether different things are exported under one name. */
  isAmbiguous(name: string): boolean {
    return new Set(this.entryPoints.flatMap(({ exports }) => exports.get(name) ?? [])).size > 1
  }

  /** The sources of the packages, the testkit's aside. */
  get sources(): readonly ts.SourceFile[] {
    return this.#program
      .getSourceFiles()
      .filter(({ fileName }) => /\/packages\/(?!testkit\/)[\w-]+\/src\//.test(fileName))
  }

  /** The doc comment of something, without tags. */
  docOf(symbol: ts.Symbol): string {
    const parts = symbol.getDocumentationComment(this.#checker)
    return ts.displayPartsToString(parts).replace(/\{@link (\w+)\}/g, '`$1`')
  }

  /** The code of the examples of something. */
  examplesOf(symbol: ts.Symbol): string[] {
    return (symbol.declarations ?? []).flatMap(examplesOfNode)
  }

  /** A function, once for each of its overloads; nothing for what is no function. */
  functionsOf(symbol: ts.Symbol): CallableDeclaration[] {
    const all = symbol.declarations?.filter((node) => ts.isFunctionDeclaration(node)) ?? []
    const seen = all.length === 1 ? all : all.filter(({ body }) => body === undefined)
    return seen.map((node) => ({
      doc: docOfNode(node),
      examples: examplesOfNode(node),
      at: this.#placeOf(node),
    }))
  }

  /**
   * The members that belong to the public: neither private nor `@internal`, and none whose name is
   * a symbol.
   */
  membersOf(symbol: ts.Symbol, inherited: boolean): Member[] {
    const type = this.#checker.getDeclaredTypeOfSymbol(symbol)
    const own = new Set<ts.Node>(symbol.declarations)
    return this.#checker
      .getPropertiesOfType(type)
      .filter((property) => /^[a-z]/i.test(property.name))
      .flatMap((property) =>
        (property.declarations ?? [])
          .filter((declaration) => inherited || own.has(declaration.parent))
          .filter((declaration) => isPublic(declaration))
          .map((declaration) => this.#memberOf(property, declaration)),
      )
  }

  /** What an interface or a class is made of beside its own members. */
  parentsOf(symbol: ts.Symbol): string[] {
    return (symbol.declarations ?? [])
      .filter((node) => ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node))
      .flatMap((node) => node.heritageClauses ?? [])
      .flatMap((clause) => clause.types.map((type) => type.expression.getText()))
  }

  /** How a function is called: `name(parameters): Result`. */
  signatureOf(symbol: ts.Symbol): string {
    const declaration = symbol.declarations?.find((node) => ts.isFunctionDeclaration(node))
    if (declaration === undefined) throw new Error(`${symbol.name} is not a function`)
    return `${symbol.name}${this.#callOf(declaration)}`
  }

  #memberOf(symbol: ts.Symbol, declaration: ts.Declaration): Member {
    const optional = (symbol.flags & ts.SymbolFlags.Optional) !== 0
    const { name } = symbol
    // Without a comment of its own an editor shows that of the parent.
    const examples = docOfNode(declaration) ? examplesOfNode(declaration) : this.#inherited(symbol)
    const known = { name, optional, examples, at: this.#placeOf(declaration) }
    if (ts.isMethodSignature(declaration) || ts.isMethodDeclaration(declaration)) {
      const doc = docOfNode(declaration) || this.docOf(symbol)
      return { ...known, type: `${name}${this.#callOf(declaration)}`, isMethod: true, doc }
    }
    const node = (declaration as ts.PropertySignature | ts.GetAccessorDeclaration).type
    const text = node === undefined ? '' : this.#textOf(node)
    const type = optional ? defined(text) : text
    return { ...known, type, isMethod: false, doc: this.docOf(symbol) }
  }

  #inherited(symbol: ts.Symbol): string[] {
    return symbol
      .getJsDocTags(this.#checker)
      .filter(({ name }) => name === 'example')
      .map(({ text }) => ts.displayPartsToString(text))
  }

  #placeOf(node: ts.Declaration): string {
    const file = node.getSourceFile()
    const { line } = file.getLineAndCharacterOfPosition(node.getStart(file))
    return `${relative(this.#root, file.fileName)}:${line + 1}`
  }

  #callOf(declaration: ts.SignatureDeclaration): string {
    const parameters = declaration.parameters.map((parameter) => {
      const mark = parameter.questionToken || parameter.initializer ? '?' : ''
      const dots = parameter.dotDotDotToken ? '...' : ''
      const type = parameter.type === undefined ? '' : `: ${this.#textOf(parameter.type)}`
      return `${dots}${parameter.name.getText()}${mark}${mark === '' ? type : defined(type)}`
    })
    const generics = declaration.typeParameters?.map((parameter) => parameter.name.text) ?? []
    const result = declaration.type === undefined ? 'void' : this.#textOf(declaration.type)
    return `${generics.length > 0 ? `<${generics.join(', ')}>` : ''}(${parameters.join(', ')}): ${result}`
  }

  /**
   * A type as it was written, on one line, with the words of a union of words in the place of its
   * name.
   */
  #textOf(node: ts.TypeNode): string {
    const text = node
      .getText()
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .replace(/\breadonly /g, '')
      // Members that stand on lines of their own.
      .replace(/(?<=[\w\])'>])\s*\n\s*(?=\w+\??:)/g, '; ')
      .replace(/\s+/g, ' ')
      .replace(/^\| /, '')
    return text.replace(/\b[A-Z]\w+/g, (name) => this.#wordsOf(node, name) ?? name)
  }

  #wordsOf(within: ts.TypeNode, name: string): string | undefined {
    const symbol = this.#checker
      .getSymbolsInScope(within, ts.SymbolFlags.TypeAlias | ts.SymbolFlags.Alias)
      .find((candidate) => candidate.name === name)
    const declaration =
      symbol && this.#resolved(symbol).declarations?.find(ts.isTypeAliasDeclaration)
    if (declaration === undefined) return undefined
    const types = ts.isUnionTypeNode(declaration.type) ? declaration.type.types : [declaration.type]
    const isWord = (type: ts.TypeNode): boolean =>
      ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal)
    if (types.length > 6 || !types.every(isWord)) return undefined
    const words = types.map((type) => type.getText()).join(' | ')
    if (types.length === 1) return words
    return within.getText() === name || within.getText().startsWith(`${name} |`)
      ? words
      : `(${words})`
  }

  #resolved(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol
  }
}

const defined = (type: string): string => type.replace(/ \| undefined$/, '')

function docOfNode(node: ts.Node): string {
  const [comment] = ts.getJSDocCommentsAndTags(node)
  return (comment && ts.isJSDoc(comment) && ts.getTextOfJSDocComment(comment.comment)) || ''
}

function examplesOfNode(node: ts.Node): string[] {
  return ts
    .getJSDocTags(node)
    .filter(({ tagName }) => tagName.text === 'example')
    .map(({ comment }) => ts.getTextOfJSDocComment(comment) ?? '')
    .filter((text) => text !== '')
}

function isPublic(declaration: ts.Declaration): boolean {
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected | ts.ModifierFlags.Static
  const isInternal = ts.getJSDocTags(declaration).some(({ tagName }) => tagName.text === 'internal')
  return !isInternal && (ts.getCombinedModifierFlags(declaration) & hidden) === 0
}
