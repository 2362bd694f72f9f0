/* query_metrics.c - the stored points of what may be the cause of somebody's trouble.
 *
 * Metrics whose names are no causes are passed over by their name, once each; of the others the
 * series are looked at that speak of one of the services. Whom a series speaks of: the callee of an
 * Envoy's cluster, else who is named by its resource or its attributes.
 */
#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "collector/store/query_points.h"
#include "collector/store/statements.h"

#define MOST_SERIES 2000u   /* for one answer */
#define MOST_POINTS 400000u /* of all of them */

struct metrics_reading {
    struct query *query;
    const struct metric_question *question;
    struct arena *arena;
    struct metric_samples_list *list;
    struct points_reading points;
    bool memory_short; /* for what is made of them */
};

/* ---- whom a series speaks of ---- */

/* Texts of one JSON object that say who somebody is. */
struct claims {
    struct str names[8]; /* what bears the service's name, by what is surest */
    struct str pod, namespace, version, instance, cluster_name;
    bool idle; /* time or space that nobody uses */
};

static const char *const name_keys[] = {
    "service.name", "k8s.deployment.name", "service_name", "deployment",
    "workload",     "k8s.container.name",  "container",    "app"};

static void claim(struct claims *claims, struct str key, struct str text)
{
    for (size_t i = 0; i < sizeof(name_keys) / sizeof(name_keys[0]); i++) {
        if (str_eq(key, str_of(name_keys[i])))
            claims->names[i] = text;
    }
    if (str_eq(key, STR("pod")) || str_eq(key, STR("k8s.pod.name")) || str_eq(key, STR("pod_name")))
        claims->pod = text;
    if (str_eq(key, STR("namespace")) || str_eq(key, STR("service.namespace")) ||
        (str_eq(key, STR("k8s.namespace.name")) && !claims->namespace.len))
        claims->namespace = text;
    if (str_eq(key, STR("service.version")))
        claims->version = text;
    if (str_eq(key, STR("service.instance.id")) || str_eq(key, STR("instance")))
        claims->instance = text;
    if (str_eq(key, STR("cluster_name")) || str_eq(key, STR("envoy.cluster_name")) ||
        str_eq(key, STR("envoy_cluster_name")))
        claims->cluster_name = text;
    claims->idle = claims->idle || str_eq(text, STR("idle")) || str_eq(text, STR("free"));
}

static void read_claims(struct metrics_reading *reading, struct str text, struct claims *claims)
{
    struct json json;
    struct json_text key, value;
    json_init(&json, text);
    if (!json_open_object(&json))
        return;
    while (json_next_key(&json, &key)) {
        if (json_peek(&json) != JSON_STRING) {
            json_skip(&json, NULL);
            continue;
        }
        if (json_string(&json, &value))
            claim(claims, key.raw,
                  value.escaped ? json_unescape(reading->arena, value) : value.raw);
    }
}

/* The callee of outbound|PORT|SUBSET|HOST; '' for another cluster's name. */
static struct str callee_of_cluster(struct str name)
{
    struct str part, rest = name;
    if (!str_starts(name, STR("outbound|")))
        return STR_NONE;
    while (str_cut(rest, '|', &part, &rest))
        ;
    str_cut(part, '.', &part, &rest);
    return part;
}

/* What Kubernetes puts behind a workload's name: a number, or letters that make no words. */
static bool is_pod_part(struct str part)
{
    bool digits = part.len > 0;
    for (size_t i = 0; i < part.len; i++) {
        char c = part.p[i];
        digits = digits && c >= '0' && c <= '9';
        bool safe = (c >= '0' && c <= '9') || (c && strchr("bcdfghjklmnpqrstvwxz", c));
        if (!safe)
            return false;
    }
    return digits || part.len >= 5;
}

static bool is_pod_of(struct str pod, struct str service)
{
    struct str part, rest = str_skip(pod, service.len + 1);
    if (!str_starts(pod, service) || pod.len <= service.len + 1 || pod.p[service.len] != '-')
        return false;
    bool more = str_cut(rest, '-', &part, &rest);
    return is_pod_part(part) && (!more || is_pod_part(rest));
}

static bool is_named(struct str name, const struct metric_subject *subject)
{
    size_t n = subject->service.len;
    if (str_eq(name, subject->service))
        return true;
    /* service.namespace, as Istio names its proxies */
    return subject->namespace.len && name.len == n + 1 + subject->namespace.len &&
           str_starts(name, subject->service) && name.p[n] == '.' &&
           str_ends(name, subject->namespace);
}

