import { Controller, Get } from '@nestjs/common'
import { HealthCheck, HealthCheckService } from '@nestjs/terminus'
import { PoolhouseHealthIndicator } from './poolhouse/poolhouse.health.js'

@Controller()
export class HealthController {
  readonly #health: HealthCheckService
  readonly #databases: PoolhouseHealthIndicator

  constructor(health: HealthCheckService, databases: PoolhouseHealthIndicator) {
    this.#health = health
    this.#databases = databases
  }

  @Get('livez')
  livez() {
    return { status: 'ok' } // asks no database, so that an outage restarts no process
  }

  @Get('readyz')
  @HealthCheck()
  readyz() {
    return this.#health.check([() => this.#databases.check('databases')])
  }
}
