/* config_table.c - every setting, once. */
#include <stddef.h>

#include "collector/config_internal.h"

#define AT(field) offsetof(struct settings, field)
#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define MIN (60 * S)
#define DAY (86400 * S)
#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define TIB (MIB * MIB)
#define INSIDE "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
#define REDACT "authorization,cookie,set-cookie,passw,secret,token,api_key,private_key,session"

/* clang-format off */
const struct setting config_table[] = {
    {"listen.host", SETTING_TEXT, AT(listen_host), "127.0.0.1", 1, 0, NULL, false, "host of every listener that names only a port"},
    {"receive.otlp_grpc.listen", SETTING_LISTEN, AT(otlp_grpc_listen), "4317", 0, 0, NULL, false, "OTLP over gRPC"},
    {"receive.otlp_http.listen", SETTING_LISTEN, AT(otlp_http_listen), "4318", 0, 0, NULL, false, "OTLP over HTTP, access logs, remote write; [host:]port, 0 any free, unix:/path, off"},
    {"receive.otlp_http.cors_origins", SETTING_ORIGINS, AT(otlp_http_cors_origins), "", 0, 0, NULL, false, "exact origins of browser SDKs"},
    {"receive.zipkin.listen", SETTING_LISTEN, AT(zipkin_listen), "9411", 0, 0, NULL, false, "Zipkin spans, and Zipkin's query API"},
    {"receive.max_body", SETTING_SIZE, AT(max_body), "16MiB", KIB, 1024 * MIB, NULL, false, "largest body as it comes"},
    {"receive.max_decoded", SETTING_SIZE, AT(max_decoded), "20MiB", KIB, 1024 * MIB, NULL, false, "largest body when decompressed"},
    {"receive.max_grpc_message", SETTING_SIZE, AT(max_grpc_message), "4MiB", KIB, 1024 * MIB, NULL, false, "largest gRPC message"},
    {"receive.max_spans", SETTING_COUNT, AT(max_spans), "50000", 1, 10000000, NULL, false, "spans a body may hold"},
    {"receive.max_connections", SETTING_COUNT, AT(max_connections), "1024", 1, 1000000, NULL, false, "connections of all listeners together"},
    {"receive.max_in_flight", SETTING_SIZE, AT(max_in_flight), "64MiB", MIB, TIB, NULL, false, "bytes of bodies in memory; beyond: 503"},
    {"receive.kafka.brokers", SETTING_TEXT, AT(kafka_brokers), "", 0, 0, NULL, false, "host:port of Kafka brokers; '' reads no Kafka"},
    {"receive.kafka.group", SETTING_TEXT, AT(kafka_group), "faultline", 1, 0, NULL, false, "Kafka consumer group"},
    {"receive.kafka.instance", SETTING_TEXT, AT(kafka_instance), "", 0, 0, NULL, false, "Kafka static member name"},
    {"receive.kafka.topics", SETTING_TOPICS, AT(kafka_topics), "", 0, 0, NULL, false, "topic=format, format a word of ingest_minute or auto; a topic with ^ before it is a pattern"},
    {"receive.kafka.options", SETTING_PAIRS, AT(kafka_options), "", 0, 0, NULL, false, "librdkafka properties, property=value: SASL, TLS …"},
    {"store.path", SETTING_TEXT, AT(store_path), "faultline.db", 1, 0, NULL, false, "the database; the inbox is this + -inbox/"},
    {"store.durability", SETTING_WORD, AT(durability), "power", 0, 0, "power|crash|queue", false, "what an answer promises: survives a power cut, a kill, nothing"},
    {"store.commit_interval", SETTING_DURATION, AT(commit_interval_ns), "1s", 50 * MS, 60 * S, NULL, false, "how often the database commits"},
    {"store.group_max", SETTING_SIZE, AT(group_max), "16MiB", 64 * KIB, 1024 * MIB, NULL, false, "most that one sync of the inbox covers"},
    {"store.inbox_max", SETTING_SIZE, AT(inbox_max), "4GiB", MIB, TIB, NULL, false, "largest inbox; beyond: 503"},
    {"store.retention", SETTING_DURATION, AT(retention_ns), "72h", S, 3650 * DAY, NULL, false, "age of traces since they were stored"},
    {"store.max_size", SETTING_SIZE, AT(max_size), "10GiB", MIB, 1024 * TIB, NULL, false, "largest database"},
    {"store.minute_retention", SETTING_DURATION, AT(minute_retention_ns), "30d", 60 * S, 3650 * DAY, NULL, false, "age of minute rows since last touched"},
    {"store.min_free", SETTING_SIZE, AT(min_free), "256MiB", 0, 1024 * TIB, NULL, false, "less free disk: not ready, disk_full"},
    {"store.keep", SETTING_SHARE, AT(keep), "all", 0, 0, NULL, false, "share of ordinary traces whose spans stay once stitch.reopen_window is over"},
    {"store.spans", SETTING_WORD, AT(spans), "rows", 0, 0, "rows", false, "how spans are stored"},
    {"store.cache", SETTING_SIZE, AT(cache_bytes), "64MiB", MIB, 64 * KIB * MIB, NULL, false, "page cache of the writer"},
    {"stitch.trace_idle", SETTING_DURATION, AT(trace_idle_ns), "6s", 100 * MS, 10 * MIN, NULL, false, "a trace this quiet is cut"},
    {"stitch.trace_max_age", SETTING_DURATION, AT(trace_max_age_ns), "30s", 100 * MS, DAY, NULL, false, "a trace this old is cut"},
    {"stitch.memory", SETTING_SIZE, AT(stitch_memory), "256MiB", MIB, TIB, NULL, false, "bytes of live traces; beyond: the longest idle is cut"},
    {"stitch.max_spans_per_trace", SETTING_COUNT, AT(max_spans_per_trace), "100000", 1, 10000000, NULL, false, "beyond: stored, not stitched"},
    {"stitch.reopen_window", SETTING_DURATION, AT(reopen_window_ns), "24h", S, 3650 * DAY, NULL, false, "how far back a late span finds its trace"},
    {"stitch.reopen_memory", SETTING_SIZE, AT(reopen_memory), "64MiB", MIB, TIB, NULL, false, "memory for finding them"},
    {"stitch.gateways", SETTING_NODES, AT(gateways), "", 0, 0, NULL, true, "nodes that are gateways"},
    {"stitch.sidecars", SETTING_NODES, AT(sidecars), "", 0, 0, NULL, true, "nodes that are sidecars"},
    {"stitch.zones", SETTING_ZONES, AT(zones), "", 0, 0, NULL, true, "zone=CIDR"},
    {"stitch.alias", SETTING_PAIRS, AT(alias), "", 0, 0, NULL, true, "name=name"},
    {"stitch.inside", SETTING_NETWORKS, AT(inside), INSIDE, 0, 0, NULL, true, "networks that are inside"},
    {"security.allow_plaintext", SETTING_RULES, AT(allow_plaintext), "", 0, 0, NULL, true, "caller -> callee"},
    {"limit.attributes", SETTING_COUNT, AT(limit_attributes), "128", 1, 512, NULL, false, "attributes of a span, resource, event or link"},
    {"limit.attribute_bytes", SETTING_COUNT, AT(limit_attribute_bytes), "4096", 16, 1048576, NULL, false, "bytes of an attribute's value"},
    {"limit.name_bytes", SETTING_COUNT, AT(limit_name_bytes), "1024", 16, 65536, NULL, false, "bytes of a name"},
    {"limit.events", SETTING_COUNT, AT(limit_events), "128", 1, 65536, NULL, false, "events of a span"},
    {"limit.links", SETTING_COUNT, AT(limit_links), "128", 1, 65536, NULL, false, "links of a span"},
    {"limit.services", SETTING_COUNT, AT(limit_services), "5000", 1, 1000000, NULL, false, "services that send, and as many that only others name; beyond: other. Four times as many versions, of one service a tenth of them; beyond: none"},
    {"limit.operations", SETTING_COUNT, AT(limit_operations), "500", 1, 1000000, NULL, false, "operations of a service; beyond: other"},
    {"limit.edges", SETTING_COUNT, AT(limit_edges), "20000", 1, 10000000, NULL, false, "edges; beyond: other"},
    {"localise.enabled", SETTING_BOOL, AT(localise_enabled), "true", 0, 0, NULL, false, "look for faults by itself, and keep incidents"},
    {"localise.window", SETTING_DURATION, AT(localise_window_ns), "10s", S, 10 * MIN, NULL, false, "how often it looks: at one of them (10 s at least) and at three (30 s at least), and at 2 and 5 minutes where requests are few"},
    {"localise.baseline", SETTING_DURATION, AT(localise_baseline_ns), "30m", MIN, 30 * DAY, NULL, false, "what is normal"},
    {"localise.min_requests", SETTING_COUNT, AT(localise_min_requests), "30", 1, 1000000, NULL, false, "least requests for a verdict"},
    {"localise.close_after", SETTING_DURATION, AT(localise_close_after_ns), "5m", S, DAY, NULL, false, "calm before an incident closes"},
    {"export.prometheus.expire", SETTING_DURATION, AT(prometheus_expire_ns), "1h", S, 365 * DAY, NULL, false, "series not seen for this long leave"},
    {"export.prometheus.max_series", SETTING_COUNT, AT(prometheus_max_series), "50000", 10, 10000000, NULL, false, "series of /metrics; beyond: other"},
    {"export.prometheus.ingested", SETTING_BOOL, AT(prometheus_ingested), "false", 0, 0, NULL, false, "expose ingested metrics too, but those that Prometheus wrote"},
    {"web.listen", SETTING_LISTEN, AT(web_listen), "4319", 0, 0, NULL, false, "the web view, the API and /metrics"},
    {"web.extra_listen", SETTING_LISTENS, AT(web_extra_listen), "", 0, 0, NULL, false, "further addresses of the same server"},
    {"web.hosts", SETTING_LIST, AT(web_hosts), "localhost,127.0.0.1,::1", 0, 0, NULL, false, "names accepted in Host, else 421, and in a POST's Origin, else 403"},
    {"web.sql", SETTING_BOOL, AT(web_sql), "true", 0, 0, NULL, false, "SQL on the web"},
    {"web.sql_timeout", SETTING_DURATION, AT(web_sql_timeout_ns), "2s", 10 * MS, 10 * MIN, NULL, false, "longest SQL"},
    {"web.sql_rows", SETTING_COUNT, AT(web_sql_rows), "10000", 1, 10000000, NULL, false, "most rows of an SQL answer"},
    {"web.log_link", SETTING_LINK, AT(web_log_link), "", 0, 0, NULL, false, "https://…?q={trace_id}"},
    {"auth.tokens_file", SETTING_TEXT, AT(tokens_file), "", 0, 0, NULL, true, "lines: role sha256hex comment, role ingest, read or admin; then every request but health needs a token"},
    {"tls.cert_file", SETTING_TEXT, AT(tls_cert_file), "", 0, 0, NULL, true, "certificate (PEM, with those between it and its CA): every listener takes TLS, and nothing else"},
    {"tls.key_file", SETTING_TEXT, AT(tls_key_file), "", 0, 0, NULL, true, "its key (PEM)"},
    {"tls.client_ca_file", SETTING_TEXT, AT(tls_client_ca_file), "", 0, 0, NULL, true, "clients must show a certificate of this CA (PEM)"},
    {"redact.keys", SETTING_LIST, AT(redact_keys), REDACT, 0, 0, NULL, true, "values of attributes, of members of maps, and of parameters in URLs, whose keys have one of these in them become REDACTED"},
    {"log.level", SETTING_WORD, AT(log_level), "info", 0, 0, "debug|info|warn|error", true, "least level of log lines"},
    {"log.format", SETTING_WORD, AT(log_format), "logfmt", 0, 0, "logfmt|json", true, "form of log lines"},
};
/* clang-format on */

const size_t config_n_settings = sizeof(config_table) / sizeof(config_table[0]);
