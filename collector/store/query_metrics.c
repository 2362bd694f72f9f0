/* query_metrics.c - the stored points of what may be the cause of somebody's trouble.
 *
 * Metrics whose names are no causes are passed over by their name, once each; of the others the
 * series are looked at that speak of one of the services. Where no requests tell of anybody, so are
 * those of what services do for others, and whoever they speak of is a service.
 */
#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/base/map.h"
#include "collector/model/store_name.h"
#include "collector/store/metric_claims.h"
#include "collector/store/query_points.h"
#include "collector/store/statements.h"

#define MOST_SERIES 2000u   /* for one answer */
#define MOST_POINTS 400000u /* of all of them */
/* … where they are all that is known. */
#define MOST_SERIES_OF_ALL 20000u
#define MOST_POINTS_OF_ALL 2000000u

struct metrics_reading {
    struct query *query;
    const struct metric_question *question;
    struct arena *arena;
    struct metric_samples_list *list;
    struct points_reading points;
    struct map services; /* of the list, by name */
    bool by_metric;      /* a service is who begins the metric's name */
    bool memory_short;   /* for what is made of them */
};

/* ---- series ---- */

/* With the points that were read last. */
static void add_series(struct metrics_reading *reading, const struct metric_samples *series)
{
    struct metric_samples_list *list = reading->list;
    const struct points_reading *read = &reading->points;
    struct metric_sample *points = arena_alloc(reading->arena, read->n_points * sizeof(*points));
    reading->memory_short = !points || !arena_room(reading->arena, (void **)&list->items, list->n,
                                                   &list->cap, sizeof(*list->items));
    if (reading->memory_short)
        return;
    memcpy(points, read->points, read->n_points * sizeof(*points));
    struct metric_samples *added = &list->items[list->n++];
    *added = *series;
    added->points = points;
    added->n = read->n_points;
}

/* The place of the service in the list; made when new. */
static uint32_t service_of(struct metrics_reading *reading, struct metric_service service)
{
    struct metric_samples_list *list = reading->list;
    uint64_t hash = hash_str(service.service);
    for (struct map_iter it = map_find(&reading->services, hash);
         map_next(&reading->services, &it);) {
        struct metric_service *known = &list->services[it.value];
        bool other = known->namespace.len && service.namespace.len &&
                     !str_eq(known->namespace, service.namespace);
        if (other || !str_eq(known->service, service.service))
            continue;
        if (!known->namespace.len) /* some senders say it, and some do not */
            known->namespace = arena_dup(reading->arena, service.namespace);
        return it.value;
    }
    reading->memory_short = !arena_room(reading->arena, (void **)&list->services, list->n_services,
                                        &list->cap_services, sizeof(*list->services)) ||
                            !map_add(&reading->services, hash, list->n_services);
    if (reading->memory_short)
        return 0;
    list->services[list->n_services] =
        (struct metric_service){.namespace = arena_dup(reading->arena, service.namespace),
                                .service = arena_dup(reading->arena, service.service)};
    return list->n_services++;
}

/* Whoever sends spans speaks for himself. */
static bool sends_spans(struct metrics_reading *reading, struct str service)
{
    struct err err = {0};
    sqlite3_stmt *select;
    if (query_begin(reading->query,
                    "SELECT 1 FROM service WHERE service = ?1 AND role IN ('workload', 'sidecar', "
                    "'gateway', 'waypoint') LIMIT 1",
                    &select, &err))
        return true;
    statement_bind_text(select, 1, service);
    int code = sqlite3_step(select);
    query_end(reading->query, select, code, &err);
    return code != SQLITE_DONE;
}

/* Is it of what the first may keep its data in? */
static bool find_store(struct metrics_reading *reading, const struct claims claims[2],
                       struct metric_samples *series)
{
    const struct metric_subject *first = &reading->question->subjects[0];
    struct metric_service service = claims_service(claims);
    uint32_t known = reading->list->n_services, at;
    if (!store_may_be_of(service.service, first->service))
        return false;
    at = service_of(reading, service);
    if (reading->memory_short)
        return false;
    if (reading->list->n_services > known)
        reading->list->services[at].tells_requests = sends_spans(reading, service.service);
    series->service = reading->question->n_subjects + at;
    return !reading->list->services[at].tells_requests;
}

/* Whom the series speaks of; false: nobody who was asked for. */
static bool find_service(struct metrics_reading *reading, const struct claims claims[2],
                         struct metric_samples *series)
{
    uint32_t n = reading->question->n_subjects;
    if (!reading->question->everybody) {
        while (series->service < n &&
               !claims_speak_of(claims, &reading->question->subjects[series->service]))
            series->service++;
        if (series->service < n || !reading->question->stores || n == 0)
            return series->service < n;
        return find_store(reading, claims, series);
    }
    struct metric_service service = claims_service(claims);
    if (reading->by_metric)
        service.service = metric_service_of(series->name);
    if (service.service.len)
        series->service = service_of(reading, service);
    return service.service.len && !reading->memory_short;
}

/* Columns: id, type, unit, temporality, monotonic, attributes, resource's number, resource. */
static void take_series(struct metrics_reading *reading, const struct metric_samples *named,
                        sqlite3_stmt *row)
{
    struct claims claims[2] = {{.idle = false}, {.idle = false}};
    claims_read(reading->arena, column_str(row, 7), &claims[0]);
    claims_read(reading->arena, column_str(row, 5), &claims[1]);
    struct metric_samples series = *named;
    series.type = (uint8_t)sqlite3_column_int(row, 1);
    series.temporality = (uint8_t)sqlite3_column_int(row, 3);
    series.monotonic = sqlite3_column_int(row, 4) != 0;
    series.sender = sqlite3_column_int64(row, 6);
    series.failed = claims[1].failed;
    if (claims[0].idle || claims[1].idle || !find_service(reading, claims, &series))
        return;
    series.unit = arena_dup(reading->arena, column_str(row, 2));
    series.instance = arena_dup(reading->arena, claims_instance(claims));
    points_read(&reading->points, sqlite3_column_int64(row, 0));
    if (reading->points.n_points)
        add_series(reading, &series);
}

