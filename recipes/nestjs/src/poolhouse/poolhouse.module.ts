import { setTimeout as sleep } from 'node:timers/promises'
import {
  type BeforeApplicationShutdown,
  ConfigurableModuleBuilder,
  type FactoryProvider,
  Inject,
  Module,
  type OnApplicationShutdown,
} from '@nestjs/common'
import {
  createManager,
  type Databases,
  type Manager,
  type ManagerOptions,
  type ShutdownOptions,
} from '@poolhouse/manager'

/** Options of `forRoot`, and what the factory of `forRootAsync` returns. */
export interface PoolhouseModuleOptions extends ManagerOptions<Databases> {
  /** How the application ends. */
  shutdown?: ShutdownOptions
}

/** Injection token of the manager. */
export const MANAGER = Symbol('Poolhouse manager')

/** Injection token of a database. */
export const databaseToken = (name: string): string => `Poolhouse database ${name}`

/** Injects a database by its name: `constructor(@InjectDatabase('app') db: FollowedDatabase)`. */
export const InjectDatabase = (name: string): ParameterDecorator => Inject(databaseToken(name))

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<PoolhouseModuleOptions>({ moduleName: 'Poolhouse' })
    .setClassMethodName('forRoot')
    // Which databases can be injected is known before a factory has run.
    .setExtras<{ names: readonly string[] }>({ names: [] }, (definition, { names }) => {
      const databases = names.map(
        (name): FactoryProvider => ({
          provide: databaseToken(name),
          useFactory: (manager: Manager) => manager.database(name),
          inject: [MANAGER],
        }),
      )
      return {
        ...definition,
        global: true,
        providers: [...(definition.providers ?? []), ...databases],
        exports: databases.map(({ provide }) => provide),
      }
    })
    .build()

@Module({
  providers: [
    {
      provide: MANAGER,
      useFactory: ({ shutdown: _, ...options }: PoolhouseModuleOptions) => createManager(options),
      inject: [MODULE_OPTIONS_TOKEN],
    },
  ],
  exports: [MANAGER],
})
export class PoolhouseModule
  extends ConfigurableModuleClass
  implements BeforeApplicationShutdown, OnApplicationShutdown
{
  readonly #manager: Manager
  readonly #shutdown: ShutdownOptions

  constructor(
    @Inject(MANAGER) manager: Manager,
    @Inject(MODULE_OPTIONS_TOKEN) { shutdown = {} }: PoolhouseModuleOptions,
  ) {
    super()
    this.#manager = manager
    this.#shutdown = shutdown
  }

  /** Readiness fails from here on; NestJS closes the HTTP server after this. */
  async beforeApplicationShutdown(): Promise<void> {
    this.#manager.leaving()
    await sleep(this.#shutdown.delayMs ?? 0)
  }

  /** The last request is answered. */
  async onApplicationShutdown(): Promise<void> {
    await this.#manager.shutdown({ graceMs: this.#shutdown.graceMs ?? 20_000 })
  }
}
