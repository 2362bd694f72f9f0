/* query_mesh_series.c - Istio's standard series, from what metrics were stored: calls and their
 * times by the minute (Istio's reference of standard metrics).
 *
 * They are counters: what came in a minute is how much they grew. A series that is new while its
 * sender is not grew from 0: an answer that was never given before has no series.
 */
#include <math.h>

#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "collector/base/map.h"
#include "collector/model/metric.h"
#include "collector/store/query_points.h"

#define MOST_SERIES 20000u
#define MOST_POINTS 2000000u

enum part { PART_CALLS, PART_TIMES, PART_TIME_SUM, PART_TIME_COUNT };

struct mesh_reading {
    struct query *query;
    struct window window;
    struct arena *arena;
    struct mesh_series_list *list;
    struct points_reading points;
    bool memory_short; /* for what is made of them */
};

/* ---- labels ---- */

enum label {
    LABEL_REPORTER,
    LABEL_CODE,
    LABEL_GRPC,
    LABEL_FLAGS,
    /* of the caller, then the same of the callee */
    LABEL_SERVICE,
    LABEL_WORKLOAD,
    LABEL_APP,
    LABEL_NAMESPACE,
    LABEL_VERSION,
    LABEL_REVISION,
    LABEL_CLUSTER,
    LABEL_OTHER_END,
    /* of the callee alone */
    LABEL_HOST_NAME = 2 * LABEL_OTHER_END - LABEL_SERVICE,
    LABEL_HOST_NAMESPACE,
    N_LABELS
};

static const char *const label_names[N_LABELS] = {"reporter",
                                                  "response_code",
                                                  "grpc_response_status",
                                                  "response_flags",
                                                  "source_canonical_service",
                                                  "source_workload",
                                                  "source_app",
                                                  "source_workload_namespace",
                                                  "source_version",
                                                  "source_canonical_revision",
                                                  "source_cluster",
                                                  "destination_canonical_service",
                                                  "destination_workload",
                                                  "destination_app",
                                                  "destination_workload_namespace",
                                                  "destination_version",
                                                  "destination_canonical_revision",
                                                  "destination_cluster",
                                                  "destination_service_name",
                                                  "destination_service_namespace"};

static void read_labels(struct mesh_reading *reading, struct str text, struct str labels[N_LABELS])
{
    struct json json;
    struct json_text key;
    json_init(&json, text);
    if (!json_open_object(&json))
        return;
    while (json_next_key(&json, &key)) {
        int label = 0;
        while (label < N_LABELS && !str_eq(key.raw, str_of(label_names[label])))
            label++;
        if (label == N_LABELS)
            json_skip(&json, NULL);
        else
            json_as_text(&json, reading->arena, &labels[label]);
    }
}

/* Istio's word for what it does not know. */
static struct str known(struct str text)
{
    return str_eq(text, STR("unknown")) ? STR_NONE : text;
}

static struct str first_known(const struct str *labels, const int *from, int n)
{
    for (int i = 0; i < n; i++) {
        struct str text = known(labels[from[i]]);
        if (text.len)
            return text;
    }
    return STR_NONE;
}

static struct node_text end_of(struct mesh_reading *reading, const struct str labels[N_LABELS],
                               int to_end)
{
    int service[4] = {LABEL_SERVICE + to_end, LABEL_WORKLOAD + to_end, LABEL_APP + to_end,
                      LABEL_HOST_NAME};
    int namespace[2] = {LABEL_NAMESPACE + to_end, LABEL_HOST_NAMESPACE};
    int version[2] = {LABEL_VERSION + to_end, LABEL_REVISION + to_end};
    int cluster[1] = {LABEL_CLUSTER + to_end};
    int more = to_end ? 1 : 0;
    /* Whom only the host names has no version, whatever stands there. */
    bool itself = first_known(labels, service, 3).len > 0;
    struct node_text node = {.cluster = first_known(labels, cluster, 1),
                             .namespace = first_known(labels, namespace, 1 + more),
                             .service = first_known(labels, service, 3 + more),
                             .version = itself ? first_known(labels, version, 2) : STR_NONE};
    node = (struct node_text){
        arena_dup(reading->arena, node.cluster), arena_dup(reading->arena, node.namespace),
        arena_dup(reading->arena, node.service), arena_dup(reading->arena, node.version),
        node.service.len ? STR("workload") : STR("user")};
    return node;
}

/* Statuses of gRPC that are the server's fault, as in the calls that spans tell of. */
static bool is_grpc_failure(struct str status)
{
    static const char *const failures[] = {"2", "4", "8", "10", "12", "13", "14", "15"};
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        if (str_eq(status, str_of(failures[i])))
            return true;
    }
    return false;
}

