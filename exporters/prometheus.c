/* prometheus.c - counting committed turns into series. Labels are rendered once a series; a call
 * costs a look-up. */
#include "exporters/prometheus.h"

#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/base/http_head.h"
#include "collector/model/ingest_stats.h"
#include "exporters/known_parts.h"
#include "exporters/prometheus_internal.h"
#include "exporters/span_names.h"

static struct stat_family kept_family =
    STAT_GAUGE("faultline_prometheus_series",
               "Label sets of the service graph and of span metrics that are kept, of "
               "export.prometheus.max_series.");
static struct stat_family corrections_family =
    STAT_COUNTER("faultline_stitch_corrections_total",
                 "Calls that changed after they were counted, by what changed.");

enum { CORRECTION_PAIRED, CORRECTION_RENAMED, CORRECTION_LATE, CORRECTION_BLAME };

struct prometheus *prometheus_new(const struct prometheus_settings *settings)
{
    static const char *const reasons[4] = {"paired", "renamed", "late", "blame"};
    struct prometheus *prometheus = calloc(1, sizeof(*prometheus));
    if (!prometheus || !(prometheus->known = known_parts_new())) {
        free(prometheus);
        return NULL;
    }
    prometheus->settings = *settings;
    prometheus->started_ns = clock_wall_ns();
    pthread_mutex_init(&prometheus->mutex, NULL);
    buf_init(&prometheus->scratch, LABELS_BYTES);
    prometheus->kept = stat_get(&kept_family, NULL);
    prometheus->limited_edges = series_limited("traces_service_graph");
    prometheus->limited_spans = series_limited("traces_spanmetrics");
    if (settings->ingested)
        prometheus->ingested = ingested_new(settings->expire_ns, settings->max_series);
    for (int i = 0; i < 4; i++)
        prometheus->corrections[i] = stat_get(&corrections_family, "reason", reasons[i], NULL);
    return prometheus;
}

static void edge_free(struct edge_series *series)
{
    free(series->labels);
    free(series->pair);
    free(series);
}

static void span_free(struct span_series *series)
{
    free(series->labels);
    free(series);
}

static void table_fini(struct table *table)
{
    map_fini(&table->by_key);
    map_fini(&table->by_text);
    free(table->series);
    free(table->keys);
}

void prometheus_free(struct prometheus *prometheus)
{
    if (!prometheus)
        return;
    for (uint32_t i = 0; i < prometheus->edges.n; i++)
        edge_free(prometheus->edges.series[i]);
    for (uint32_t i = 0; i < prometheus->spans.n; i++)
        span_free(prometheus->spans.series[i]);
    table_fini(&prometheus->edges);
    table_fini(&prometheus->spans);
    map_fini(&prometheus->operations);
    map_fini(&prometheus->services);
    free(prometheus->counts);
    buf_fini(&prometheus->scratch);
    known_parts_free(prometheus->known);
    pthread_mutex_destroy(&prometheus->mutex);
    ingested_free(prometheus->ingested);
    free(prometheus);
}

/* ---- tables ---- */

static uint64_t key_hash(uint64_t a, uint64_t b)
{
    return hash_mix(a, b);
}

static bool table_find(const struct table *table, uint64_t a, uint64_t b, uint32_t *index)
{
    for (struct map_iter it = map_find(&table->by_key, key_hash(a, b));
         map_next(&table->by_key, &it);) {
        const struct key *key = &table->keys[it.value];
        if (key->a == a && key->b == b) {
            *index = key->index;
            return true;
        }
    }
    return false;
}

static void table_remember(struct table *table, uint64_t a, uint64_t b, uint32_t index)
{
    if (table->n_keys == table->cap_keys) {
        uint32_t cap = table->cap_keys ? 2 * table->cap_keys : 256;
        struct key *grown = realloc(table->keys, cap * sizeof(*grown));
        if (!grown)
            return;
        table->keys = grown;
        table->cap_keys = cap;
    }
    table->keys[table->n_keys] = (struct key){a, b, index};
    if (map_add(&table->by_key, key_hash(a, b), table->n_keys))
        table->n_keys++;
}