/* A counter whose sender had no reason to send it before. Told by the sender's other series. */
static bool find_new(struct metric_samples_list *list)
{
    struct map first; /* series of each sender that began first */
    bool good = true;
    map_init(&first);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < list->n && good; i++) {
            struct metric_samples *series = &list->items[i];
            uint64_t hash = hash_u64((uint64_t)series->sender), at_ns = series->points[0].at_ns;
            struct map_iter it = map_find(&first, hash);
            const struct metric_samples *other = NULL;
            while (!other && map_next(&first, &it))
                other =
                    list->items[it.value].sender == series->sender ? &list->items[it.value] : NULL;
            if (pass == 1)
                series->grew_from_0 = other && other->points[0].at_ns + POINTS_NEW_AFTER_NS < at_ns;
            else if (!other || at_ns < other->points[0].at_ns)
                good = (!other || map_remove(&first, hash, it.value)) && map_add(&first, hash, i);
        }
    }
    map_fini(&first);
    return good;
}

static uint32_t most_series(const struct metric_question *question)
{
    return question->alone ? MOST_SERIES_OF_ALL : MOST_SERIES;
}

static bool is_over(const struct metrics_reading *reading)
{
    return reading->list->n >= most_series(reading->question) || reading->memory_short ||
           points_are_over(&reading->points);
}

static int take_name(struct metrics_reading *reading, const struct metric_samples *named,
                     struct err *err)
{
    sqlite3_stmt *rows;
    int code = SQLITE_DONE;
    if (query_begin(reading->query,
                    "SELECT s.id, s.type, s.unit, s.temporality, s.monotonic, s.attributes, "
                    "s.resource, coalesce(r.json, '') FROM metric_series_row s "
                    "LEFT JOIN metric_resource r ON r.id = s.resource "
                    "WHERE s.name = ?1 AND NOT s.overflow",
                    &rows, err))
        return err->code;
    statement_bind_text(rows, 1, named->name);
    while (!is_over(reading) && (code = sqlite3_step(rows)) == SQLITE_ROW)
        take_series(reading, named, rows);
    return query_end(reading->query, rows, code, err);
}

/* What the name says. */
static void read_name(const struct metrics_reading *reading, struct metric_samples *named)
{
    struct str what = named->name;
    if (reading->by_metric)
        what = str_skip(what, metric_service_of(what).len);
    named->cause = metric_cause_of(what);
    named->falls = metric_falls(what);
    if (reading->question->everybody)
        named->measure = metric_measure_of(what);
}

static int read_all(struct metrics_reading *reading, struct err *err)
{
    struct str name = STR("");
    sqlite3_stmt *next;
    /* From name to name by the index, whose first column it is. */
    if (query_begin(reading->query,
                    "SELECT name FROM metric_series_row WHERE name > ?1 ORDER BY name LIMIT 1",
                    &next, err))
        return err->code;
    int code;
    for (;;) {
        statement_bind_text(next, 1, name);
        code = sqlite3_step(next);
        if (code != SQLITE_ROW || is_over(reading))
            break;
        name = arena_dup(reading->arena, column_str(next, 0));
        sqlite3_reset(next);
        reading->memory_short = !name.p;
        struct metric_samples named = {.name = name};
        if (name.p)
            read_name(reading, &named);
        bool asked = named.cause != CAUSE_NONE || named.measure != MEASURE_NONE;
        if (asked && take_name(reading, &named, err))
            break;
    }
    return query_end(reading->query, next, code, err);
}

static int read_windows(struct metrics_reading *reading, struct err *err)
{
    const struct metric_question *question = reading->question;
    uint64_t first_ns = question->normal.from_ns < question->now.from_ns ? question->normal.from_ns
                                                                         : question->now.from_ns;
    *reading->list = (struct metric_samples_list){.normal_from_ns = question->normal.from_ns,
                                                  .normal_to_ns = question->normal.to_ns,
                                                  .from_ns = question->now.from_ns,
                                                  .to_ns = question->now.to_ns};
    reading->points = (struct points_reading){
        .query = reading->query, .max = question->alone ? MOST_POINTS_OF_ALL : MOST_POINTS};
    map_init(&reading->services);
    if (points_begin(&reading->points, first_ns, question->now.to_ns - 1, err) == 0)
        read_all(reading, err);
    reading->memory_short = reading->memory_short || !find_new(reading->list);
    reading->list->cut =
        reading->list->n >= most_series(question) || reading->points.n >= reading->points.max;
    if (!err->code && reading->memory_short)
        err_set(err, ERR_BUSY, "memory is short for the metrics of this window");
    points_end(&reading->points, err);
    map_fini(&reading->services);
    return err->code;
}

int query_metric_samples(struct query *query, const struct metric_question *question,
                         struct arena *arena, struct metric_samples_list *list, struct err *err)
{
    struct metrics_reading reading = {
        .query = query, .question = question, .arena = arena, .list = list};
    /* One sender of all that a table has in columns: SERVICE_WHAT. */
    if (read_windows(&reading, err) == 0 && question->everybody && list->n_services < 2) {
        reading.by_metric = true;
        read_windows(&reading, err);
    }
    return err->code;
}
