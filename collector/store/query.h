/* query.h - questions to the database, by read-only connections; what the web, the exporters and
 * the commands show. Works on a live database and on a closed file alike.
 *
 * A connection belongs to one thread. Every call has a deadline and ends with ERR_BUSY past it.
 */
#ifndef STORE_QUERY_H
#define STORE_QUERY_H

#include "collector/base/arena.h"
#include "collector/base/buf.h"
#include "collector/base/err.h"
#include "collector/model/diagnosis.h"
#include "collector/model/mesh_series.h"
#include "collector/model/metric_samples.h"
#include "collector/model/rollup.h"
#include "collector/model/span.h"

struct query;
struct incident;

/* ERR_NOT_FOUND without a file, ERR_IO for what cannot be read, is not faultline's or of a newer
 * one. */
int query_open(const char *path, struct query **query, struct err *err);
void query_close(struct query *query);

struct window {
    uint64_t from_ns, to_ns; /* half open */
};
/* Widened to whole minutes, as minutes answer it (CONTRACT §1). */
struct window window_of_minutes(struct window window);

/* Filters shared by several questions; '' or 0 means any. */
#define QUERY_MAX_ATTRS 8
struct query_attr {
    struct str key, value;
};

struct query_filter {
    struct window window;
    struct str cluster, namespace, service, operation, status; /* status: 'ok', 'error' or '' */
    struct query_attr attrs[QUERY_MAX_ATTRS];                  /* all of one span */
    unsigned n_attrs;
    uint64_t min_duration_ns;
    uint32_t limit;    /* 1…1000 */
    struct str cursor; /* from the last answer's "next" */
};

enum graph_level { LEVEL_SERVICE, LEVEL_VERSION };

/* The order of the last pictures of this process, so that who was in one keeps its place. Any
 * thread. */
struct graph_memory;
struct graph_memory *graph_memory_new(void);
void graph_memory_free(struct graph_memory *memory);

/* What of a graph is shown, and how. All zero: everything. */
enum graph_fold { FOLD_NONE, FOLD_QUIET, FOLD_ALL };
struct graph_view {
    enum graph_fold fold; /* quiet: namespaces without failures, from 60 nodes on */
    struct str unfold;    /* names of folds that stay open, with commas between */
    struct str focus;     /* a node; only what is within `hops` steps of it. '' none */
    unsigned hops;
    struct str cluster, namespace, service; /* of one end: only such edges and their ends, none
                                               folded; '' any */
    unsigned most;      /* nodes: beyond, those on the ways of failures, their neighbours, then the
                           busiest; 0: all */
    bool join;          /* edges that differ by their crossing alone are one, with the widest */
    bool physical;      /* hop by hop, proxies and gateways as nodes; nothing folds */
    bool versions;      /* room for versions in nodes with several */
    struct window base; /* to compare with; empty: none */
    bool gone;          /* edges and nodes of the base window alone, too: they have no calls */
    struct graph_memory *memory; /* borrowed; may be NULL */
};

/* Each writes the JSON of CONTRACT §7 into `out`. `view` may be NULL. */
int query_graph_json(struct query *query, struct window window, enum graph_level level,
                     const struct graph_view *view, struct buf *out, struct err *err);
/* Edges of the window that are new, gone, slower (p95 half as much again and 1 ms more) or redder
 * (twice the share of failures and 1 % of the calls more) than in the view's base window; of both
 * the latter with at least 20 calls in each. Of the view also counts what one end is. */
int query_graph_diff_json(struct query *query, struct window window, enum graph_level level,
                          const struct graph_view *view, struct buf *out, struct err *err);
/* What users asked for and what of it failed, over time (API: series). */
int query_series_json(struct query *query, struct window window, struct buf *out, struct err *err);
/* The state of the entries against the base window, the sharpest way of failures, what changed. */
int query_now_json(struct query *query, struct window window, struct window base, struct buf *out,
                   struct err *err);
/* Calls between two nodes, by version, over time; ERR_NOT_FOUND when there were none. */
int query_edge_json(struct query *query, struct window window, struct str caller, struct str callee,
                    struct buf *out, struct err *err);
/* Every service with its rate, failures and latency. */
int query_red_json(struct query *query, struct window window, struct buf *out, struct err *err);
/* Which service, and which of its versions are put side by side. */
struct comparison_request;
struct service_question {
    struct str cluster, namespace, service; /* '' any */
    struct str baseline, candidate; /* versions; both '': the newest against the busiest other */
    /* How versions are compared: the JSON of CONTRACT §7. */
    int (*compare)(struct query *query, const struct comparison_request *request, struct buf *out,
                   struct err *err);
    uint32_t min_calls; /* of either, for a verdict */
};
/* One service: the same over time and by version, operation, instance, caller and callee.
 * ERR_NOT_FOUND when nobody of that name was seen. */
int query_service_json(struct query *query, struct window window, struct window base,
                       const struct service_question *question, struct buf *out, struct err *err);
/* Nodes that were seen in the window, and what they do; unknown parts are folded into the only
 * known ones among them. */
