/* query_mesh_istio.c - Istio's standard series: who called whom, and how it ended, by their labels
 * (Istio's reference of standard metrics).
 */
#include "collector/store/query_mesh_internal.h"

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

static int istio_label(struct str key)
{
    int label = 0;
    while (label < N_LABELS && !str_eq(key, str_of(label_names[label])))
        label++;
    return label;
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
    return none || mesh_status_failed(code) || is_grpc_failure(labels[LABEL_GRPC]);
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

/* ---- series ---- */

bool istio_part(struct str name, enum part *part)
{
    static const struct {
        struct str name;
        enum part part;
    } rows[] = {{STR("istio_requests_total"), PART_CALLS},
                {STR("istio_requests"), PART_CALLS},
                {STR("istio_request_duration_milliseconds"), PART_TIMES},
                {STR("istio_request_duration_milliseconds_sum"), PART_TIME_SUM},
                {STR("istio_request_duration_milliseconds_count"), PART_TIME_COUNT}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *part = rows[i].part;
        if (str_eq(name, rows[i].name))
            return true;
    }
    return false;
}

void istio_take(struct mesh_reading *reading, enum part part, sqlite3_stmt *row)
{
    struct str labels[N_LABELS] = {{0}};
    mesh_series_labels(reading, row, istio_label, N_LABELS, labels);
    struct mesh_series series = {.caller = end_of(reading, labels, 0),
                                 .callee = end_of(reading, labels, LABEL_OTHER_END - LABEL_SERVICE),
                                 .times = part != PART_CALLS,
                                 .failed = is_failed(labels),
                                 .by_caller = str_eq(labels[LABEL_REPORTER], STR("source"))};
    if (!series.callee.service.len)
        return;
    if (series.failed && !series.times)
        series.reason = reason_of(reading, labels);
    if (mesh_series_count(reading, part, row, &series))
        mesh_series_add(reading, &series);
}
