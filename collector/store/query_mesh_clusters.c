/* query_mesh_clusters.c - calls by Envoy's statistics of clusters: the cluster names the callee,
 * whoever keeps the statistics is the caller.
 *
 * They count only where Istio's series do not tell of the same calls. inbound|PORT|| is the way to
 * a proxy's own application: all calls to it, and nobody knows whose. They count where nobody tells
 * of calls to it, and all who are called tell of themselves.
 */
#include "collector/base/hash.h"
#include "collector/base/map.h"
#include "collector/store/metric_claims.h"
#include "collector/store/query_mesh_internal.h"

bool clusters_part(struct str name, struct cluster_stat_name *stat, enum part *part)
{
    static const enum part parts[] = {[CLUSTER_CALLS] = PART_CALLS,
                                      [CLUSTER_TIMES] = PART_TIMES,
                                      [CLUSTER_TIME_SUM] = PART_TIME_SUM,
                                      [CLUSTER_TIME_COUNT] = PART_TIME_COUNT};
    if (!cluster_stat_read(name, stat) || stat->stat == CLUSTER_RETRIES ||
        stat->stat == CLUSTER_TIME_BUCKET)
        return false;
    *part = parts[stat->stat];
    return true;
}

/* ---- who ---- */

static void keep_texts(struct arena *arena, struct node_text *node)
{
    *node = (struct node_text){arena_dup(arena, node->cluster), arena_dup(arena, node->namespace),
                               arena_dup(arena, node->service), arena_dup(arena, node->version),
                               node->service.len ? STR("workload") : STR("user")};
}

/* Who was scraped or sent it: by the labels of its pod, else by the resource. Service '' where
 * neither says. */
static struct node_text keeper(struct mesh_reading *reading, const struct str *labels,
                               struct str resource)
{
    struct claims claims[2] = {{.idle = false}, {.idle = false}};
    claims_read(reading->arena, resource, &claims[0]);
    if (str_starts(claims[0].names[0], STR("unknown_service")))
        claims[0].names[0] = STR_NONE;
    struct metric_service sender = claims_service(claims);
    struct str namespace = cluster_label_known(labels, CLUSTER_NAMESPACE, CLUSTER_VERSION);
    struct str version = cluster_label_known(labels, CLUSTER_VERSION, N_CLUSTER_LABELS);
    struct str service = cluster_label_known(labels, CLUSTER_SERVICE, CLUSTER_NAMESPACE);
    struct node_text node = {.namespace = namespace.len ? namespace : sender.namespace,
                             .service = service.len ? service : sender.service,
                             .version = version.len ? version : claims[0].version};
    keep_texts(reading->arena, &node);
    return node;
}

/* False for a cluster that is no callee. */
static bool read_cluster(struct mesh_reading *reading, struct str name, struct cluster_calls *calls)
{
    struct str direction = STR_NONE, subset = STR_NONE, host = name, service, namespace = STR_NONE;
    if (cluster_is_special(name) || cluster_is_machinery(name))
        return false;
    calls->bare = !cluster_cut(name, &direction, &subset, &host);
    calls->inbound = str_eq(direction, STR("inbound"));
    if (!cluster_host_cut(host, &service, &namespace))
        service = host;
    calls->series.callee =
        (struct node_text){.namespace = namespace,
                           .service = service,
                           .version = str_starts(direction, STR("outbound")) ? subset : STR_NONE};
    keep_texts(reading->arena, &calls->series.callee);
    return calls->inbound || service.len > 0;
}

static void add_calls(struct mesh_reading *reading, const struct cluster_calls *calls)
{
    if (arena_room(reading->arena, (void **)&reading->clusters, reading->n_clusters,
                   &reading->cap_clusters, sizeof(*calls)))
        reading->clusters[reading->n_clusters++] = *calls;
    else
        reading->memory_short = true;
}