/* Adds "key=value" to the filter's; false (err set) when it is none, or there are too many. */
bool query_add_attr(struct query_filter *filter, struct str text, struct err *err);
int query_services_json(struct query *query, const struct query_filter *filter, struct buf *out,
                        struct err *err);
int query_operations_json(struct query *query, const struct query_filter *filter, struct buf *out,
                          struct err *err);
/* Questions in SQL to begin with: their names and texts. */
void query_examples_json(uint64_t timeout_ns, uint64_t rows, struct buf *out);
/* Pairs of services of the window, versions summed, unknown parts folded as in its graph: what
 * their calls cross; who could read them, violations first; which of them turn round at a gateway;
 * from which zone to which they go, of those that both ends tell. `service` … is of either end. */
int query_crossings_json(struct query *query, const struct query_filter *filter, struct buf *out,
                         struct err *err);
int query_security_json(struct query *query, const struct query_filter *filter, struct buf *out,
                        struct err *err);
int query_hairpins_json(struct query *query, const struct query_filter *filter, struct buf *out,
                        struct err *err);
int query_zones_json(struct query *query, const struct query_filter *filter, struct buf *out,
                     struct err *err);
int query_traces_json(struct query *query, const struct query_filter *filter, struct buf *out,
                      struct err *err);
/* The same of at most 20 traces named by their ids, with commas between, in that order; what is not
 * there is left out. */
int query_named_traces_json(struct query *query, struct str ids, struct buf *out, struct err *err);
/* ERR_NOT_FOUND for an unknown trace. `id`: 1–32 hex digits. */
int query_trace_json(struct query *query, struct str id, struct buf *out, struct err *err);
/* Is there such a trace? ERR_INVALID for what is no id. */
int query_trace_exists(struct query *query, struct str id, bool *exists, struct err *err);
/* The trace as the page draws it, and one of its spans; the JSON is described in web/openapi.json.
 */
int query_layout_json(struct query *query, struct str id, struct buf *out, struct err *err);
int query_span_json(struct query *query, struct str trace, struct str span, struct buf *out,
                    struct err *err);

/* Which of a roll-up's counters, and of which minutes. */
enum rollup_part {
    ROLLUP_ALL,
    ROLLUP_NORMAL,        /* without minutes of an incident */
    ROLLUP_NORMAL_ENTRIES /* of those only requests */
};
/* Adds the roll-ups of the minutes of the window to `rollup` (steps 0), their texts to `names` and
 * `nodes`. The window is whole minutes. */
struct rollup_question {
    struct window window;
    enum rollup_part part;
    struct names *names;
    struct nodes *nodes;
};
int query_rollup(struct query *query, const struct rollup_question *question, struct rollup *rollup,
                 struct err *err);

/* The stored points, in two windows, of metrics that name a cause (metric_cause.h) and speak of one
 * of these services, and of the first one's databases, caches and queues that send no spans; or of
 * everybody, of causes and of requests. Texts lie in `arena`. */
struct metric_subject {
    struct str namespace, service, version, instance; /* '' any, but of the service */
};
struct metric_question {
    struct window normal, now;
    const struct metric_subject *subjects;
    uint32_t n_subjects;
    bool everybody, stores;
    bool alone; /* nothing else is known, so more are read */
};
int query_metric_samples(struct query *query, const struct metric_question *question,
                         struct arena *arena, struct metric_samples_list *list, struct err *err);

/* What Istio's series say of the calls of a window, by the minute; texts lie in `arena`. */
int query_mesh_series(struct query *query, struct window window, struct arena *arena,
                      struct mesh_series_list *list, struct err *err);

/* Are there any? */
bool query_has_mesh_series(struct query *query);
/* Times of the first and the last point of their calls; false when there are none. */
bool query_mesh_series_times(struct query *query, struct window *window);

struct trace_text {
    char id[33]; /* 32 digits */
    int64_t trace_no;
};

/* Two versions of a service at the same time: what query_cohorts() finds. */
#define COHORT_PARTS 6 /* of the time: the steps of its tallies */
struct cohort_question {
    struct window window;                   /* whole minutes */
    struct str cluster, namespace, service; /* cluster, namespace '': any */
    struct str baseline, candidate; /* both '': the newest with calls against the busiest other */
};
struct cohort_answer {
    struct node service; /* without version */
    name_no versions[2]; /* baseline, candidate */
    int64_t minutes;     /* in which both took calls */
    int64_t calls[2];    /* all that each took in the window */
};
/* The calls that both took and made in the minutes in which both took calls, into `rollup`; texts
 * into `names` and `nodes`. ERR_NOT_FOUND when nobody called such a service in the window,
 * ERR_INVALID when the name is of several, ERR_TOO_BIG when the rollup is full. */
int query_cohorts(struct query *query, const struct cohort_question *question, struct names *names,
                  struct nodes *nodes, struct cohort_answer *answer, struct rollup *rollup,
                  struct err *err);
/* Services of which at least two versions took calls in the window, those with the most calls of
 * all but the busiest version first: at most `max`. The texts live as long as `names`. */
struct cohort_service {
    struct str cluster, namespace, service;
};
int query_cohort_services(struct query *query, struct window window, struct names *names,
                          struct cohort_service *services, size_t max, size_t *n, struct err *err);