static bool table_append(struct table *table, void *series, struct str labels)
{
    if (table->n == table->cap) {
        uint32_t cap = table->cap ? 2 * table->cap : 64;
        void **grown = realloc(table->series, cap * sizeof(void *));
        if (!grown)
            return false;
        table->series = grown;
        table->cap = cap;
    }
    if (!map_add(&table->by_text, hash_str(labels), table->n))
        return false;
    table->series[table->n++] = series;
    return true;
}

void prometheus_label(struct buf *labels, const char *name, struct str value)
{
    if (labels->len)
        buf_add_char(labels, ',');
    buf_addf(labels, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.p[i];
        if (c == '\\' || c == '"')
            buf_add_char(labels, '\\');
        if (c == '\n')
            buf_add(labels, "\\n", 2);
        else
            buf_add_char(labels, c);
    }
    buf_add_char(labels, '"');
}

static void label_unless_empty(struct buf *labels, const char *name, struct str value)
{
    if (value.len)
        prometheus_label(labels, name, value);
}

/* ---- edges ---- */

static void edge_labels(struct buf *labels, const struct turn *turn, const struct call *call,
                        const struct node *client, const struct node *server)
{
    buf_reset(labels);
    prometheus_label(labels, "client", names_text(turn->names, client->service));
    prometheus_label(labels, "server", names_text(turn->names, server->service));
    prometheus_label(labels, "connection_type",
                     str_of(connection_type_word(call->connection_type)));
    label_unless_empty(labels, "client_service_namespace",
                       names_text(turn->names, client->namespace));
    label_unless_empty(labels, "server_service_namespace",
                       names_text(turn->names, server->namespace));
    label_unless_empty(labels, "client_service_version", names_text(turn->names, client->version));
    label_unless_empty(labels, "server_service_version", names_text(turn->names, server->version));
    label_unless_empty(labels, "client_cluster", names_text(turn->names, client->cluster));
    label_unless_empty(labels, "server_cluster", names_text(turn->names, server->cluster));
}

static bool has_room(struct prometheus *prometheus)
{
    return prometheus->edges.n + prometheus->spans.n < prometheus->settings.max_series;
}

static struct edge_series *edge_by_labels(struct prometheus *prometheus, uint64_t now_ns,
                                          uint32_t *index)
{
    struct table *table = &prometheus->edges;
    struct str labels = buf_str(&prometheus->scratch);
    for (struct map_iter it = map_find(&table->by_text, hash_str(labels));
         map_next(&table->by_text, &it);) {
        struct edge_series *series = table->series[it.value];
        if (str_eq(str_of(series->labels), labels)) {
            *index = it.value;
            return series;
        }
    }
    struct edge_series *series = calloc(1, sizeof(*series));
    if (!series || !(series->labels = strndup(labels.p, labels.len)) ||
        !table_append(table, series, labels)) {
        if (series)
            edge_free(series);
        return NULL;
    }
    series->created_ns = now_ns;
    *index = table->n - 1;
    return series;
}

/* What the unknown parts of two nodes were filled in with; two of a pair's answers with one hash,
 * which happens to one in 10^16, would share a series. */
static uint64_t parts_hash(const struct node *client, const struct node *server)
{
    const name_no parts[] = {client->cluster, client->namespace, client->version,
                             server->cluster, server->namespace, server->version};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        hash = hash_mix(hash, parts[i]);
    return hash;
}