static bool differ(struct str a, struct str b)
{
    return a.len && b.len && !str_eq(a, b);
}

static bool is_other_instance(const struct claims *claims, const struct metric_subject *subject)
{
    bool says = claims->pod.len || claims->instance.len;
    return subject->instance.len && says && !str_eq(claims->pod, subject->instance) &&
           !str_eq(claims->instance, subject->instance);
}

static bool speaks_of(const struct claims *claims, const struct metric_subject *subject)
{
    struct str callee = callee_of_cluster(claims->cluster_name);
    if (callee.len)
        return str_eq(callee, subject->service);
    if (differ(claims->namespace, subject->namespace) ||
        differ(claims->version, subject->version) || is_other_instance(claims, subject))
        return false;
    for (size_t i = 0; i < sizeof(name_keys) / sizeof(name_keys[0]); i++) {
        if (is_named(claims->names[i], subject))
            return true;
    }
    return is_pod_of(claims->pod, subject->service);
}

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

/* Columns: id, type, unit, temporality, monotonic, attributes, resource's number, resource. */
static void take_series(struct metrics_reading *reading, struct str name, enum metric_cause cause,
                        sqlite3_stmt *row)
{
    struct claims claims = {.idle = false};
    read_claims(reading, column_str(row, 7), &claims);
    read_claims(reading, column_str(row, 5), &claims);
    struct metric_samples series = {.name = name,
                                    .type = (uint8_t)sqlite3_column_int(row, 1),
                                    .temporality = (uint8_t)sqlite3_column_int(row, 3),
                                    .monotonic = sqlite3_column_int(row, 4) != 0,
                                    .sender = sqlite3_column_int64(row, 6),
                                    .cause = cause,
                                    .falls = metric_falls(name)};
    uint32_t n = reading->question->n_subjects;
    while (series.service < n && !speaks_of(&claims, &reading->question->subjects[series.service]))
        series.service++;
    if (series.service == n || claims.idle)
        return;
    series.unit = arena_dup(reading->arena, column_str(row, 2));
    series.instance = arena_dup(reading->arena, claims.pod.len ? claims.pod : claims.instance);
    points_read(&reading->points, sqlite3_column_int64(row, 0));
    if (reading->points.n_points)
        add_series(reading, &series);
}

/* A counter whose sender had no reason to send it before. Told by the sender's other series. */
static void find_new(struct metric_samples_list *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        struct metric_samples *series = &list->items[i];
        uint64_t first_ns = series->points[0].at_ns;
        for (uint32_t k = 0; k < list->n && !series->grew_from_0; k++)
            series->grew_from_0 = list->items[k].sender == series->sender &&
                                  list->items[k].points[0].at_ns + POINTS_NEW_AFTER_NS < first_ns;
    }
}

static bool is_over(const struct metrics_reading *reading)
{
    return reading->list->n >= MOST_SERIES || reading->memory_short ||
           points_are_over(&reading->points);
}

static int take_name(struct metrics_reading *reading, struct str name, enum metric_cause cause,
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
    statement_bind_text(rows, 1, name);
    while (!is_over(reading) && (code = sqlite3_step(rows)) == SQLITE_ROW)
        take_series(reading, name, cause, rows);
    return query_end(reading->query, rows, code, err);
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
        enum metric_cause cause = name.p ? metric_cause_of(name) : CAUSE_NONE;
        if (cause != CAUSE_NONE && take_name(reading, name, cause, err))
            break;
    }
    return query_end(reading->query, next, code, err);
}

int query_metric_samples(struct query *query, const struct metric_question *question,
                         struct arena *arena, struct metric_samples_list *list, struct err *err)
{
    struct metrics_reading reading = {.query = query,
                                      .question = question,
                                      .arena = arena,
                                      .list = list,
                                      .points = {.query = query, .max = MOST_POINTS}};
    *list = (struct metric_samples_list){.normal_from_ns = question->normal.from_ns,
                                         .normal_to_ns = question->normal.to_ns,
                                         .from_ns = question->now.from_ns,
                                         .to_ns = question->now.to_ns};
    uint64_t first_ns = question->normal.from_ns < question->now.from_ns ? question->normal.from_ns
                                                                         : question->now.from_ns;
    if (points_begin(&reading.points, first_ns, question->now.to_ns - 1, err) == 0)
        read_all(&reading, err);
    find_new(list);
    list->cut = list->n >= MOST_SERIES || reading.points.n >= MOST_POINTS;
    if (!err->code && reading.memory_short)
        err_set(err, ERR_BUSY, "memory is short for the metrics of this window");
    points_end(&reading.points, err);
    return err->code;
}
