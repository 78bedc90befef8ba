import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import {
  isOlder,
  versionBeside,
  versionOfExport,
  versionOfModule,
} from '../../../../src/net/frames/module-version.js'

describe('isOlder', () => {
  it('compares versions number by number', () => {
    const needed = [8, 23, 1] as const
    const older = ['8.23.0', '8.9.9', '7.99.99', '8.23', '8.23.0-rc.1']
    expect(older.filter((version) => !isOlder(version, needed))).toEqual([])
    const fit = ['8.23.1', '8.23.2', '8.24.0', '9.0.0', '8.100.0', 'next']
    expect(fit.filter((version) => isOlder(version, needed))).toEqual([])
  })
})

describe('the version of a module', () => {
  const require = createRequire(import.meta.url)

  it('is the version of the package whose file exports this very object', () => {
    const exported: unknown = require('fast-check')
    expect(versionOfModule(exported, 'fast-check')).toMatch(/^\d+\.\d+\.\d+$/)
    expect(versionOfModule(exported, 'another')).toBeUndefined()
    expect(versionOfModule({ ...(exported as object) }, 'fast-check')).toBeUndefined()
    expect(versionOfModule(undefined, 'fast-check')).toBeUndefined()
  })

  it('is the version of the package that exports a value which another one hands on', () => {
    const { check } = require('fast-check') as { check: unknown }
    expect(versionOfExport(check, 'check', 'fast-check')).toMatch(/^\d+\.\d+\.\d+$/)
    expect(versionOfExport(check, 'assert', 'fast-check')).toBeUndefined()
    expect(versionOfExport(check, 'check', 'another')).toBeUndefined()
  })

  it('is the version of the package that the caller would load', () => {
    const exported: unknown = require('fast-check')
    expect(versionBeside(import.meta.url, 'fast-check')).toBe(
      versionOfModule(exported, 'fast-check'),
    )
    expect(versionBeside(import.meta.url, 'there-is-no-such-package')).toBeUndefined()
    expect(versionBeside(undefined, 'fast-check')).toBeUndefined()
  })
})
