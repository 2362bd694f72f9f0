/* series.c - counters of proxies, as Prometheus scraped them or Envoy's own sink sent them: which
 * edge they tell of (formats: Envoy and Istio, standard metrics and stats transports).
 *
 * Istio's name both ends; who is unknown to it is named by the host that was asked for, or is
 * `user` where it called. Envoy's statistics of clusters name the callee; their caller is who was
 * scraped, or who sent them: a sink that names nobody tells of no edge.
 */
#include "collector/stitch/series.h"

#include <math.h>

#include "collector/base/clock.h"
#include "collector/model/cluster_stat.h"
#include "collector/stitch/work.h"

/* What the caller's proxy answered itself. */
#define UNREACHED_FLAGS                                                                            \
    (FLAG_BIT(FLAG_UH) | FLAG_BIT(FLAG_UF) | FLAG_BIT(FLAG_UO) | FLAG_BIT(FLAG_NR) |               \
     FLAG_BIT(FLAG_NC) | FLAG_BIT(FLAG_FI) | FLAG_BIT(FLAG_RL) | FLAG_BIT(FLAG_RLSE) |             \
     FLAG_BIT(FLAG_UAEX) | FLAG_BIT(FLAG_IH) | FLAG_BIT(FLAG_DPE) | FLAG_BIT(FLAG_RFCF) |          \
     FLAG_BIT(FLAG_NFCF) | FLAG_BIT(FLAG_OM) | FLAG_BIT(FLAG_DF) | FLAG_BIT(FLAG_DO))
#define TIMEOUT_FLAGS (FLAG_BIT(FLAG_UT) | FLAG_BIT(FLAG_UMSDR) | FLAG_BIT(FLAG_DT))

/* ---- labels ---- */

static struct str label(const struct metric_point *point, struct str key)
{
    for (uint32_t i = 0; i < point->n_attrs; i++) {
        if (str_eq(point->attrs[i].key, key))
            return point->attrs[i].type == VALUE_TEXT ? point->attrs[i].text : STR_NONE;
    }
    return STR_NONE;
}

/* Istio writes `unknown` where it does not know, and `latest` for a revision. */
static struct str known(const struct metric_point *point, struct str key)
{
    struct str text = label(point, key);
    return str_eq(text, STR("unknown")) || str_eq(text, STR("latest")) ? STR_NONE : text;
}

static struct str first_known(const struct metric_point *point, const struct str *keys)
{
    struct str text = STR_NONE;
    for (; keys->len && !text.len; keys++)
        text = known(point, *keys);
    return text;
}
#define FIRST(point, ...) first_known(point, (const struct str[]){__VA_ARGS__, STR_NONE})

/* ---- ends ---- */

/* A deployment is often named after its version: reviews-v1. */
static struct str without_version(struct str workload, struct str version)
{
    size_t n = version.len + 1;
    bool named = version.len && workload.len > n && str_ends(workload, version) &&
                 workload.p[workload.len - n] == '-';
    return named ? (struct str){workload.p, workload.len - n} : workload;
}

static void name_node(struct stitch *stitch, struct node *node)
{
    const struct knowledge *knowledge = stitch->knowledge;
    if (knowledge->n_alias)
        node->service = names_add(
            stitch->names, knowledge_alias(knowledge, names_text(stitch->names, node->service)));
    bool gateway =
        is_gateway(stitch, node) ||
        (knowledge->proxy_kind && knowledge->proxy_kind(knowledge, node) == PROXY_GATEWAY);
    if (node->role == ROLE_WORKLOAD && gateway)
        node->role = ROLE_GATEWAY;
}

/* The labels of one side: source_… or destination_… */
struct side_labels {
    struct str canonical_service, app, workload, canonical_revision, version, namespace, cluster;
};

static const struct side_labels sides[2] = {
    {STR("source_canonical_service"), STR("source_app"), STR("source_workload"),
     STR("source_canonical_revision"), STR("source_version"), STR("source_workload_namespace"),
     STR("source_cluster")},
    {STR("destination_canonical_service"), STR("destination_app"), STR("destination_workload"),
     STR("destination_canonical_revision"), STR("destination_version"),
     STR("destination_workload_namespace"), STR("destination_cluster")}};

/* False when Istio does not know who it is. */
static bool istio_end(struct stitch *stitch, const struct metric_point *point, int side,
                      struct node *node)
{
    const struct side_labels *labels = &sides[side];
    struct str version = FIRST(point, labels->canonical_revision, labels->version);
    struct str service = FIRST(point, labels->canonical_service, labels->app);
    if (!service.len)
        service = without_version(known(point, labels->workload), version);
    if (!service.len)
        return false;
    *node = (struct node){.service = names_add(stitch->names, service),
                          .namespace = names_add(stitch->names, known(point, labels->namespace)),
                          .cluster = names_add(stitch->names, known(point, labels->cluster)),
                          .version = names_add(stitch->names, version),
                          .role = ROLE_WORKLOAD};
    name_node(stitch, node);
    return true;
}

