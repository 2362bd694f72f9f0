/* prometheus_internal.h - the series, shared by counting (prometheus.c) and rendering
 * (prometheus_render.c). */
#ifndef EXPORTERS_PROMETHEUS_INTERNAL_H
#define EXPORTERS_PROMETHEUS_INTERNAL_H

#include <pthread.h>

#include "collector/base/map.h"
#include "collector/base/stats.h"
#include "exporters/ingested.h"
#include "exporters/prometheus.h"

#define LABELS_BYTES (1u << 18) /* of one series; whose names need more is `other` */

struct exemplar {
    struct trace_id id; /* 0: none */
    double value;       /* seconds; 1 for counters */
    uint64_t at_ns : 63;
    uint64_t stays : 1; /* whatever store.keep drops */
};

struct latency {
    uint64_t buckets[STAT_N_BUCKETS + 1]; /* not cumulative */
    uint64_t n, sum_ns;
    struct exemplar exemplars[STAT_N_BUCKETS + 1];
};

struct edge_series {
    char *labels; /* rendered, without braces */
    char *pair;   /* client, server and gateway alone, for hairpins; NULL until one is seen */
    uint64_t created_ns, last_ns;
    uint64_t n, n_failed, client_errors, retries, recovered, origin, carried, hairpins;
    uint64_t security[N_SECURITIES];
    struct latency client, server, transit;
    struct exemplar any, failed;
};

struct span_series {
    char *labels;
    uint64_t created_ns, last_ns;
    struct latency latency; /* n counts every span; latency.n those with a duration */
    uint64_t n;
    struct exemplar any;
};

struct table {
    void **series;
    uint32_t n, cap;
    struct map by_key;  /* numbers of nodes and names -> index */
    struct map by_text; /* labels -> index */
    struct key {
        uint64_t a, b;
        uint32_t index;
    } * keys;
    uint32_t n_keys, cap_keys;
};

struct prometheus {
    struct prometheus_settings settings;
    pthread_mutex_t mutex; /* guards all that follows */
    struct table edges, spans;
    struct map operations; /* hash of (service, templated name): how many each service has is in
                              n_operations */
    struct map services;
    struct service_count {
        name_no service;
        uint32_t n_operations;
    } * counts;
    uint32_t n_counts, cap_counts;
    struct known_parts *known;
    struct buf scratch;
    struct ingested *ingested; /* NULL without; guards itself */
    uint64_t started_ns;
    struct stat_series *kept, *limited_edges, *limited_spans, *corrections[4];
};

#endif
