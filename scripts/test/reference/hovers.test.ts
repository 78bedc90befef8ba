import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findHoverGaps } from '../../reference/hovers.js'
import { PublicApi } from '../../reference/public-api.js'

let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'poolhouse-hovers-'))
  writeFileSync(
    join(root, 'tsconfig.base.json'),
    '{ "compilerOptions": { "noLib": true, "types": [] } }',
  )
})

afterEach(() => rmSync(root, { recursive: true }))

/** What is missing in a package with one file. */
function gapsIn(text: string): string[] {
  writeFileSync(join(root, 'index.ts'), text)
  return findHoverGaps(new PublicApi(root, { fixture: 'index.ts' }), {
    options: new Set(['Request']),
    changes: new Set(['ResizeOptions']),
    foreign: new Set(['Reply']),
  })
}

test('an option with unit, default and an example of its interface lacks nothing', () => {
  const text = `
    /**
     * Options.
     *
     * @example
     * const options: WaitOptions = { waitMs: 100, name: 'x' }
     */
    export interface WaitOptions {
      /** Longest wait in milliseconds. Default 10 000. */
      waitMs?: number | undefined
      /** What it is called. */
      name: string
      /**
       * Most callers. Default 5.
       * @example
       * wait({ max: 2 })
       */
      max?: number
    }`
  expect(gapsIn(text)).toEqual([])
})

test('an option without default, unit, example or text is told by its place', () => {
  const text = `/** Options. */
export interface WaitOptions {
  /** Longest wait. Default 10 000. @example */
  waitMs?: number | undefined
  /** Most callers, of whom 5 are usual. */
  max?: number | undefined
  /** Largest piece, in megabytes. */
  pieceBytes: number
  isLoud: boolean
}`
  expect(gapsIn(text)).toEqual([
    'index.ts:4: WaitOptions.waitMs is in no example',
    'index.ts:4: WaitOptions.waitMs says no unit',
    'index.ts:6: WaitOptions.max is in no example',
    'index.ts:6: WaitOptions.max says no default',
    'index.ts:8: WaitOptions.pieceBytes is in no example',
    'index.ts:8: WaitOptions.pieceBytes says no unit',
    'index.ts:9: WaitOptions.isLoud is in no example',
    'index.ts:9: WaitOptions.isLoud says nothing',
  ])
})

test('options are also those of a named type and of an exported parent', () => {
  const text = `
    interface Hidden { a?: string }
    export interface Parent { b?: string }
    export interface Request extends Parent { c?: string }
    export interface Other { d?: string }`
  const found = gapsIn(text).filter((gap) => gap.endsWith('no default'))
  expect(found).toEqual([
    'index.ts:3: Parent.b says no default',
    'index.ts:4: Request.c says no default',
  ])
})

test('what changes an option needs no default', () => {
  const text = `
    /**
     * Sizes.
     * @example
     * pool.resize({ max: 2 })
     */
    export interface ResizeOptions {
      /** Most connections. */
      max?: number
    }`
  expect(gapsIn(text)).toEqual([])
})

test('a function, a method and an overload without an example are told by their place', () => {
  const text = `/** Makes one. */
export function make(): void {}
/**
 * Finds one.
 * @example
 * find(1)
 */
export function find(id: number): void
/** Finds one by name. */
export function find(name: string): void
export function find(_what: unknown): void {}
/** A pool. */
export interface Pool {
  /** Its name. */
  readonly name: string
  /** Closes it. */
  close(): void
  /**
   * Opens it.
   *
   * @example
   * pool.open()
   */
  open(): void
}
/** A house. */
export class House {
  /** Sells it. */
  sell(): void {}
  #hide(): void {}
}
/** What a framework has. */
export interface Reply {
  /** Sends it. */
  send(): void
}`
  expect(gapsIn(text)).toEqual([
    'index.ts:2: make() has no example',
    'index.ts:10: find() has no example',
    'index.ts:17: Pool.close() has no example',
    'index.ts:29: House.sell() has no example',
  ])
})
