/* commands.c - every command with its options, once: dispatch and help read these rows. */
#include "collector/command/command.h"

#define SETTINGS                                                                                   \
    {"config", "FILE", "settings file (YAML)"},                                                    \
    {                                                                                              \
        "set", "NAME=VALUE", "one setting; may be repeated"                                        \
    }
/* Whom a command trusts, and what it shows (TLS). */
#define TLS_FILES                                                                                  \
    {"ca-file", "FILE", "trust this CA (PEM); default: SSL_CERT_FILE, else the system's"},         \
        {"cert-file", "FILE", "certificate to show to a collector with tls.client_ca_file"},       \
    {                                                                                              \
        "key-file", "FILE", "its key; default: in --cert-file"                                     \
    }
#define SOURCE                                                                                     \
    {"db", "PATH", "read this database (default: store.path)"},                                    \
    {                                                                                              \
        "url", "URL", "ask a running collector, http://host:4319"                                  \
    }
#define WINDOW                                                                                     \
    {"from", "TIME", "15m, 2h (ago), 2026-11-23T10:00:00Z, Unix seconds"},                         \
    {                                                                                              \
        "to", "TIME", "the same; default now"                                                      \
    }
#define LOCAL                                                                                      \
    {                                                                                              \
        "local", NULL, "times by the clock of this place, not UTC"                                 \
    }
#define WITHOUT_FLUSH                                                                              \
    {                                                                                              \
        "without-flush", NULL, "with --db: what the last seconds brought may be missing"           \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, NULL, NULL                                                                           \
    }

static const struct option_row settings_rows[] = {SETTINGS, END};
static const struct option_row replay_rows[] = {
    {"as", "FORMAT",
     "otlp_pb, otlp_json, zipkin_json, zipkin_pb, jaeger_json, alb, nlb, apigw, nginx, haproxy or "
     "envoy_log; default: by content"},
    {"shift", NULL,
     "move all times so that the latest span ends now (lines of access logs only with --db)"},
    {"db", "PATH", "feed this database (default: store.path)"},
    {"to", "URL",
     "feed a collector: its OTLP/HTTP address, http://host:4318, or for files of Zipkin alone its "
     "Zipkin address, http://host:9411"},
    TLS_FILES,
    SETTINGS,
    END};
static const struct option_row simulate_rows[] = {
    {"mesh", "NAME", "shop, or a number of services: a mesh at work"},
    {"fault", "NAME", "what goes wrong in it; list: all there are"},
    {"to", "URL", "a receiver of OTLP by HTTP or gRPC: http://host:4318, grpc://host:4317"},
    {"out", "FILE", "or a file that 'faultline replay' reads"},
    {"truth", "FILE", "what really happened: a line of JSON for the fault, one for every call"},
    {"past", "TIME", "traffic before now, sent at once; default none"},
    {"for", "TIME", "traffic from now on; default 10m"},
    {"at", "TIME", "the fault's onset, from now; default 20s"},
    {"lasts", "TIME", "how long the fault lasts; default to the end"},
    {"speed", "realtime|fast", "fast: all of it at once, ending now"},
    {"from", "TIME", "where fast traffic begins, 2026-11-23T10:00:00Z"},
    {"rate", "N", "requests a second (with --load: spans a second; 0: as fast as it goes)"},
    {"wave", "SHARE", "height of the day's wave; default 0.4"},
    {"sampling", "SHARE", "of traces that are sent; default 1"},
    {"sidecars", "on|off", "off: applications alone"},
    {"applications", "on|off", "off: proxies alone"},
    {"seed", "N", "of the random numbers"},
    {"load", "W", "the workload of the figures in place of a mesh"},
    {"spans", "N", "spans in all, with --load"},
    {"connections", "N", "senders at once"},
    {"batch", "N", "most spans a body"},
    {"encoding", "none|gzip", "compression of bodies"},
    {"acked", "FILE", "write every acknowledged span's ids there, with --load"},
    TLS_FILES,
    END};
static const struct option_row demo_rows[] = {
    {"fault", "NAME", "what goes wrong; list: all there are; default pool-overflow"},
    {"seed", "N", "of the random numbers"},
    {"rate", "N", "requests a second; default 48"},
    SETTINGS,
    END};
static const struct option_row sql_rows[] = {
    SOURCE,
    {"format", "NAME",
     "table, csv, json, ndjson or markdown; csv as it is stored: import it as text"},
    TLS_FILES,
    SETTINGS,
    END};
static const struct option_row traces_rows[] = {
    SOURCE,
    {"service", "NAME", "a service that takes part"},
    {"operation", "NAME", "an operation in it"},
    {"status", "ok|error", "how the entry call ended"},
    {"min-duration", "TIME", "at least this long: 250ms"},
    {"attr", "KEY=VALUE", "an attribute of a span in it; repeated: all of one span"},
    WINDOW,
    {"limit", "N", "1 to 1000; default 20"},
    {"format", "NAME", "text, json; the whole spans: otlp, jaeger, zipkin"},
    LOCAL,
    TLS_FILES,
    SETTINGS,
    END};