static struct edge_series *edge_of(struct prometheus *prometheus, const struct turn *turn,
                                   const struct call *call, uint64_t now_ns)
{
    struct table *table = &prometheus->edges;
    uint64_t a = (uint64_t)call->caller << 32 | call->callee, b = call->connection_type;
    uint32_t index, minute = (uint32_t)(now_ns / NS_PER_MINUTE);
    struct node client, server;
    bool filled =
        known_parts_fill(prometheus->known, nodes_get(turn->nodes, call->caller), minute, &client);
    filled |=
        known_parts_fill(prometheus->known, nodes_get(turn->nodes, call->callee), minute, &server);
    if (filled)
        b |= parts_hash(&client, &server) << 8;
    if (table_find(table, a, b, &index))
        return table->series[index];
    edge_labels(&prometheus->scratch, turn, call, &client, &server);
    if (!has_room(prometheus) || buf_failed(&prometheus->scratch)) {
        stat_add(prometheus->limited_edges, 1);
        buf_reset(&prometheus->scratch);
        prometheus_label(&prometheus->scratch, "client", STR("other"));
        prometheus_label(&prometheus->scratch, "server", STR("other"));
        prometheus_label(&prometheus->scratch, "connection_type",
                         str_of(connection_type_word(call->connection_type)));
    }
    struct edge_series *series = edge_by_labels(prometheus, now_ns, &index);
    if (series && has_room(prometheus))
        table_remember(table, a, b, index);
    return series;
}

/* Who follows an exemplar wants spans: one whose trace stays is not replaced by one that store.keep
 * may drop. Whether it is slow for its entry only the store knows. */
static void show(struct exemplar *shown, const struct exemplar *of, double value)
{
    if (!of->stays && shown->stays)
        return;
    *shown = *of;
    shown->value = value;
}

static void observe(struct latency *latency, uint64_t ns, const struct exemplar *of)
{
    int k = 0;
    while (k < STAT_N_BUCKETS && ns > (UINT64_C(500000) << k))
        k++;
    latency->buckets[k]++;
    latency->n++;
    latency->sum_ns += ns;
    show(&latency->exemplars[k], of, (double)ns / 1e9);
}

static void add_pair(struct prometheus *prometheus, const struct turn *turn,
                     const struct call *call, struct edge_series *series)
{
    if (series->pair)
        return;
    struct buf *labels = &prometheus->scratch;
    buf_reset(labels);
    prometheus_label(labels, "client",
                     names_text(turn->names, nodes_get(turn->nodes, call->caller)->service));
    prometheus_label(labels, "server",
                     names_text(turn->names, nodes_get(turn->nodes, call->callee)->service));
    prometheus_label(labels, "gateway", names_text(turn->names, call->via));
    series->pair = buf_failed(labels) ? NULL : strndup(labels->p, labels->len);
}

/* Of who sends no spans the caller's is the only one, as Tempo has it of databases: Grafana draws
 * the means of nodes from what servers say. */
static uint64_t callee_time(const struct turn *turn, const struct call *call)
{
    enum role role = nodes_get(turn->nodes, call->callee)->role;
    bool silent =
        role == ROLE_DATABASE || role == ROLE_CACHE || role == ROLE_QUEUE || role == ROLE_EXTERNAL;
    return silent && call->known_by == KNOWN_CALLER_ONLY ? call->caller_ns : call->callee_ns;
}

static void count_call(struct prometheus *prometheus, const struct turn *turn,
                       const struct call *call, const struct exemplar *of)
{
    struct edge_series *series = edge_of(prometheus, turn, call, of->at_ns);
    if (!series)
        return;
    bool failed = call->fault == FAULT_ORIGIN || call->fault == FAULT_CARRIED;
    series->last_ns = of->at_ns;
    series->n++;
    series->n_failed += failed;
    series->client_errors += call->fault == FAULT_CLIENT_ERROR;
    series->retries += call->retries;
    series->recovered += call->recovered;
    series->origin += call->fault == FAULT_ORIGIN;
    series->carried += call->fault == FAULT_CARRIED;
    series->security[call->security]++;
    show(&series->any, of, 1);
    if (failed)
        show(&series->failed, of, 1);
    if (call->caller_ns != DURATION_UNKNOWN)
        observe(&series->client, call->caller_ns, of);
    uint64_t callee_ns = callee_time(turn, call);
    if (callee_ns != DURATION_UNKNOWN)
        observe(&series->server, callee_ns, of);
    if (call->transit_ns != DURATION_UNKNOWN)
        observe(&series->transit, call->transit_ns, of);
    if (call->hairpin) {
        series->hairpins++;
        add_pair(prometheus, turn, call, series);
    }
}

/* ---- spans ---- */

