import { Injectable, Module } from '@nestjs/common'

/** Where the databases are. */
@Injectable()
export class Settings {
  readonly appUrl = process.env['DATABASE_URL'] ?? ''
  readonly auditUrl = process.env['AUDIT_URL'] ?? ''
}

@Module({ providers: [Settings], exports: [Settings] })
export class SettingsModule {}