static const struct option_row trace_rows[] = {
    SOURCE,   {"format", "NAME", "text, json; for other tools and replay: otlp, jaeger, zipkin"},
    LOCAL,    TLS_FILES,
    SETTINGS, END};
static const struct option_row graph_rows[] = {
    SOURCE,
    WINDOW,
    {"level", "service|version", "what a node is"},
    {"layer", "logical|physical", "services alone, or hop by hop with their proxies and gateways"},
    {"diff", "FROM..TO", "edges that are new, gone, slower or redder than in that window"},
    {"check", NULL,
     "clear text where it is not allowed (in json first of all edges); exit 1 when there is any"},
    {"format", "NAME", "table or json; of the graph itself also dot, mermaid"},
    LOCAL,
    TLS_FILES,
    SETTINGS,
    END};
static const struct option_row diagnose_rows[] = {
    SOURCE,
    WINDOW,
    {"baseline", "FROM..TO", "what is normal; default: the half hour before"},
    {"level", "NAME", "what a suspect is: service, version, instance or operation"},
    {"limit", "N", "most suspects; default 10"},
    {"format", "NAME", "text or json"},
    LOCAL,
    TLS_FILES,
    SETTINGS,
    END};
static const struct option_row compare_rows[] = {
    SOURCE,
    {"service", "NAME", "whose versions: service, namespace/service, cluster/namespace/service"},
    {"baseline", "VERSION", "the one that is known; default: the busiest but the candidate"},
    {"candidate", "VERSION", "the one that is new; default: the newest that took calls"},
    {"from", "TIME", "where the candidate began; default half an hour ago"},
    {"to", "TIME", "default now"},
    {"format", "NAME", "text or json"},
    LOCAL,
    TLS_FILES,
    SETTINGS,
    END};
static const struct option_row export_rows[] = {
    SOURCE,
    WINDOW,
    {"service", "NAME", "what a service takes part in: service, namespace/service …"},
    {"incident", "N", "one incident; its own window where none is given"},
    WITHOUT_FLUSH,
    TLS_FILES,
    SETTINGS,
    END};
static const struct option_row backup_rows[] = {SOURCE, WITHOUT_FLUSH, TLS_FILES, SETTINGS, END};
static const struct option_row vacuum_rows[] = {SOURCE, TLS_FILES, SETTINGS, END};
static const struct option_row tail_rows[] = {
    {"url", "URL", "the collector; default http://127.0.0.1:4319"},
    {"follow", NULL, "go on as batches come"},
    {"format", "NAME", "text or json"},
    LOCAL,
    TLS_FILES,
    END};
static const struct option_row no_rows[] = {END};

const struct command commands[] = {
    {"serve", "", "the collector", false, command_serve, settings_rows},
    {"demo", "", "a simulated mesh with a fault, to look at", false, command_demo, demo_rows},
    {"check-config", "", "print every setting in force, and all mistakes", false,
     command_check_config, settings_rows},
    {"replay", "FILE...", "feed files into a database or a collector", false, command_replay,
     replay_rows},
    {"sql", "[QUERY]", "read-only SQL on the database", false, command_sql, sql_rows},
    {"traces", "", "search traces", false, command_traces, traces_rows},
    {"trace", "ID", "one trace as a waterfall", false, command_trace, trace_rows},
    {"graph", "", "the call graph of a window", false, command_graph, graph_rows},
    {"diagnose", "", "where a fault began, with evidence; exit 1 when there is one", false,
     command_diagnose, diagnose_rows},
    {"compare", "",
     "a new version of a service against another; exit 1: worse, 4: too few calls to tell", false,
     command_compare, compare_rows},
    {"tail", "", "the last batches received", false, command_tail, tail_rows},
    {"export", "OUT.db", "a small database of a window, a service or an incident", false,
     command_export, export_rows},
    {"backup", "OUT.db", "a consistent copy of the database, also while it is written", false,
     command_backup, backup_rows},
    {"vacuum", "", "give disk back now", false, command_vacuum, vacuum_rows},
    {"completion", "SHELL", "what bash, zsh or fish complete; man: the manual page", false,
     command_completion, no_rows},
    {"simulate", "", "send simulated traffic: a mesh with a fault, or a load", true,
     command_simulate, simulate_rows},
    {"help", "[COMMAND]", "this list, or one command's options", false, command_help, no_rows},
    {"version", "", "versions of the program and its libraries", false, command_version, no_rows},
    {NULL, NULL, NULL, false, NULL, NULL},
};
