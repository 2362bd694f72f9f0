/* query_others.h - what the query APIs of others (Jaeger, Zipkin, Tempo) ask of the store: names,
 * calls between services, and traces that have a span like this. Their words stand in web/.
 *
 * A service is known by its name alone there: what bears one name in several namespaces is one.
 * Where a service is asked for, `service.namespace` names it too, as Kiali and Istio's sidecars
 * write it.
 */
#ifndef STORE_QUERY_OTHERS_H
#define STORE_QUERY_OTHERS_H

#include "collector/store/query.h"

/* Whose names, and how: */
struct name_filter {
    struct str service; /* '' any, where it may be */
    struct str kind;    /* a word of CONTRACT §5, '' any */
    bool fold_case;     /* names are given and taken in lower case: Zipkin's are */
};

/* Names of services that sent spans, in order. One column; of the filter only the case. */
int query_span_services(struct query *query, const struct name_filter *filter,
                        bool (*row)(const struct query_rows *rows, void *ctx), void *ctx,
                        struct err *err);
/* What a service does, in order: name and kind. */
int query_span_operations(struct query *query, const struct name_filter *filter,
                          bool (*row)(const struct query_rows *rows, void *ctx), void *ctx,
                          struct err *err);
/* Whom a service calls, in order. One column. */
int query_span_peers(struct query *query, const struct name_filter *filter,
                     bool (*row)(const struct query_rows *rows, void *ctx), void *ctx,
                     struct err *err);
/* Calls in the minutes that the window touches: caller, callee, calls, failed calls. Users are
 * nobody's service: calls by them are left out. The filter's service is either end's. */
int query_dependencies(struct query *query, struct window window, const struct name_filter *filter,
                       bool (*row)(const struct query_rows *rows, void *ctx), void *ctx,
                       struct err *err);

#define MOST_SPAN_TAGS 16 /* most that a search may name */

/* An attribute of the span or of who sent it; `error`, `span.kind`, `otel.status_code` and
 * `otel.status_description` as the writers of others' formats make them of the span; or of an event
 * of the span, whose name is its `event`. */
struct span_tag {
    struct str key, value; /* numbers and truths as JSON has them */
    bool any_value;        /* it is there; also: an event of this name is */
};

struct span_wanted {
    struct window window; /* of the trace's start */
    struct str service;   /* '' any */
    struct str operation; /* the operation, or the name that the sender gave the span; '' any */
    struct str peer;      /* service at the other end of its call; '' any */
    const struct span_tag *tags;
    unsigned n_tags;            /* ≤ MOST_SPAN_TAGS */
    uint64_t least_ns, most_ns; /* durations, both in; most_ns 0: any */
    bool fold_case;             /* of names */
    /* False: one span must have all of it. True: each part may be of another span of the service.
     */
    bool apart;
    uint32_t limit; /* traces, 1…1000 */
};

/* What a search found. */
struct span_found {
    int64_t numbers[1000]; /* of traces, newest first; for spans_of_number() */
    uint32_t n;
    bool stopped;           /* it took too long: older traces were not looked at, */
    uint64_t stopped_at_ns; /* those that began before; nothing else when it did not stop */
};

/* The newest traces that have what is wanted; those whose spans were not kept have not. */
int query_span_search(struct query *query, const struct span_wanted *wanted,
                      struct span_found *found, struct err *err);

#endif
