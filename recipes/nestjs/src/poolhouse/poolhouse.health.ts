import { Inject, Injectable } from '@nestjs/common'
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus'
import { createHealthHandlers, type HealthHandler, type Manager } from '@poolhouse/manager'
import { MANAGER } from './poolhouse.module.js'

/** The health of all databases, for Terminus. */
@Injectable()
export class PoolhouseHealthIndicator {
  readonly #readyz: HealthHandler
  readonly #indicators: HealthIndicatorService

  constructor(@Inject(MANAGER) manager: Manager, indicators: HealthIndicatorService) {
    this.#readyz = createHealthHandlers(manager).readyz
    this.#indicators = indicators
  }

  /** `degraded` while requests work although something is wrong, `down` if they do not. */
  async check<const Key extends string>(key: Key): Promise<HealthIndicatorResult<Key>> {
    const session = this.#indicators.check(key)
    const { body } = await this.#readyz.answer()
    if (body.status === 'ok') return session.up()
    return body.status === 'degraded' ? session.degraded() : session.down()
  }
}
