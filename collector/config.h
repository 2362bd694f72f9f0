/* config.h - every setting: name, default, bounds, meaning, in one table; where each value came
 * from.
 *
 * Flag beats environment beats file beats default. All mistakes are collected, each with its place.
 */
#ifndef COLLECTOR_CONFIG_H
#define COLLECTOR_CONFIG_H

#include "collector/base/buf.h"

struct text_list {
    char **items; /* NULL-terminated; each a C string */
    size_t n;
};

struct settings {
    char *listen_host;
    char *otlp_grpc_listen, *otlp_http_listen, *zipkin_listen, *web_listen;
    struct text_list web_extra_listen, web_hosts, otlp_http_cors_origins;
    uint64_t max_body, max_decoded, max_grpc_message, max_spans, max_connections,
        max_in_flight; /* receive.* */
    char *kafka_brokers, *kafka_group, *kafka_instance;
    struct text_list kafka_topics, kafka_options; /* 'name=format', 'key=value' */
    char *store_path;
    char *durability; /* power | crash | queue */
    uint64_t commit_interval_ns, group_max, inbox_max, retention_ns, max_size, minute_retention_ns,
        min_free, cache_bytes;
    char *keep;  /* 'all' or '1%' … '99%' */
    char *spans; /* rows */
    uint64_t trace_idle_ns, trace_max_age_ns, stitch_memory, max_spans_per_trace, reopen_window_ns,
        reopen_memory;
    struct text_list gateways, sidecars, zones, alias, inside,
        allow_plaintext; /* zones: 'zone=CIDR', alias: 'name=name' */
    uint64_t limit_attributes, limit_attribute_bytes, limit_name_bytes, limit_events, limit_links,
        limit_services, limit_operations, limit_edges;
    bool localise_enabled;
    uint64_t localise_window_ns, localise_baseline_ns, localise_min_requests,
        localise_close_after_ns;
    uint64_t prometheus_expire_ns, prometheus_max_series;
    bool prometheus_ingested;
    bool web_sql;
    uint64_t web_sql_timeout_ns, web_sql_rows;
    char *web_log_link;
    char *tokens_file, *tls_cert_file, *tls_key_file, *tls_client_ca_file;
    struct text_list redact_keys;
    char *log_level, *log_format;
};

struct config; /* settings and where each came from */

#define CONFIG_PATH_BYTES 4096

struct config_input {
    const char *file;         /* --config; NULL: FAULTLINE_CONFIG, else none */
    const char *const *sets;  /* "name=value" of every --set, NULL-terminated */
    char *const *environment; /* as environ */
};

/* Always gives *config (with defaults where there were mistakes); the number of mistakes, one line
 * each in `mistakes`: "faultline.yml:3: stitch.trace_idel: unknown setting; did you mean
 * stitch.trace_idle?". */
size_t config_read(const struct config_input *input, struct config **config, struct buf *mistakes);
const struct settings *config_settings(const struct config *config);
void config_free(struct config *config);
/* The names of settings that have another value in `fresh` and that a reload does not take over,
 * separated by commas. */
void config_stale(const struct config *config, const struct config *fresh, struct buf *names);
/* The file of a database: where `path` leads when it is a symbolic link, though there be no file
 * yet. Its lock, its log and its inbox are beside that. Gives `space`. */
const char *config_store_file(const char *path, char space[CONFIG_PATH_BYTES]);
/* An item of a map, "one=other", without the blanks around either; false when one is empty. */
bool config_cut_pair(struct str item, struct str *one, struct str *other);
/* Where a setting is from: default, file:LINE, environment or flag. */
const char *config_source(const struct config *config, const char *name);
/* `name = value  # source`, sorted. */
void config_print(const struct config *config, struct buf *out);
/* The table for the README (Markdown), and for help. */
void config_print_markdown(struct buf *out);

#endif