/* limit.operations for templated names: beyond, `other`. */
static bool operation_allowed(struct prometheus *prometheus, name_no service, struct str name)
{
    uint64_t hash = hash_mix(hash_str(name), service);
    for (struct map_iter it = map_find(&prometheus->operations, hash);
         map_next(&prometheus->operations, &it);)
        return true;
    struct service_count *count = NULL;
    for (struct map_iter it = map_find(&prometheus->services, hash_u64(service));
         map_next(&prometheus->services, &it);) {
        if (prometheus->counts[it.value].service == service)
            count = &prometheus->counts[it.value];
    }
    if (!count) {
        if (prometheus->n_counts == prometheus->cap_counts) {
            uint32_t cap = prometheus->cap_counts ? 2 * prometheus->cap_counts : 64;
            struct service_count *grown = realloc(prometheus->counts, cap * sizeof(*grown));
            if (!grown)
                return false;
            prometheus->counts = grown;
            prometheus->cap_counts = cap;
        }
        count = &prometheus->counts[prometheus->n_counts];
        *count = (struct service_count){service, 0};
        if (!map_add(&prometheus->services, hash_u64(service), prometheus->n_counts))
            return false;
        prometheus->n_counts++;
    }
    if (count->n_operations >= prometheus->settings.max_operations)
        return false;
    count->n_operations++;
    return map_add(&prometheus->operations, hash, 0);
}

static void put_span_labels(struct buf *labels, struct str service, struct str operation,
                            const char *kind, const char *status)
{
    buf_reset(labels);
    prometheus_label(labels, "service", service);
    prometheus_label(labels, "span_name", operation);
    prometheus_label(labels, "span_kind", str_of(kind));
    prometheus_label(labels, "status_code", str_of(status));
}

static void span_labels(struct prometheus *prometheus, const struct turn *turn,
                        const struct record *record, name_no service)
{
    static const char *const kinds[N_KINDS] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                               "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                               "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};
    static const char *const statuses[N_STATUSES] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK",
                                                     "STATUS_CODE_ERROR"};
    struct buf name;
    buf_init(&name, 1024);
    span_name_template(names_text(turn->names, record->shape->operation), &name);
    bool allowed = has_room(prometheus) && operation_allowed(prometheus, service, buf_str(&name));
    if (!allowed)
        stat_add(prometheus->limited_spans, 1);
    struct str operation = allowed ? buf_str(&name) : STR("other");
    struct str text = has_room(prometheus) ? names_text(turn->names, service) : STR("other");
    put_span_labels(&prometheus->scratch, text, operation, kinds[record->shape->kind],
                    statuses[record->status]);
    if (buf_failed(&prometheus->scratch))
        put_span_labels(&prometheus->scratch, STR("other"), operation, kinds[record->shape->kind],
                        statuses[record->status]);
    buf_fini(&name);
}

static struct span_series *span_by_labels(struct prometheus *prometheus, uint64_t now_ns,
                                          uint32_t *index)
{
    struct table *table = &prometheus->spans;
    struct str labels = buf_str(&prometheus->scratch);
    for (struct map_iter it = map_find(&table->by_text, hash_str(labels));
         map_next(&table->by_text, &it);) {
        struct span_series *series = table->series[it.value];
        if (str_eq(str_of(series->labels), labels)) {
            *index = it.value;
            return series;
        }
    }
    struct span_series *series = calloc(1, sizeof(*series));
    if (!series || !(series->labels = strndup(labels.p, labels.len)) ||
        !table_append(table, series, labels)) {
        if (series)
            span_free(series);
        return NULL;
    }
    series->created_ns = now_ns;
    *index = table->n - 1;
    return series;
}

