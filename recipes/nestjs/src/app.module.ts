import { type MiddlewareConsumer, Module, type NestModule } from '@nestjs/common'
import { APP_FILTER } from '@nestjs/core'
import { TerminusModule } from '@nestjs/terminus'
import type { FollowedDatabase } from '@poolhouse/manager'
import { nodePostgres } from '@poolhouse/node-postgres'
import { expressReplicas } from '@poolhouse/read-replicas'
import { HealthController } from './health.controller.js'
import { OrdersController } from './orders/orders.controller.js'
import { PoolhouseExceptionFilter } from './poolhouse/poolhouse.filter.js'
import { PoolhouseHealthIndicator } from './poolhouse/poolhouse.health.js'
import { InjectDatabase, PoolhouseModule } from './poolhouse/poolhouse.module.js'
import { Settings, SettingsModule } from './settings.module.js'

@Module({
  imports: [
    TerminusModule.forRoot({ errorLogStyle: 'json' }),
    PoolhouseModule.forRootAsync({
      imports: [SettingsModule],
      inject: [Settings],
      names: ['app', 'audit'],
      useFactory: ({ appUrl, auditUrl }: Settings) => ({
        drivers: { pg: nodePostgres() },
        databases: {
          app: { nodes: appUrl, pool: { max: 10 } },
          audit: { nodes: auditUrl, pool: { max: 2 } },
        },
        shutdown: { delayMs: 500, graceMs: 20_000 },
      }),
    }),
  ],
  controllers: [HealthController, OrdersController],
  providers: [
    PoolhouseHealthIndicator,
    { provide: APP_FILTER, useClass: PoolhouseExceptionFilter },
  ],
})
export class AppModule implements NestModule {
  readonly #db: FollowedDatabase

  constructor(@InjectDatabase('app') db: FollowedDatabase) {
    this.#db = db
  }

  /** A session for each request: GET reads, everything else writes. */
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(expressReplicas(this.#db)).exclude('livez', 'readyz').forRoutes('{*path}')
  }
}
