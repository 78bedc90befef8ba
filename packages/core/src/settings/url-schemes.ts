/** How a connection URL may begin. */
export const SCHEMES: readonly string[] = ['postgres://', 'postgresql://']

const WRITE = 'write postgres://user:password@host:5432/database'

/** The beginnings of other programs' URLs, with what to write in their place. */
export const OTHER_SCHEMES: readonly (readonly [begins: string, instead: string])[] = [
  [
    'jdbc:',
    `jdbc: is for Java; ${WRITE}, with user and password before the host and not behind the "?"`,
  ],
  ['postgresql+', 'the name of a driver of SQLAlchemy is in it; write postgresql://… without it'],
  ['postgres+', 'the name of a driver of SQLAlchemy is in it; write postgres://… without it'],
  [
    'prisma+postgres:',
    'it is for Prisma Accelerate, which is no PostgreSQL server; write the direct URL, postgres://…@db.prisma.io:5432/',
  ],
  [
    'prisma:',
    'it is for Prisma Accelerate, which is no PostgreSQL server; write the direct URL of the database',
  ],
  ['cockroachdb', 'write postgresql:// in place of it'],
  ['postgis:', 'write postgres:// in place of it'],
  ['timescaledb:', 'write postgres:// in place of it'],
  ['pg:', 'write postgres:// in place of it'],
  ['pgsql:', 'write postgres:// in place of it'],
  ['psql ', 'leave out the command and its quotes; the URL alone is wanted'],
  [
    'http:',
    'it is the address of a web server or an API; write the URL of the database, postgres://…',
  ],
  [
    'https:',
    'it is the address of a web server or an API; write the URL of the database, postgres://…',
  ],
  ['postgres:', 'two slashes belong behind the colon; write postgres://…'],
  ['postgresql:', 'two slashes belong behind the colon; write postgresql://…'],
]

/** What is wrong with a text that begins like no connection URL. Never repeats a part of it. */
export function wrongScheme(text: string): string {
  const start = text.slice(0, 40).toLowerCase()
  const quoted = /^["'`<]/.test(start)
  if (quoted) return 'it begins with a quotation mark; leave the marks out'
  if (SCHEMES.some((scheme) => start.startsWith(scheme))) {
    return 'it does not start with postgres:// or postgresql:// in small letters'
  }
  const found = OTHER_SCHEMES.find(([begins]) => start.startsWith(begins))
  const why = found === undefined ? '' : `: ${found[1]}`
  return `it does not start with postgres:// or postgresql://${why}`
}
