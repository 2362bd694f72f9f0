/* metric_cause.c - a table of words; the first row that a name has a word of is its cause. */
#include "collector/model/metric_cause.h"

#include <ctype.h>

#define MAX_WORDS 10

static const char *const cause_words[N_METRIC_CAUSES] = {"",
                                                         "pool overflow",
                                                         "restarts",
                                                         "out of memory",
                                                         "CPU throttling",
                                                         "garbage collection",
                                                         "CPU",
                                                         "memory",
                                                         "ejected hosts",
                                                         "failed connects",
                                                         "queue depth",
                                                         "connections",
                                                         "lost packets",
                                                         "disk",
                                                         "threads",
                                                         "open files",
                                                         "cache misses",
                                                         "locks"};

/* A word may end in '*': any word that begins so. Words are of OpenTelemetry's conventions, Envoy's
 * statistics, cAdvisor, kube-state-metrics and the usual Prometheus clients. */
static const struct {
    enum metric_cause cause;
    const char *words[MAX_WORDS];
} rows[] = {
    /* set or known beforehand, or an effect; the last two: lines of its access log that Envoy wrote
     */
    {CAUSE_NONE,
     {"limit", "limits", "spec", "quota", "capacity", "allocatable", "max", "match",
      "filesystem_write_*", "filesystem_flushed_*"}},
    {CAUSE_POOL_OVERFLOW, {"overflow", "breakers"}},
    {CAUSE_RESTARTS, {"restart*", "start_time"}},
    {CAUSE_OUT_OF_MEMORY, {"oom*"}},
    {CAUSE_THROTTLING, {"throttl*"}},
    {CAUSE_GARBAGE, {"gc"}},
    {CAUSE_CPU, {"cpu", "eventloop"}},
    {CAUSE_MEMORY, {"memory", "mem", "heap", "rss", "swap"}},
    {CAUSE_EJECTIONS, {"ejections", "ejected"}},
    {CAUSE_CONNECT_FAILURES, {"connect_fail", "connect_timeout", "connection_errors", "refused"}},
    {CAUSE_QUEUE, {"queue*", "pending*", "backlog", "lag", "waiting", "wait_time"}},
    {CAUSE_CONNECTIONS, {"connections", "connection", "cx_active", "socket*"}},
    {CAUSE_PACKETS, {"retrans*", "dropped", "packet_errors"}},
    {CAUSE_DISK, {"disk*", "filesystem", "fs", "iops"}},
    {CAUSE_THREADS, {"thread*", "goroutines"}},
    {CAUSE_FILES, {"fds", "fd", "file_descriptor*"}},
    {CAUSE_CACHE, {"misses", "evict*"}},
    {CAUSE_LOCKS, {"lock*", "deadlock*"}},
};

static bool is_letter(char c)
{
    return isalnum((unsigned char)c) != 0;
}

/* Does `word` stand at `at`, as far as a name's own parting: '.', '_', '/' are alike? */
static bool stands_at(struct str name, size_t at, const char *word)
{
    for (; *word && *word != '*'; word++, at++) {
        bool same = at < name.len && (tolower((unsigned char)name.p[at]) == *word ||
                                      (*word == '_' && !is_letter(name.p[at])));
        if (!same)
            return false;
    }
    return *word == '*' || at == name.len || !is_letter(name.p[at]);
}

/* A word begins behind what is no letter, or with a capital (MemAvailable). */
static bool begins_word(struct str name, size_t at)
{
    return at == 0 || !is_letter(name.p[at - 1]) ||
           (isupper((unsigned char)name.p[at]) && islower((unsigned char)name.p[at - 1]));
}

static bool has_word(struct str name, const char *word)
{
    for (size_t at = 0; at < name.len; at++) {
        if (begins_word(name, at) && stands_at(name, at, word))
            return true;
    }
    return false;
}

enum metric_cause metric_cause_of(struct str name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int k = 0; k < MAX_WORDS && rows[i].words[k]; k++) {
            if (has_word(name, rows[i].words[k]))
                return rows[i].cause;
        }
    }
    return CAUSE_NONE;
}

bool metric_falls(struct str name)
{
    static const char *const words[] = {"free", "available", "avail*", "remaining"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (has_word(name, words[i]))
            return true;
    }
    return false;
}

static bool has_any(struct str name, const char *const words[], size_t n)
{
    for (size_t i = 0; i < n && words[i]; i++) {
        if (has_word(name, words[i]))
            return true;
    }
    return false;
}

#define HAS_ANY(name, words) has_any(name, words, sizeof(words) / sizeof((words)[0]))

static bool was_set(struct str name)
{
    return has_any(name, rows[0].words, MAX_WORDS);
}

/* Words of OpenTelemetry's conventions, the usual clients and exporters of Prometheus, and of
 * tables that were made of these. */
enum metric_measure metric_measure_of(struct str name)
{
    /* of what it asks others, of its own life, of the telemetry itself */
    static const char *const others[] = {"client",   "outbound", "upstream", "scrape", "uptime",
                                         "otelcol*", "exporter", "session",  "startup"};
    static const char *const times[] = {"latency*",      "latencies", "duration*", "response_time*",
                                        "request_time*", "rt",        "elapsed"};
    static const char *const failures[] = {"error*", "fail*", "exception*", "5xx", "http_5*"};
    static const char *const requests[] = {"request*", "workload",   "load",    "rps",
                                           "qps",      "throughput", "handled", "calls"};
    if (metric_cause_of(name) != CAUSE_NONE || was_set(name) || HAS_ANY(name, others) ||
        str_ends(name, STR("_bucket")))
        return MEASURE_NONE;
    if (HAS_ANY(name, times))
        return str_ends(name, STR("_sum"))     ? MEASURE_TIME_SUM
               : str_ends(name, STR("_count")) ? MEASURE_TIME_COUNT
                                               : MEASURE_TIME;
    if (HAS_ANY(name, failures))
        return MEASURE_FAILURES;
    return HAS_ANY(name, requests) ? MEASURE_REQUESTS : MEASURE_NONE;
}

struct str metric_service_of(struct str name)
{
    /* what libraries and exporters begin their names with */
    static const char *const families[] = {"process", "system", "container", "node",   "jvm",
                                           "go",      "http",   "rpc",       "python", "nodejs",
                                           "dotnet",  "kube",   "istio",     "envoy",  "scrape"};
    size_t n = 0;
    while (n < name.len && name.p[n] != '_' && name.p[n] != '.' && name.p[n] != ':' &&
           name.p[n] != '/')
        n++;
    struct str service = {name.p, n}, what = str_skip(name, n + 1);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (str_eq(service, str_of(families[i])))
            return STR_NONE;
    }
    bool says = n + 1 < name.len &&
                (metric_cause_of(what) != CAUSE_NONE || metric_measure_of(what) != MEASURE_NONE);
    return says ? service : STR_NONE;
}

const char *metric_cause_word(enum metric_cause cause)
{
    return cause_words[cause];
}
