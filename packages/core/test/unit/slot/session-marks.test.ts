import { expect, test } from 'vitest'
import { SessionMarks } from '../../../src/slot/session-marks.js'
import { CHANGES_SESSION, SPOILS_SESSION } from '../../../src/sql/trait-flags.js'

test('a statement that may change the session marks it, and a reset clears that', () => {
  const marks = new SessionMarks()
  marks.note(0)
  expect(marks.dirty).toBe(false)
  marks.note(CHANGES_SESSION)
  expect(marks.dirty).toBe(true)
  marks.cleaned(true)
  expect(marks.dirty).toBe(false)
})

test('what no reset undoes stays, with its first reason', () => {
  const marks = new SessionMarks()
  marks.note(SPOILS_SESSION)
  marks.spoil('another reason')
  marks.cleaned(true)
  expect(marks.spoiled).toBe('a statement did to its session what no reset undoes')
})

test('a reset is due after a borrower that asked for one, and is sent once', () => {
  const marks = new SessionMarks()
  marks.resetAround(false)
  expect([marks.takeReset(), marks.resetAfter]).toEqual([false, true])
  marks.returned(true, true)
  expect([marks.takeReset(), marks.takeReset(), marks.resetAfter]).toEqual([true, false, false])
})

test('a session that need not be reset is not, whether or not the driver could do that ahead', () => {
  for (const ahead of [true, false]) {
    const marks = new SessionMarks()
    marks.returned(false, ahead)
    expect([marks.dirty, marks.takeReset(), marks.resetAfter]).toEqual([false, false, false])
  }
})

test('the session is reset on its return where the driver cannot send a reset in front', () => {
  const marks = new SessionMarks()
  marks.returned(true, false)
  expect([marks.dirty, marks.takeReset()]).toEqual([true, false])
})

test('a rollback leaves a reset due', () => {
  const marks = new SessionMarks()
  marks.returned(true, true)
  marks.cleaned(false)
  expect(marks.takeReset()).toBe(true)
})

test('backslashes escape while standard_conforming_strings is off', () => {
  const marks = new SessionMarks()
  marks.begin(new Map([['standard_conforming_strings', 'off']]))
  expect(marks.escapes).toBe(true)
  marks.reported('standard_conforming_strings', 'on')
  expect([marks.escapes, marks.drifted]).toEqual([false, true])
})

test('what was set is kept when the session begins anew with it', () => {
  const marks = new SessionMarks()
  marks.begin(new Map([['TimeZone', 'UTC']]))
  marks.note(CHANGES_SESSION)
  marks.reported('TimeZone', 'Asia/Tokyo')
  marks.cleaned(false)
  marks.begin(new Map([['TimeZone', 'Asia/Tokyo']]))
  expect([marks.clean, marks.drifted]).toEqual([true, false])
  marks.reported('TimeZone', 'UTC')
  expect(marks.drifted).toBe(true)
})

test('counts the resets that have undone what was set', () => {
  const marks = new SessionMarks()
  marks.cleaned(false)
  expect(marks.resets).toBe(0)
  marks.cleaned(true)
  marks.resetAround(true)
  marks.takeReset()
  marks.takeReset()
  expect(marks.resets).toBe(2)
})
