import { Controller, Get, Param, ParseIntPipe, Post } from '@nestjs/common'
import type { FollowedDatabase } from '@poolhouse/manager'
import { InjectDatabase } from '../poolhouse/poolhouse.module.js'

const INSERT = "insert into orders (id, item) values ($1, 'tea')"
const FIND = 'select served_on as "servedOn" from served_orders where id = $1'

@Controller()
export class OrdersController {
  readonly #app: FollowedDatabase
  readonly #audit: FollowedDatabase

  constructor(
    @InjectDatabase('app') app: FollowedDatabase,
    @InjectDatabase('audit') audit: FollowedDatabase,
  ) {
    this.#app = app
    this.#audit = audit
  }

  @Post('orders/:id')
  async insert(@Param('id', ParseIntPipe) id: number): Promise<void> {
    await this.#app.query(INSERT, [id])
  }

  @Post('orders/:first/:second')
  async insertBoth(
    @Param('first', ParseIntPipe) first: number,
    @Param('second', ParseIntPipe) second: number,
  ): Promise<void> {
    await this.#app.transaction(async (tx) => {
      await tx.query(INSERT, [first])
      await tx.query(INSERT, [second])
    })
  }

  /** On a replica that has what this client has written: the session comes from the middleware. */
  @Get('orders/:id')
  async find(@Param('id', ParseIntPipe) id: number) {
    const { rows } = await this.#app.query<{ servedOn: number }>(FIND, [id])
    return { order: rows[0] ?? null }
  }

  @Post('slow-orders/:id')
  async insertSlowly(@Param('id', ParseIntPipe) id: number): Promise<void> {
    await this.#app.query("insert into orders select $1, 'tea' from pg_sleep(1)", [id])
  }

  @Get('audit')
  async audited() {
    const { rows } = await this.#audit.reader().query('select current_database() as database')
    return rows[0]
  }
}