static void count_span(struct prometheus *prometheus, const struct turn *turn,
                       const struct cut_trace *trace, uint32_t i, const struct exemplar *of)
{
    const struct record *record = &trace->now.records[i];
    struct table *table = &prometheus->spans;
    name_no service = nodes_get(turn->nodes, trace->now.graph.spans[i].node)->service;
    uint64_t a = (uint64_t)service << 32 | record->shape->operation;
    uint64_t b = record->shape->kind | (uint64_t)record->status << 8;
    struct span_series *series;
    uint32_t index;
    if (table_find(table, a, b, &index)) {
        series = table->series[index];
    } else {
        span_labels(prometheus, turn, record, service);
        series = span_by_labels(prometheus, of->at_ns, &index);
        if (!series)
            return;
        if (has_room(prometheus))
            table_remember(table, a, b, index);
    }
    series->last_ns = of->at_ns;
    series->n++;
    show(&series->any, of, 1);
    if (!record->bad_times && record->duration_ns != DURATION_UNKNOWN)
        observe(&series->latency, record->duration_ns, of);
}

/* ---- turns ---- */

static void count_corrections(struct prometheus *prometheus, const struct cut_trace *trace)
{
    const struct graph *was = &trace->was->graph, *now = &trace->now.graph;
    uint32_t n = now->n_calls > was->n_calls ? now->n_calls - was->n_calls : 0;
    stat_add(prometheus->corrections[CORRECTION_LATE], n);
    for (uint32_t i = 0; i < was->n_calls && i < now->n_calls; i++) {
        const struct call *a = &was->calls[i], *b = &now->calls[i];
        if (a->known_by != b->known_by)
            stat_add(prometheus->corrections[CORRECTION_PAIRED], 1);
        else if (a->caller != b->caller || a->callee != b->callee)
            stat_add(prometheus->corrections[CORRECTION_RENAMED], 1);
        else if (a->fault != b->fault)
            stat_add(prometheus->corrections[CORRECTION_BLAME], 1);
    }
}

static void see_nodes(struct prometheus *prometheus, const struct turn *turn,
                      const struct graph *graph, uint64_t now_ns)
{
    uint32_t minute = (uint32_t)(now_ns / NS_PER_MINUTE);
    for (uint32_t i = 0; i < graph->n_calls; i++) {
        known_parts_see(prometheus->known, turn->nodes, graph->calls[i].caller, minute);
        known_parts_see(prometheus->known, turn->nodes, graph->calls[i].callee, minute);
    }
}

static bool stays(const struct prometheus *prometheus, const struct cut_trace *trace)
{
    return trace->now.graph.trace.error_count ||
           trace_id_share(trace->id) < prometheus->settings.keep_percent;
}

void prometheus_take(struct prometheus *prometheus, const struct turn *turn, uint64_t now_ns)
{
    pthread_mutex_lock(&prometheus->mutex);
    for (uint32_t i = 0; i < turn->n_traces; i++)
        see_nodes(prometheus, turn, &turn->traces[i].now.graph, now_ns);
    for (uint32_t i = 0; i < turn->n_traces; i++) {
        const struct cut_trace *trace = &turn->traces[i];
        const struct exemplar of = {
            .id = trace->id, .at_ns = now_ns, .stays = stays(prometheus, trace)};
        if (trace->was)
            count_corrections(prometheus, trace);
        for (uint32_t k = 0; k < trace->now.graph.n_calls && !trace->was; k++)
            count_call(prometheus, turn, &trace->now.graph.calls[k], &of);
        /* A call counts when its trace is cut first; a span also when it comes late. */
        for (uint32_t k = trace->was ? trace->was->n_records : 0; k < trace->now.n_records; k++) {
            if (!trace->now.graph.spans[k].again)
                count_span(prometheus, turn, trace, k, &of);
        }
    }
    stat_set(prometheus->kept, prometheus->edges.n + prometheus->spans.n);
    pthread_mutex_unlock(&prometheus->mutex);
    for (const struct body *body = turn->bodies; body && prometheus->ingested; body = body->next) {
        if (body->format != FORMAT_REMOTE_WRITE) /* what Prometheus wrote it has */
            ingested_take(prometheus->ingested, body->batch, now_ns);
    }
}

bool prometheus_wants_openmetrics(struct str accept)
{
    double weight = http_weight(accept, STR("application/openmetrics-text"));
    return weight > 0 && weight >= http_weight(accept, STR("text/plain"));
}
