// Functions of PostgreSQL 14 to 18 that are immutable or stable in pg_proc, and those volatile ones
// that are harmless: no write, no lock, no state of a session, no string that is run as SQL, and no
// result that depends on which server answers.
const AGGREGATES =
  'any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp cume_dist dense_rank every ' +
  'first_value json_agg json_agg_strict json_object_agg json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict ' +
  'jsonb_agg jsonb_agg_strict jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict lag ' +
  'last_value lead max min mode nth_value ntile percent_rank percentile_cont percentile_disc range_agg range_intersect_agg rank ' +
  'regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy row_number stddev stddev_pop ' +
  'stddev_samp string_agg sum var_pop var_samp variance xmlagg'
const NUMBERS =
  'abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cbrt ceil ceiling cos cosd cosh cot cotd degrees div erf erfc ' +
  'exp factorial floor gamma gcd lcm lgamma ln log log10 min_scale mod pi pow power radians random random_normal round scale sign ' +
  'sin sind sinh sqrt tan tand tanh trim_scale trunc width_bucket generate_series generate_subscripts num_nonnulls num_nulls'
const TEXTS =
  'ascii bit_count bit_length btrim casefold char_length character_length chr concat concat_ws convert convert_from convert_to crc32 ' +
  'crc32c decode encode format format_type get_bit get_byte initcap is_normalized left length lower lpad ltrim md5 normalize ' +
  'octet_length overlay parse_ident position quote_ident quote_literal quote_nullable regexp_count regexp_instr regexp_like ' +
  'regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr repeat replace reverse right ' +
  'rpad rtrim set_bit set_byte sha224 sha256 sha384 sha512 split_part starts_with string_to_array string_to_table strpos substr ' +
  'substring to_ascii to_bin to_char to_hex to_number to_oct translate trim unicode_assigned unistr upper'
const TIMES =
  'age clock_timestamp date_add date_bin date_part date_subtract date_trunc isfinite justify_days justify_hours justify_interval ' +
  'make_date make_interval make_time make_timestamp make_timestamptz now statement_timestamp timeofday timezone to_date to_timestamp ' +
  'transaction_timestamp'
const JSONS =
  'array_to_json json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each ' +
  'json_each_text json_extract_path json_extract_path_text json_object json_object_keys json_populate_record json_populate_recordset ' +
  'json_strip_nulls json_to_record json_to_recordset json_typeof jsonb_array_elements jsonb_array_elements_text jsonb_array_length ' +
  'jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert ' +
  'jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz jsonb_path_query ' +
  'jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first jsonb_path_query_first_tz jsonb_path_query_tz ' +
  'jsonb_populate_record jsonb_populate_record_valid jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax ' +
  'jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof row_to_json to_json to_jsonb xml_is_well_formed ' +
  'xml_is_well_formed_content xml_is_well_formed_document xmlcomment xmltext xpath xpath_exists'
const SEARCH =
  'array_to_tsvector get_current_ts_config json_to_tsvector jsonb_to_tsvector numnode phraseto_tsquery plainto_tsquery querytree ' +
  'setweight strip to_tsquery to_tsvector ts_delete ts_filter ts_headline ts_lexize ts_parse ts_rank ts_rank_cd ts_token_type ' +
  'tsquery_phrase tsvector_to_array websearch_to_tsquery similarity word_similarity strict_word_similarity show_trgm unaccent ' +
  'levenshtein levenshtein_less_equal soundex metaphone dmetaphone'
const ARRAYS =
  'array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position array_positions array_prepend ' +
  'array_remove array_replace array_reverse array_sample array_shuffle array_sort array_to_string array_upper cardinality ' +
  'enum_first enum_last enum_range trim_array unnest'
const RANGES =
  'datemultirange daterange int4multirange int4range int8multirange int8range isempty lower_inc lower_inf multirange nummultirange ' +
  'numrange range_merge tsmultirange tsrange tstzmultirange tstzrange upper_inc upper_inf'
const PLACES =
  'abbrev area box broadcast center circle diagonal diameter family height host hostmask inet_merge inet_same_family isclosed ' +
  'ishorizontal isopen isparallel isperp isvertical line lseg macaddr8_set7bit masklen netmask network npoints path pclose point ' +
  'polygon popen radius set_masklen slope width'
const IDENTIFIERS =
  'gen_random_uuid uuid_extract_timestamp uuid_extract_version uuid_generate_v1 uuid_generate_v1mc uuid_generate_v3 uuid_generate_v4 ' +
  'uuid_generate_v5 uuid_nil uuidv4 uuidv7 digest hmac crypt gen_salt gen_random_bytes'
const TYPES =
  'bool bpchar bytea cidr date float4 float8 inet int2 int4 int8 macaddr macaddr8 money name numeric oid regclass text timestamptz ' +
  'timetz tsquery tsvector uuid varbit xid xml'
// Functions with which tools read the structure of a database, which is the same on all its
// servers.
const CATALOG =
  'col_description current_database current_schema current_schemas getdatabaseencoding has_any_column_privilege ' +
  'has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege ' +
  'has_schema_privilege has_sequence_privilege has_server_privilege has_table_privilege has_tablespace_privilege ' +
  'has_type_privilege obj_description row_security_active shobj_description to_regclass to_regcollation to_regnamespace to_regoper ' +
  'to_regoperator to_regproc to_regprocedure to_regrole to_regtype to_regtypemod version'
const WITH_PREFIX =
  'pg_collation_for pg_collation_is_visible pg_column_compression pg_column_is_updatable pg_column_size pg_conversion_is_visible ' +
  'pg_database_size pg_describe_object pg_encoding_to_char pg_char_to_encoding pg_filenode_relation pg_function_is_visible ' +
  'pg_get_constraintdef pg_get_expr pg_get_function_arg_default pg_get_function_arguments pg_get_function_identity_arguments ' +
  'pg_get_function_result pg_get_function_sqlbody pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_partition_constraintdef ' +
  'pg_get_partkeydef pg_get_ruledef pg_get_serial_sequence pg_get_statisticsobjdef pg_get_triggerdef pg_get_userbyid ' +
  'pg_get_viewdef pg_has_role pg_identify_object pg_index_column_has_property pg_index_has_property pg_indexam_has_property ' +
  'pg_indexes_size pg_input_error_info pg_input_is_valid pg_lsn pg_opclass_is_visible pg_operator_is_visible ' +
  'pg_opfamily_is_visible pg_options_to_table pg_partition_ancestors pg_partition_root pg_partition_tree pg_relation_is_updatable ' +
  'pg_relation_size pg_sequence_parameters pg_size_bytes pg_size_pretty pg_sleep pg_sleep_for pg_sleep_until ' +
  'pg_statistics_obj_is_visible pg_table_is_visible pg_table_size pg_tablespace_size pg_timezone_names pg_total_relation_size ' +
  'pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible pg_typeof ' +
  'pg_wal_lsn_diff'

// Functions that special syntax of SQL is translated into.
const SYNTAX = 'extract like_escape overlaps similar_to_escape xmlexists'

const GROUPS = [
  AGGREGATES,
  NUMBERS,
  TEXTS,
  TIMES,
  JSONS,
  SEARCH,
  ARRAYS,
  RANGES,
  PLACES,
  IDENTIFIERS,
  TYPES,
  CATALOG,
  WITH_PREFIX,
  SYNTAX,
]

/** Names of functions that are known to be harmless on a replica. */
export const SAFE_FUNCTIONS: ReadonlySet<string> = new Set(
  GROUPS.flatMap((names) => names.split(' ')),
)