/* Newest traces of the window with a span of this version, failed ones first. */
size_t query_version_examples(struct query *query, struct window window, const struct node *node,
                              const struct names *names, struct trace_text *ids, size_t max);

/* Requests by the minute of their start, but for minutes of incidents that were over before
 * `over_ns` (0: all minutes). At most `max` rows, in order; *n says how many. */
int query_request_minutes(struct query *query, struct window window, uint64_t over_ns,
                          struct request_minute *rows, size_t max, size_t *n, struct err *err);

/* Failures that are told of a service: of calls that it took or made, of those with `peer` alone
 * where one is named, and narrowed to a version or an instance of it; '' each: any. */
struct failed_question {
    struct window window;
    struct str service, peer, version, instance;
};
/* Traces of the window that show the trouble of a service. Failed ones it takes part in: those
 * first that failed first where it is told, with what most of them began, the newest first; or the
 * slowest it takes part in. At most `max` ids of 32 digits. */
size_t query_failed_examples(struct query *query, const struct failed_question *question,
                             struct trace_text *ids, size_t max);
size_t query_slow_examples(struct query *query, struct window window, struct str service,
                           struct trace_text *ids, size_t max);
/* A good one with the service in it; false when there is none. */
bool query_good_example(struct query *query, struct window window, struct str service,
                        struct trace_text *id);

/* Incidents, newest first: those of a state ('open', 'closed', '' all) that went on in the window
 * and that a service shows or is suspected of, without evidence. */
int query_incidents_json(struct query *query, const struct query_filter *filter, struct buf *out,
                         struct err *err);
/* One, whole; ERR_NOT_FOUND when there is none. */
int query_incident_json(struct query *query, uint64_t id, struct buf *out, struct err *err);
/* The number of the incident whose time lies in the window, most of it where several do; 0: none.
 */
int query_incident_at(struct query *query, struct window window, uint64_t *id, struct err *err);
/* The earliest onset of the incidents that go on at a time; 0: none does. */
int query_onset_before(struct query *query, uint64_t at_ns, uint64_t *onset_ns, struct err *err);
/* The incidents that are open, in order of their numbers, for who goes on with them: without
 * suspects. *last_id: the greatest number that was given. The caller frees. */
int query_open_incidents(struct query *query, struct incident **incidents, uint64_t *last_id,
                         struct err *err);
struct query_entry {
    struct str service, operation;
};
#define QUERY_MAX_ENTRIES 4
/* Of the window's traces that began at one of these entries, the share that the service takes part
 * in, or whose failure began there; of those that failed where `failed`. 0 when there are none. */
double query_entry_share(struct query *query, struct window window,
                         const struct query_entry entries[], unsigned n, struct str service,
                         bool failed);

/* Version of the SQLite library in use. */
const char *query_sqlite_version(void);

/* Numbers for /api/v1/status. */
struct query_status {
    uint64_t n_spans, n_traces, oldest_ns, newest_ns; /* of stored traces, event time */
    uint64_t file_bytes, wal_bytes;
};
int query_status(struct query *query, struct query_status *status, struct err *err);

/* Runs one read-only statement; `row` gets texts per column (NULL for SQL NULL), returns false to
 * stop; behind the last row it gets the names alone. For `faultline sql`. Adds the functions of
 * PRODUCT §5 (histogram_quantile, …). */
struct query_rows {
    int n_columns;
    const char *const *names;
    const int *types;          /* SQLITE_INTEGER … of this row's values */
    const char *const *values; /* NULL: no row */
    const int *lengths;        /* bytes */
};
int query_sql(struct query *query, const char *sql,
              bool (*row)(const struct query_rows *rows, void *ctx), void *ctx, struct err *err);

/* One statement of a stranger, answered as CONTRACT §7 says of POST /api/v1/sql. ERR_FORBIDDEN: it
 * would write; ERR_TIMEOUT, ERR_TOO_BIG: past its limits; ERR_INVALID says what and in which line.
 */
struct sql_question {
    struct str sql;    /* with a NUL behind it */
    struct str params; /* JSON: an object or a list; '' none */
    uint64_t timeout_ns;
    uint64_t limit; /* rows */
};
int query_sql_json(struct query *query, const struct sql_question *question, struct buf *out,
                   struct err *err);

/* For the page without scripts: edges of the minutes since then, most failures first: caller,
 * callee, via, calls, retries, failed, began here, mean ns, p95 ns; the last 50 traces: id, time,
 * entry, duration ns, spans, failed spans, origin. */
int query_plain_calls(struct query *query, uint64_t since_ns,
                      bool (*row)(const struct query_rows *rows, void *ctx), void *ctx,
                      struct err *err);
/* The open incidents, worst first: id, time of the onset, summary. */
int query_plain_incidents(struct query *query,
                          bool (*row)(const struct query_rows *rows, void *ctx), void *ctx,
                          struct err *err);
int query_plain_traces(struct query *query, bool (*row)(const struct query_rows *rows, void *ctx),
                       void *ctx, struct err *err);

#endif
