import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { completeSnippet } from './complete-snippet.js'
import { ROOT, type Snippet } from './read-snippets.js'

/** Where the blocks stand for the compiler: among the tests, whose packages they may import. */
const FOLDER = fileURLToPath(new URL('tests/docs/snippets/', ROOT))

/**
 * Compiles every block against the public entry points and returns what is wrong, each with its
 * page and line. Blocks of JavaScript are parsed; their types are not checked.
 */
export function checkSnippets(snippets: readonly Snippet[]): string[] {
  const files = new Map<string, Snippet>()
  const texts = new Map<string, string>()
  for (const [index, snippet] of snippets.entries()) {
    const path = `${FOLDER}block-${index}.${snippet.language === 'ts' ? 'ts' : 'mjs'}`
    files.set(path, snippet)
    const code = snippet.lines.map(({ text }) => text).join('\n')
    // One line in front, so that the numbers of lines are known.
    const { before, after } =
      snippet.treatment === 'parse' ? { before: '', after: '' } : completeSnippet(snippet)
    texts.set(path, `${before}\n${code}\n${after}\n`)
  }
  const options = readOptions()
  const host = ts.createCompilerHost(options)
  const { readFile, fileExists, getSourceFile } = host
  host.readFile = (path) => texts.get(path) ?? readFile.call(host, path)
  host.fileExists = (path) => texts.has(path) || fileExists.call(host, path)
  host.getSourceFile = (path, version, ...rest) => {
    const text = texts.get(path)
    return text === undefined
      ? getSourceFile.call(host, path, version, ...rest)
      : ts.createSourceFile(path, text, version)
  }
  const program = ts.createProgram([...files.keys()], options, host)
  const wrong: string[] = []
  for (const [path, snippet] of files) {
    const file = program.getSourceFile(path)!
    const found: ts.Diagnostic[] = [...program.getSyntacticDiagnostics(file)]
    if (snippet.treatment !== 'parse') found.push(...program.getSemanticDiagnostics(file))
    wrong.push(...found.map((each) => describe(each, snippet)))
  }
  return wrong
}

/** The compiler's options for the tests; a block may leave something unused. */
function readOptions(): ts.CompilerOptions {
  const path = fileURLToPath(new URL('tests/tsconfig.json', ROOT))
  const { config } = ts.readConfigFile(path, ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, FOLDER, {}, path)
  return {
    ...options,
    allowJs: true,
    noUnusedLocals: false,
    noUnusedParameters: false,
    noPropertyAccessFromIndexSignature: false,
    declaration: false,
    isolatedDeclarations: false,
  }
}

function describe({ file, start, messageText }: ts.Diagnostic, { page, lines }: Snippet): string {
  const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line
  const number = (lines[line - 1] ?? lines[0])?.number
  return `${page}:${number}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
}