/* 0: no answer came. Whoever left before it (DC) says nothing of the callee. */
static bool is_failed(const struct str labels[N_LABELS])
{
    struct str code = labels[LABEL_CODE];
    bool left = str_eq(labels[LABEL_FLAGS], STR("DC"));
    bool none = str_eq(code, STR("0")) && !left;
    return none || (code.len == 3 && code.p[0] == '5') || is_grpc_failure(labels[LABEL_GRPC]);
}

static struct str reason_of(struct mesh_reading *reading, const struct str labels[N_LABELS])
{
    struct buf text;
    struct str flags = labels[LABEL_FLAGS];
    buf_init(&text, 256);
    if (is_grpc_failure(labels[LABEL_GRPC]))
        buf_addf(&text, "grpc %.*s", STR_ARG(labels[LABEL_GRPC]));
    else
        buf_add_str(&text, labels[LABEL_CODE]);
    if (flags.len && !str_eq(flags, STR("-")))
        buf_addf(&text, " %.*s", STR_ARG(flags));
    struct str reason = arena_dup(reading->arena, buf_str(&text));
    buf_fini(&text);
    return reason;
}

/* ---- points ---- */

struct grown {
    double n, ns;
};

static struct mesh_minute *minute_of(struct mesh_reading *reading, struct mesh_series *series,
                                     uint64_t minute)
{
    if (series->n && series->minutes[series->n - 1].minute == minute)
        return &series->minutes[series->n - 1];
    if (!arena_room(reading->arena, (void **)&series->minutes, series->n, &series->cap,
                    sizeof(*series->minutes))) {
        reading->memory_short = true;
        return NULL;
    }
    series->minutes[series->n] = (struct mesh_minute){.minute = minute};
    return &series->minutes[series->n++];
}

/* It came before the point that tells of it. */
static void add_growth(struct mesh_reading *reading, struct mesh_series *series, uint64_t told_ns,
                       struct grown grown)
{
    uint64_t at_ns = told_ns > 0 ? told_ns - 1 : 0;
    struct mesh_minute *minute;
    bool inside = at_ns >= reading->window.from_ns && at_ns < reading->window.to_ns;
    if (!inside || !(grown.n >= 0) || !(grown.ns >= 0) || (grown.n == 0 && grown.ns == 0) ||
        !(minute = minute_of(reading, series, at_ns / NS_PER_MINUTE)))
        return;
    minute->n += grown.n;
    minute->ns += grown.ns;
}

/* Times come in milliseconds. NaN: nothing was recorded. */
static struct grown read_point(const struct metric_sample *point, enum part part)
{
    switch (part) {
    case PART_CALLS:
    case PART_TIME_COUNT:
        return (struct grown){point->value, 0};
    case PART_TIME_SUM:
        return (struct grown){0, point->value * 1e6};
    default:
        return (struct grown){point->count, point->sum * 1e6};
    }
}

struct counting {
    enum part part;
    bool delta;           /* its points say what came since the one before */
    uint64_t new_from_ns; /* a series whose first point is later grew from 0 */
};

/* What the points that were read last say. */
static void count_points(struct mesh_reading *reading, const struct counting *counting,
                         struct mesh_series *series)
{
    struct grown before = {0, 0};
    bool first = true;
    for (uint32_t i = 0; i < reading->points.n_points; i++) {
        const struct metric_sample *point = &reading->points.points[i];
        struct grown now = read_point(point, counting->part), more = now;
        /* The series rests, and goes on from where it was. */
        if (isnan(now.n) || isnan(now.ns))
            continue;
        bool again = now.n < before.n || now.ns < before.ns;
        bool unknown = first && !counting->delta && point->at_ns < counting->new_from_ns;
        if (!counting->delta && !again)
            more = (struct grown){now.n - before.n, now.ns - before.ns};
        if (!unknown)
            add_growth(reading, series, point->at_ns, more);
        before = now;
        first = false;
    }
}

/* ---- series ---- */

static void add_series(struct mesh_reading *reading, const struct mesh_series *series)
{
    struct mesh_series_list *list = reading->list;
    if (arena_room(reading->arena, (void **)&list->items, list->n, &list->cap,
                   sizeof(*list->items)))
        list->items[list->n++] = *series;
    else
        reading->memory_short = true;
}

