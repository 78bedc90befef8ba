import { LIBPQ, LIBPQ_ENVIRONMENT } from './libpq-settings.js'
import type { Setting, SettingGroup } from './setting.js'
import { BEYOND_LIBPQ } from './vendor-settings.js'

/**
 * The table of settings: every parameter of a URL, keyword of a connection string and `PG*`
 * variable that is known, with what is done with it. What is not in it is refused, too.
 * `docs/settings.md` is made from it.
 */
export const SETTING_GROUPS: readonly SettingGroup[] = [LIBPQ, LIBPQ_ENVIRONMENT, ...BEYOND_LIBPQ]

const SETTINGS = SETTING_GROUPS.flatMap(({ settings }) => settings)
const BY_NAME: ReadonlyMap<string, Setting> = new Map(
  SETTINGS.flatMap((setting) => (setting.name === undefined ? [] : [[setting.name, setting]])),
)

/** The names that a URL may have, refused ones left out. */
export const USABLE_NAMES: readonly string[] = [...BY_NAME.values()]
  .filter(({ treatment }) => treatment !== 'refused')
  .map(({ name }) => name!)

/** The names of what holds a secret. */
export const SECRET_NAMES: readonly string[] = SETTINGS.filter(({ secret }) => secret).map(
  ({ name }) => name!,
)

/** Settings that have a variable in the environment. */
export const SETTINGS_OF_VARIABLES: readonly (Setting & { readonly variable: string })[] =
  SETTINGS.filter((setting): setting is Setting & { variable: string } => 'variable' in setting)

/** The setting of this name; undefined for an unknown one. */
export function settingNamed(name: string): Setting | undefined {
  return BY_NAME.get(name)
}

/**
 * Why the setting cannot have this value, told as `said`; undefined if it can. Never repeats the
 * value, which may be a part of a secret.
 */
export function refusalOf(setting: Setting, said: string, value: string): string | undefined {
  const { treatment, how, values, otherwise } = setting
  if (treatment === 'refused') return `${said} is not supported: ${how}`
  if (values === undefined || values.includes(value)) return undefined
  const more = otherwise === undefined ? '' : `; ${otherwise}`
  return `${said} must be one of ${values.join(', ')}${more}`
}