void clusters_take(struct mesh_reading *reading, const struct cluster_stat_name *stat,
                   enum part part, sqlite3_stmt *row)
{
    char text[CLUSTER_NAME_BYTES];
    struct str labels[N_CLUSTER_LABELS] = {{0}};
    mesh_series_labels(reading, row, cluster_label, N_CLUSTER_LABELS, labels);
    struct str name = cluster_whole_name(stat, labels[CLUSTER_NAME], text);
    struct str code = labels[CLUSTER_CODE];
    bool times = part != PART_CALLS;
    struct cluster_calls calls = {.series = {.times = times, .by_caller = true}};
    /* Without a code: the same calls by classes of codes. */
    if (!name.len || (!times && !code.len) || !read_cluster(reading, name, &calls))
        return;
    struct mesh_series *series = &calls.series;
    series->caller = keeper(reading, labels, column_str(row, SERIES_RESOURCE));
    series->of_cluster = true;
    series->failed = !times && mesh_status_failed(code);
    series->reason = series->failed ? arena_dup(reading->arena, code) : STR_NONE;
    calls.nameless = !series->caller.service.len;
    if (calls.inbound && calls.nameless)
        return;
    reading->nameless = calls.nameless;
    if (mesh_series_count(reading, part, row, series))
        add_calls(reading, &calls);
    reading->nameless = false;
}

/* ---- what counts ---- */

/* What is known of who calls, by the names of services. */
enum tie_kind { TIE_TELLS, TIE_PAIR, TIE_CALLED, TIE_NAMES_AS_ISTIO, TIE_HAS_PROXY };

struct tie {
    enum tie_kind kind;
    struct node_text ends[2];
};

/* All that is known of one service's names. */
struct whole {
    struct str service, namespace, version;
    bool namespaces, versions; /* there are several */
};

struct settling {
    struct mesh_reading *reading;
    struct map tie_map, whole_map;
    struct tie *ties;
    struct whole *wholes;
    uint32_t n_ties, cap_ties, n_wholes, cap_wholes;
};

static bool may_be(const struct node_text *a, const struct node_text *b)
{
    return str_eq(a->service, b->service) &&
           (!a->namespace.len || !b->namespace.len || str_eq(a->namespace, b->namespace));
}

static uint64_t tie_hash(enum tie_kind kind, const struct node_text *a, const struct node_text *b)
{
    return hash_mix(hash_mix(hash_str(a->service), hash_str(b->service)), kind);
}

static bool is_tied(const struct settling *settling, enum tie_kind kind, const struct node_text *a,
                    const struct node_text *b)
{
    for (struct map_iter it = map_find(&settling->tie_map, tie_hash(kind, a, b));
         map_next(&settling->tie_map, &it);) {
        const struct tie *tie = &settling->ties[it.value];
        if (tie->kind == kind && may_be(&tie->ends[0], a) && may_be(&tie->ends[1], b))
            return true;
    }
    return false;
}

static void tie(struct settling *settling, enum tie_kind kind, const struct node_text *a,
                const struct node_text *b)
{
    struct mesh_reading *reading = settling->reading;
    if (is_tied(settling, kind, a, b) || reading->memory_short)
        return;
    reading->memory_short = !arena_room(reading->arena, (void **)&settling->ties, settling->n_ties,
                                        &settling->cap_ties, sizeof(*settling->ties)) ||
                            !map_add(&settling->tie_map, tie_hash(kind, a, b), settling->n_ties);
    if (!reading->memory_short)
        settling->ties[settling->n_ties++] = (struct tie){kind, {*a, *b}};
}

static const struct node_text nobody;

/* ---- whole names ---- */

static struct whole *whole_of(struct settling *settling, struct str service)
{
    struct mesh_reading *reading = settling->reading;
    uint64_t hash = hash_str(service);
    for (struct map_iter it = map_find(&settling->whole_map, hash);
         map_next(&settling->whole_map, &it);) {
        if (str_eq(settling->wholes[it.value].service, service))
            return &settling->wholes[it.value];
    }
    if (!arena_room(reading->arena, (void **)&settling->wholes, settling->n_wholes,
                    &settling->cap_wholes, sizeof(*settling->wholes)) ||
        !map_add(&settling->whole_map, hash, settling->n_wholes)) {
        reading->memory_short = true;
        return NULL;
    }
    settling->wholes[settling->n_wholes] = (struct whole){.service = service};
    return &settling->wholes[settling->n_wholes++];
}

static void learn_part(struct str *known, bool *several, struct str part)
{
    *several = *several || (part.len && known->len && !str_eq(*known, part));
    *known = known->len ? *known : part;
}

static void learn(struct settling *settling, const struct node_text *node)
{
    struct whole *whole = node->service.len ? whole_of(settling, node->service) : NULL;
    if (!whole)
        return;
    learn_part(&whole->namespace, &whole->namespaces, node->namespace);
    learn_part(&whole->version, &whole->versions, node->version);
}

