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
    /* set or known beforehand, or an effect */
    {CAUSE_NONE, {"limit", "limits", "spec", "quota", "capacity", "allocatable", "max", "match"}},
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

const char *metric_cause_word(enum metric_cause cause)
{
    return cause_words[cause];
}
