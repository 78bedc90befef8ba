import type pg from 'pg'

// What the migration guides use of libraries that are not in this workspace. The recipes run the
// same lines with the libraries themselves.

/** Of `@prisma/adapter-pg`. */
export declare class PrismaPg {
  constructor(pool: pg.Pool)
}

/** A generated client of Prisma. */
export declare class PrismaClient {
  constructor(options: { adapter: PrismaPg })
}

/** Of `knex`. */
export declare function knex(options: {
  readonly client: 'pg'
  readonly connectionPool: pg.Pool
}): unknown

/** Of `typeorm`. */
export declare class DataSource {
  constructor(options: { readonly type: 'postgres'; readonly driver: object })
}

/** Of `sequelize`. */
export declare class Sequelize {
  constructor(
    database: string,
    user: string,
    password: undefined,
    options: {
      readonly dialect: 'postgres'
      readonly dialectModule: object
      readonly replication: {
        readonly write: { readonly host: string }
        readonly read: readonly { readonly host: string }[]
      }
    },
  )
}
