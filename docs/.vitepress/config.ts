import { defineConfig } from 'vitepress'
import { anchorOf } from './anchors.js'
import { readChapters } from './reference-chapters.js'
import { EXCLUDED, pathOnSite, siteLinks } from './site-links.js'

type Item = readonly [text: string, link: string]
const items = (...list: readonly Item[]) => list.map(([text, link]) => ({ text, link }))
const group = (text: string, ...list: readonly Item[]) => ({
  text,
  collapsed: true,
  items: items(...list),
})

// Pages are those of docs/, and the READMEs where they stand.
export default defineConfig({
  title: 'Poolhouse',
  description:
    'Connection pools for PostgreSQL on Node.js: replicas, failover, tenants, one budget',
  base: process.env['DOCS_BASE'] ?? '/',
  srcDir: '..',
  srcExclude: [...EXCLUDED],
  rewrites: pathOnSite,
  // No icon, and no request for one.
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  markdown: {
    anchor: { slugify: anchorOf },
    toc: { slugify: anchorOf },
    config: siteLinks,
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    socialLinks: [{ icon: 'github', link: 'https://github.com/poolhouse/poolhouse' }],
    nav: items(
      ['Getting started', '/getting-started'],
      ['Concepts', '/concepts'],
      ['Reference', '/reference/'],
      ['Errors', '/errors'],
    ),
    sidebar: [
      {
        text: 'Start',
        items: items(
          ['Getting started', '/getting-started'],
          ['Concepts', '/concepts'],
          ['Examples', '/examples'],
          ['Questions', '/faq'],
        ),
      },
      group(
        'Frameworks',
        ['Express', '/guides/express'],
        ['Fastify', '/guides/fastify'],
        ['Hono', '/guides/hono'],
        ['NestJS', '/guides/nestjs'],
        ['Next.js', '/guides/next-js'],
        ['Serverless', '/guides/serverless'],
        ['Libraries: recipes', '/recipes'],
      ),
      group(
        'Operation',
        ['Docker and Kubernetes', '/guides/docker-and-kubernetes'],
        ['Sizing', '/guides/sizing'],
        ['Observability', '/observability'],
        ['Passwords and tokens', '/guides/passwords-and-tokens'],
        ['Certificates and vendors', '/guides/certificates'],
        ['Migrations and locks', '/guides/migrations-and-locks'],
        ['Jobs and LISTEN', '/guides/jobs-and-listen'],
        ['Prepared statements', '/guides/prepared-statements'],
        ['Test your failover', '/guides/test-your-failover'],
        ['Troubleshooting', '/guides/troubleshooting'],
      ),
      group(
        'Clusters and vendors',
        ['Failover', '/guides/failover'],
        ['Plain streaming', '/guides/plain-streaming'],
        ['Patroni', '/guides/patroni'],
        ['pg_auto_failover', '/guides/pg-auto-failover'],
        ['repmgr', '/guides/repmgr'],
        ['Pgpool-II', '/guides/pgpool'],
        ['CloudNativePG', '/guides/cloudnativepg'],
        ['RDS and Aurora', '/guides/rds-and-aurora'],
        ['Neon', '/guides/neon'],
        ['Supabase', '/guides/supabase'],
        ['PgBouncer', '/guides/pgbouncer'],
        ['HAProxy', '/guides/haproxy'],
        ['PGlite', '/guides/pglite'],
        ['Who a server is', '/guides/server-identity'],
        ['Whose history is that', '/guides/whose-history'],
      ),
      group(
        'Moving here',
        ['From pg.Pool', '/guides/migrate-from-pg-pool'],
        ['What differs from pg.Pool', '/guides/pg-pool-differences'],
        ['From postgres.js', '/guides/migrate-from-postgres-js'],
        ['From Drizzle withReplicas', '/guides/migrate-from-drizzle-replicas'],
        ['From Prisma read replicas', '/guides/migrate-from-prisma-replicas'],
        ['From TypeORM, Sequelize', '/guides/migrate-from-typeorm-and-sequelize-replication'],
        ['From Knex, two instances', '/guides/migrate-from-knex-with-two-instances'],
        ['From the AWS wrapper', '/guides/migrate-from-aws-wrapper'],
      ),
      group(
        'Packages',
        ['core', '/packages/core'],
        ['node-postgres', '/packages/node-postgres'],
        ['postgres-js', '/packages/postgres-js'],
        ['failover', '/packages/failover'],
        ['read-replicas', '/packages/read-replicas'],
        ['manager', '/packages/manager'],
        ['otel', '/packages/otel'],
        ['dashboard', '/packages/dashboard'],
        ['cli', '/packages/cli'],
        ['testkit', '/packages/testkit'],
      ),
      group(
        'Reference',
        ['Errors', '/errors'],
        ['Settings', '/settings'],
        ['Types', '/types'],
        ['Compatibility', '/compatibility'],
        ...readChapters().map(
          ({ slug, title }): Item =>
            slug === 'index'
              ? ['All options and calls', '/reference/']
              : [title, `/reference/${slug}`],
        ),
      ),
      group(
        'Your own',
        ['Decorator', '/guides/write-a-decorator'],
        ['Routing strategy', '/guides/add-a-routing-strategy'],
        ['Discovery source', '/guides/add-a-discovery-source'],
        ['Driver', '/guides/add-a-driver'],
      ),
      group(
        'Inside',
        ['Architecture', '/architecture'],
        ['Glossary', '/glossary'],
        ['Benchmarks', '/benchmarks'],
        ['Scenarios', '/scenarios'],
        ['Contributing', '/contributing'],
        ['Security', '/security'],
      ),
    ],
  },
})