/* By the host that was asked for. False when that is unknown too. */
static bool istio_asked(struct stitch *stitch, const struct metric_point *point, struct node *node)
{
    struct str host = known(point, STR("destination_service")), port;
    struct str name = known(point, STR("destination_service_name"));
    bool special = str_contains(name, STR("PassthroughCluster")) ||
                   str_contains(name, STR("BlackHoleCluster"));
    if (!host.len && special)
        return false;
    struct str asked = host.len ? host : name;
    if (!asked.len || asked.p[0] == ':')
        return false;
    if (str_cut(asked, ':', &host, &port) && str_find(port, ':') < 0)
        asked = host;
    *node = (struct node){.role = ROLE_WORKLOAD};
    peer_name_host(stitch, names_add(stitch->names, asked), node);
    struct str namespace = known(point, STR("destination_service_namespace"));
    if (node->role == ROLE_WORKLOAD && !node->namespace && !special)
        node->namespace = names_add(stitch->names, namespace);
    name_node(stitch, node);
    return true;
}

static void join(struct stitch *stitch, const struct node *caller, const struct node *callee,
                 struct told_edge *edge)
{
    edge->caller = nodes_add(stitch->nodes, caller);
    edge->callee = nodes_add(stitch->nodes, callee);
    edge->crossing = crossing_between(caller, callee);
}

/* ---- outcomes ---- */

static int16_t code_of(struct str text)
{
    uint64_t code;
    return text.len && str_to_u64(text, &code) && code < 1000 ? (int16_t)code : CODE_NONE;
}

static uint8_t security_of(struct str policy)
{
    if (str_eq(policy, STR("mutual_tls")))
        return SECURITY_MTLS;
    return str_eq(policy, STR("none")) ? SECURITY_PLAINTEXT : SECURITY_UNKNOWN;
}

static bool bucket_of(const struct metric_point *point, struct told_edge *edge)
{
    struct str bound = label(point, STR("le"));
    double upper;
    if (edge->measure != SERIES_DURATION_BUCKET)
        return true;
    bool without = str_eq(bound, STR("+Inf"));
    if (!without && !str_to_double(bound, &upper))
        return false;
    edge->ns = without ? INFINITY : upper * (double)NS_PER_MS;
    return true;
}

/* ---- Istio ---- */

static bool istio_measure(struct str name, struct told_edge *edge)
{
    if (str_eq(name, STR("istio_requests_total")))
        edge->measure = SERIES_CALLS;
    else if (str_eq(name, STR("istio_request_duration_milliseconds")))
        edge->measure = SERIES_DURATIONS;
    else if (str_eq(name, STR("istio_request_duration_milliseconds_bucket")))
        edge->measure = SERIES_DURATION_BUCKET;
    else if (str_eq(name, STR("istio_request_duration_milliseconds_sum")))
        edge->measure = SERIES_DURATION_SUM;
    else
        return false;
    edge->ns = (double)NS_PER_MS;
    return true;
}

static bool istio_series(struct stitch *stitch, const struct metric_point *point,
                         struct told_edge *edge)
{
    struct str reporter = label(point, STR("reporter"));
    struct node caller, callee;
    if (!istio_measure(point->metric->name, edge) || !bucket_of(point, edge))
        return false;
    bool source = str_eq(reporter, STR("source"));
    if (!source && !str_eq(reporter, STR("destination")) && !str_eq(reporter, STR("waypoint")))
        return false;
    edge->teller = source ? TELLER_CALLER : TELLER_CALLEE;
    if (!istio_end(stitch, point, 1, &callee)) {
        if (!istio_asked(stitch, point, &callee))
            return false;
        edge->connection_type = CONNECTION_VIRTUAL;
    }
    if (!istio_end(stitch, point, 0, &caller)) {
        caller = (struct node){.service = names_add(stitch->names, STR("user")), .role = ROLE_USER};
        edge->connection_type = CONNECTION_VIRTUAL;
    }
    join(stitch, &caller, &callee, edge);
    struct record record = {
        .http_status = code_of(label(point, STR("response_code"))),
        .grpc_status = code_of(label(point, STR("grpc_response_status"))),
        .flags = response_flags_parse(label(point, STR("response_flags"))),
    };
    edge->fault = outcome_fault(record_outcome(&record));
    edge->unreached = source && (record.flags & UNREACHED_FLAGS);
    edge->timeout = source && (record.flags & TIMEOUT_FLAGS);
    edge->security = security_of(label(point, STR("connection_security_policy")));
    edge->protocol = names_add(stitch->names, known(point, STR("request_protocol")));
    return true;
}

/* ---- Envoy ---- */

