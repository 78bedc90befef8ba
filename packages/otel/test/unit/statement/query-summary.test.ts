import { describe, expect, it } from 'vitest'
import { summaryOf } from '../../../src/statement/query-summary.js'

describe('the summary of a statement', () => {
  it.each([
    ['select 1', 'SELECT'],
    ['select * from orders where id = $1', 'SELECT orders'],
    ['/* why */ SELECT * FROM "Orders" o -- and more', 'SELECT "Orders"'],
    ['select * from app.orders o join customers c on o.c = c.id', 'SELECT app.orders customers'],
    ['select * from a, b as x, only c where a.x in (1, 2)', 'SELECT a b c'],
    ['select * from (a join b using (id)) order by x, y', 'SELECT a b'],
    ['select (select max(x) from b) from a', 'SELECT SELECT b a'],
    ['select extract(year from x), trim(both from y) from a', 'SELECT a'],
    ['select x is distinct from y from a', 'SELECT a'],
    ['select * from generate_series(1, 3) g, a', 'SELECT a'],
    ['select * from a for update of a', 'SELECT a'],
    ['select x from a union all select y from b', 'SELECT a SELECT b'],
    [
      'insert into orders (id, note) values ($1, $2) on conflict do update set id = 1',
      'INSERT orders',
    ],
    ['insert into orders select * from old', 'INSERT orders SELECT old'],
    ['update orders set a = b.c from b where true', 'UPDATE orders b'],
    ['delete from orders using old where true returning id', 'DELETE orders old'],
    [
      'with x as (delete from a returning *), y (n) as not materialized (select 1) insert into b select * from x, y',
      'DELETE a SELECT INSERT b SELECT',
    ],
    ['merge into a using b on true when matched then update set x = 1', 'MERGE a b'],
    ['(select 1 from a) limit 1', 'SELECT a'],
    ['begin isolation level serializable', 'BEGIN'],
    ['commit', 'COMMIT'],
    ['create temp table secret_12 as select 1', 'CREATE TABLE'],
    ['set local app.user = 1', 'SET'],
    ['copy orders to stdout', 'COPY'],
    ['', 'UNKNOWN'],
    ['$1', 'UNKNOWN'],
    ["select 'unfinished", 'SELECT'],
  ])('%s is %s', (text, summary) => {
    expect(summaryOf(text)).toBe(summary)
  })

  it('is at most 255 characters, and holds no value', () => {
    const tables = Array.from({ length: 100 }, (_, index) => `table_${index}`)
    const summary = summaryOf(`select 'hunter2', 4711 from ${tables.join(', ')}`)
    expect(summary.length).toBeLessThanOrEqual(255)
    expect(summary).toMatch(/^SELECT table_0 table_1 .* table_\d+$/)
    expect(summary).not.toMatch(/hunter2|4711/)
  })
})
