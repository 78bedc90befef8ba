import type { Hazard, NameJudgement, NameRules } from './name-rules.js'
import { SHARED_FUNCTIONS } from './shared-functions.js'
import { isSharedOperator } from './shared-operators.js'
import { CATALOG_TYPES } from './shared-types.js'

const READ: NameJudgement = { verdict: 'read', reason: 'only reads', silent: false }
// Not a write, because the reader finds out whether such a name is called at all.
const UNKNOWN: NameJudgement = { verdict: 'unknown', reason: 'may do anything', silent: false }
const REFUSED: NameJudgement = { verdict: 'write', reason: 'does not share', silent: false }

// Tables of the catalog, and the views over them that take no locks, read no files and do not ask
// for the text of a view or an expression. Not `pg_stat_…` and `pg_locks`, which stop all other
// sessions for a moment, nor what shows the session's own settings, cursors and statements.
const RELATIONS: ReadonlySet<string> = new Set(
  (
    'pg_aggregate pg_am pg_amop pg_amproc pg_attrdef pg_attribute pg_auth_members pg_authid pg_cast pg_class pg_collation pg_constraint ' +
    'pg_conversion pg_database pg_db_role_setting pg_default_acl pg_depend pg_description pg_enum pg_event_trigger pg_extension ' +
    'pg_foreign_data_wrapper pg_foreign_server pg_foreign_table pg_group pg_index pg_inherits pg_init_privs pg_language pg_namespace ' +
    'pg_opclass pg_operator pg_opfamily pg_partitioned_table pg_policy pg_proc pg_publication pg_publication_rel pg_range pg_rewrite ' +
    'pg_roles pg_seclabel pg_sequence pg_shadow pg_shdepend pg_shdescription pg_statistic pg_statistic_ext pg_subscription_rel pg_tables ' +
    'pg_tablespace pg_transform pg_trigger pg_ts_config pg_ts_config_map pg_ts_dict pg_ts_parser pg_ts_template pg_type pg_user ' +
    'pg_user_mapping'
  ).split(' '),
)

// Functions of one argument that do not share and do not begin with `pg_`: `x.setseed` calls one of
// them, if x is the result of a function in FROM.
const ATTRIBUTES: ReadonlySet<string> = new Set(
  (
    'aclexplode amvalidate brin_desummarize_range brin_summarize_new_values brin_summarize_range currval current_setting ' +
    'fmgr_c_validator fmgr_internal_validator fmgr_sql_validator gin_clean_pending_list mxid_age nextval plpgsql_validator setseed ' +
    'ts_debug ts_stat txid_status'
  ).split(' '),
)
const ATTRIBUTE_PREFIXES: readonly string[] = ['lo_', 'binary_upgrade_', 'dblink']

/**
 * What may share a connection: PostgreSQL's own names from lists, and nothing else. Names of the
 * caller's own database are unknown.
 */
export const SHARING_RULES: NameRules<undefined> = Object.freeze({
  judge(schema: string | undefined, name: string): NameJudgement {
    const isOwn = schema === undefined || schema === 'pg_catalog'
    return isOwn && SHARED_FUNCTIONS.has(name) ? READ : UNKNOWN
  },

  judgeAttribute(schema: string | undefined, name: string): NameJudgement {
    if (ATTRIBUTES.has(name) || ATTRIBUTE_PREFIXES.some((prefix) => name.startsWith(prefix))) {
      return REFUSED
    }
    // The field of a value may be a function of the database.
    return schema !== undefined || SHARED_FUNCTIONS.has(name) ? READ : UNKNOWN
  },

  isKnownOperator: isSharedOperator,

  hazardOfRelation(name: string): Hazard | undefined {
    const isShared =
      !name.startsWith('pg_') ||
      name === 'pg_catalog' ||
      RELATIONS.has(name) ||
      CATALOG_TYPES.has(name) ||
      SHARED_FUNCTIONS.has(name)
    return isShared ? undefined : REFUSED
  },

  hazardOfSource: () => undefined,

  hazardOfColumn: () => undefined,
})