static bool envoy_measure(enum cluster_stat stat, struct told_edge *edge)
{
    static const uint8_t measures[] = {[CLUSTER_CALLS] = SERIES_CALLS,
                                       [CLUSTER_RETRIES] = SERIES_RETRIES,
                                       [CLUSTER_TIMES] = SERIES_DURATIONS,
                                       [CLUSTER_TIME_BUCKET] = SERIES_DURATION_BUCKET,
                                       [CLUSTER_TIME_SUM] = SERIES_DURATION_SUM};
    if (stat == CLUSTER_TIME_COUNT)
        return false; /* as many as the last bucket */
    edge->measure = measures[stat];
    edge->ns = (double)NS_PER_MS;
    return true;
}

static void read_labels(const struct metric_point *point, struct str labels[N_CLUSTER_LABELS])
{
    memset(labels, 0, N_CLUSTER_LABELS * sizeof(*labels));
    for (uint32_t i = 0; i < point->n_attrs; i++) {
        int label = cluster_label(point->attrs[i].key);
        if (label < N_CLUSTER_LABELS && point->attrs[i].type == VALUE_TEXT)
            labels[label] = point->attrs[i].text;
    }
}

static bool is_named(struct str service)
{
    return service.len > 0 && !str_starts(service, STR("unknown_service"));
}

/* Who was scraped or sent it: by the labels of its pod, else by the resource, of which Prometheus
 * knows the job alone. */
static bool scraped(struct stitch *stitch, const struct metric_point *point,
                    const struct str labels[N_CLUSTER_LABELS], struct node *node)
{
    const struct resource *resource = point->metric->resource;
    struct str service = cluster_label_known(labels, CLUSTER_SERVICE, CLUSTER_NAMESPACE);
    struct str namespace = cluster_label_known(labels, CLUSTER_NAMESPACE, CLUSTER_VERSION);
    struct str version = cluster_label_known(labels, CLUSTER_VERSION, N_CLUSTER_LABELS);
    service = service.len ? service : resource->service;
    namespace = namespace.len ? namespace : resource->namespace;
    version = version.len ? version : resource->version;
    *node = (struct node){.service = names_add(stitch->names, service),
                          .namespace = names_add(stitch->names, namespace),
                          .cluster = names_add(stitch->names, resource->cluster),
                          .version = names_add(stitch->names, version),
                          .role = ROLE_WORKLOAD};
    name_node(stitch, node);
    return is_named(service);
}

static bool cluster_node(struct stitch *stitch, struct str name, struct node *node)
{
    const struct upstream *upstream = upstream_parse(stitch, names_add(stitch->names, name));
    if (cluster_is_machinery(name) || upstream->special || !upstream->host ||
        upstream->direction == DIRECTION_INBOUND)
        return false;
    *node = (struct node){.service = upstream->service,
                          .namespace = upstream->namespace,
                          .version = upstream->subset,
                          .role = ROLE_WORKLOAD};
    if (!upstream->kubernetes)
        peer_name_host(stitch, upstream->host, node);
    name_node(stitch, node);
    return true;
}

static bool envoy_series(struct stitch *stitch, const struct metric_point *point,
                         const struct cluster_stat_name *name, struct told_edge *edge)
{
    char text[CLUSTER_NAME_BYTES];
    struct str labels[N_CLUSTER_LABELS];
    struct node caller, callee;
    if (!envoy_measure(name->stat, edge) || !bucket_of(point, edge))
        return false;
    read_labels(point, labels);
    struct record record = {.http_status = code_of(labels[CLUSTER_CODE]), .grpc_status = CODE_NONE};
    if (edge->measure == SERIES_CALLS && record.http_status == CODE_NONE)
        return false; /* the same by classes of codes */
    struct str cluster = cluster_whole_name(name, labels[CLUSTER_NAME], text);
    if (!cluster.len || !cluster_node(stitch, cluster, &callee) ||
        !scraped(stitch, point, labels, &caller))
        return false;
    edge->teller = TELLER_CLUSTER;
    edge->connection_type = CONNECTION_VIRTUAL;
    edge->fault = outcome_fault(record_outcome(&record));
    join(stitch, &caller, &callee, edge);
    return true;
}

bool series_read(struct stitch *stitch, const struct metric_point *point,
                 const struct knowledge *knowledge, struct told_edge *edge)
{
    struct str name = point->metric->name;
    *edge = (struct told_edge){0};
    stitch->knowledge = knowledge;
    if (str_starts(name, STR("istio_request")))
        return istio_series(stitch, point, edge);
    struct cluster_stat_name stat;
    return cluster_stat_read(name, &stat) && envoy_series(stitch, point, &stat, edge);
}

bool series_read_batch(struct stitch *stitch, const struct knowledge *knowledge,
                       struct batch *batch)
{
    for (uint32_t i = 0; i < batch->n_points; i++) {
        struct metric_point *point = &batch->points[i];
        struct told_edge edge;
        if (!series_read(stitch, point, knowledge, &edge))
            continue;
        struct told_edge *copy = arena_alloc(&batch->arena, sizeof(*copy));
        if (!copy)
            return false;
        *copy = edge;
        point->told = copy;
    }
    return true;
}