/* Columns: id, attributes, temporality, the sender's first point. */
static void take_series(struct mesh_reading *reading, enum part part, sqlite3_stmt *row)
{
    struct str labels[N_LABELS] = {{0}};
    struct counting counting = {.part = part,
                                .delta = sqlite3_column_int(row, 2) == TEMPORALITY_DELTA,
                                .new_from_ns =
                                    (uint64_t)sqlite3_column_int64(row, 3) + POINTS_NEW_AFTER_NS};
    read_labels(reading, column_str(row, 1), labels);
    struct mesh_series series = {.caller = end_of(reading, labels, 0),
                                 .callee = end_of(reading, labels, LABEL_OTHER_END - LABEL_SERVICE),
                                 .times = part != PART_CALLS,
                                 .failed = is_failed(labels),
                                 .by_caller = str_eq(labels[LABEL_REPORTER], STR("source"))};
    if (!series.callee.service.len)
        return;
    if (series.failed && !series.times)
        series.reason = reason_of(reading, labels);
    points_read(&reading->points, sqlite3_column_int64(row, 0));
    count_points(reading, &counting, &series);
    if (series.n)
        add_series(reading, &series);
}

/* When the senders of this name sent first, each by its resource, in the time that is read. */
static const char series_sql[] =
    "WITH s AS MATERIALIZED (SELECT id, attributes, temporality, resource, (SELECT min(p.at_ns) "
    "FROM metric_generation g CROSS JOIN metric_point_row p ON p.generation = g.id WHERE "
    "p.series = m.id AND p.at_ns >= ?2 AND p.at_ns <= ?3) AS first_ns "
    "FROM metric_series_row m WHERE name = ?1 AND NOT overflow) "
    "SELECT id, attributes, temporality, min(first_ns) OVER (PARTITION BY resource) FROM s "
    "WHERE first_ns IS NOT NULL";

static int take_name(struct mesh_reading *reading, const char *name, enum part part,
                     struct err *err)
{
    sqlite3_stmt *rows;
    int code = SQLITE_DONE;
    uint64_t from_ns = reading->window.from_ns;
    if (query_begin(reading->query, series_sql, &rows, err))
        return err->code;
    sqlite3_bind_text(rows, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(rows, 2,
                       (int64_t)(from_ns > POINTS_BEFORE_NS ? from_ns - POINTS_BEFORE_NS : 0));
    sqlite3_bind_int64(rows, 3, (int64_t)reading->window.to_ns);
    while (!reading->memory_short && reading->list->n < MOST_SERIES &&
           !points_are_over(&reading->points) && (code = sqlite3_step(rows)) == SQLITE_ROW)
        take_series(reading, part, rows);
    return query_end(reading->query, rows, code, err);
}

int query_mesh_series(struct query *query, struct window window, struct arena *arena,
                      struct mesh_series_list *list, struct err *err)
{
    static const struct {
        const char *name;
        enum part part;
    } names[] = {{"istio_requests_total", PART_CALLS},
                 {"istio_requests", PART_CALLS},
                 {"istio_request_duration_milliseconds", PART_TIMES},
                 {"istio_request_duration_milliseconds_sum", PART_TIME_SUM},
                 {"istio_request_duration_milliseconds_count", PART_TIME_COUNT}};
    struct mesh_reading reading = {.query = query,
                                   .window = window,
                                   .arena = arena,
                                   .list = list,
                                   .points = {.query = query, .max = MOST_POINTS}};
    *list = (struct mesh_series_list){0};
    /* What came until its end is told by a point at its end. */
    points_begin(&reading.points, window.from_ns, window.to_ns, err);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !err->code; i++)
        take_name(&reading, names[i].name, names[i].part, err);
    list->cut = list->n >= MOST_SERIES || reading.points.n >= MOST_POINTS;
    if (!err->code && reading.memory_short)
        err_set(err, ERR_BUSY, "memory is short for the series of this window");
    points_end(&reading.points, err);
    return err->code;
}

#define CALLS_NAMES "('istio_requests_total', 'istio_requests')"

bool query_has_mesh_series(struct query *query)
{
    struct err err = {0};
    sqlite3_stmt *select;
    if (query_begin(query, "SELECT 1 FROM metric_series_row WHERE name IN " CALLS_NAMES " LIMIT 1",
                    &select, &err))
        return false;
    int code = sqlite3_step(select);
    query_end(query, select, code, &err);
    return code == SQLITE_ROW;
}

bool query_mesh_series_times(struct query *query, struct window *window)
{
    struct err err = {0};
    sqlite3_stmt *select;
    if (query_begin(query,
                    "SELECT min(p.at_ns), max(p.at_ns) FROM metric_series_row m "
                    "CROSS JOIN metric_generation g CROSS JOIN metric_point_row p "
                    "ON p.generation = g.id AND p.series = m.id WHERE m.name IN " CALLS_NAMES,
                    &select, &err))
        return false;
    int code = sqlite3_step(select);
    bool some = code == SQLITE_ROW && sqlite3_column_type(select, 0) != SQLITE_NULL;
    *window = (struct window){(uint64_t)sqlite3_column_int64(select, 0),
                              (uint64_t)sqlite3_column_int64(select, 1)};
    return query_end(query, select, code, &err) == 0 && some;
}
