import ts from 'typescript'
import type { TrackedFile } from './tracked-files.js'

/** A source file and its tokens in order. Comments belong to no token. */
export interface SourceTokens {
  readonly source: ts.SourceFile
  readonly tokens: readonly ts.Node[]
}

/** Parses a file: only a parser tells a template, a regular expression and a division apart. */
export function readTokens({ path, text }: TrackedFile): SourceTokens {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const tokens: ts.Node[] = []
  const visit = (node: ts.Node): void => {
    if (node.kind >= ts.SyntaxKind.FirstJSDocNode && node.kind <= ts.SyntaxKind.LastJSDocNode)
      return
    const children = node.getChildren(source)
    if (children.length === 0) tokens.push(node)
    else for (const child of children) visit(child)
  }
  visit(source)
  return { source, tokens }
}
