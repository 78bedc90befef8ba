import { expect, test } from 'vitest'
import { statementsOf } from '../../../src/compat/several-statements.js'

test.each([
  ['select 1', ['select 1']],
  ['select 1;', ['select 1']],
  ['select 1; select 2', ['select 1', ' select 2']],
  ["select ';'; ; -- ; no\n select $$;$$", ["select ';'", ' -- ; no\n select $$;$$']],
  ['create function f() returns int begin atomic select 1; select 2; end', undefined],
  ['', ['']],
  [';', [';']],
])('finds the statements of %j', (text, found) => {
  expect(statementsOf(text)).toEqual(found ?? [text])
})