/* An unknown part is the only one that anybody knows (STITCHING §1). */
static void fill(struct settling *settling, struct node_text *node)
{
    struct whole *whole = node->service.len ? whole_of(settling, node->service) : NULL;
    if (!whole || whole->namespaces)
        return;
    node->namespace = whole->namespace;
    if (!node->version.len && !whole->versions)
        node->version = whole->version;
}

/* ---- all of it ---- */

static void learn_all(struct settling *settling)
{
    const struct mesh_reading *reading = settling->reading;
    for (uint32_t i = 0; i < reading->list->n; i++) {
        const struct mesh_series *series = &reading->list->items[i];
        if (series->by_caller)
            tie(settling, TIE_TELLS, &series->caller, &nobody);
        tie(settling, TIE_PAIR, &series->caller, &series->callee);
        tie(settling, TIE_CALLED, &nobody, &series->callee);
        learn(settling, &series->caller);
        learn(settling, &series->callee);
    }
    for (uint32_t i = 0; i < reading->n_clusters; i++) {
        const struct cluster_calls *calls = &reading->clusters[i];
        if (!calls->bare)
            tie(settling, TIE_NAMES_AS_ISTIO, &calls->series.caller, &nobody);
        if (calls->inbound)
            tie(settling, TIE_HAS_PROXY, &calls->series.caller, &nobody);
        learn(settling, &calls->series.caller);
        learn(settling, &calls->series.callee);
    }
}

/* A proxy that names clusters as Istio does has the others from its bootstrap: the mesh's own
 * machinery, whatever it is called. */
static bool counts(const struct settling *settling, const struct cluster_calls *calls)
{
    const struct node_text *caller = &calls->series.caller, *callee = &calls->series.callee;
    return !is_tied(settling, TIE_TELLS, caller, &nobody) &&
           !is_tied(settling, TIE_PAIR, caller, callee) &&
           !(calls->bare && is_tied(settling, TIE_NAMES_AS_ISTIO, caller, &nobody));
}

static void add_outbound(struct settling *settling, bool nameless)
{
    struct mesh_reading *reading = settling->reading;
    for (uint32_t i = 0; i < reading->n_clusters && !reading->memory_short; i++) {
        struct cluster_calls *calls = &reading->clusters[i];
        if (calls->inbound || calls->nameless != nameless || !counts(settling, calls))
            continue;
        fill(settling, &calls->series.caller);
        fill(settling, &calls->series.callee);
        mesh_series_add(reading, &calls->series);
        tie(settling, TIE_CALLED, &nobody, &calls->series.callee);
    }
}

/* Has everybody called a proxy that tells of itself, by the same name? Else somebody may be called
 * by another. */
static bool all_have_proxies(const struct settling *settling)
{
    const struct mesh_series_list *list = settling->reading->list;
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->items[i].of_cluster &&
            !is_tied(settling, TIE_HAS_PROXY, &list->items[i].callee, &nobody))
            return false;
    }
    return true;
}

/* Who is called by nobody that is known: an entry without a gateway. */
static void add_inbound(struct settling *settling)
{
    struct mesh_reading *reading = settling->reading;
    for (uint32_t i = 0; i < reading->n_clusters && !reading->memory_short; i++) {
        struct cluster_calls *calls = &reading->clusters[i];
        if (!calls->inbound || is_tied(settling, TIE_CALLED, &nobody, &calls->series.caller))
            continue;
        fill(settling, &calls->series.caller);
        calls->series.callee = calls->series.caller;
        calls->series.caller = (struct node_text){.role = STR("user")};
        calls->series.by_caller = false;
        mesh_series_add(reading, &calls->series);
    }
}

bool clusters_settle(struct mesh_reading *reading)
{
    struct settling settling = {.reading = reading};
    if (!reading->n_clusters)
        return true;
    map_init(&settling.tie_map);
    map_init(&settling.whole_map);
    learn_all(&settling);
    add_outbound(&settling, false);
    if (all_have_proxies(&settling))
        add_inbound(&settling);
    /* Where nobody says who calls, what is known of the callees is all. */
    if (!reading->list->n) {
        add_outbound(&settling, true);
        reading->list->nameless = reading->list->n > 0;
    }
    map_fini(&settling.tie_map);
    map_fini(&settling.whole_map);
    return !reading->memory_short;
}
