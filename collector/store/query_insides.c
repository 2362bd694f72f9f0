/* query_insides.c - operations and instances of a service. Operations are counted by the minute;
 * instances and self time are not, so they are read from spans: of SAMPLE_TRACES at most that hold
 * the service, from all parts of the window, so that who was bad in one of them is seen. The answer
 * says how many those were.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/store/query_service.h"
#include "collector/store/rows.h"

#define SAMPLE_TRACES 1000
#define SAMPLE_PARTS 20 /* of the window, each as many traces as another */
#define MOST_OPERATIONS 100u
#define MOST_INSTANCES 200u

struct operation { /* of the service, whatever the version */
    char *name;
    struct traffic traffic; /* calls, began: all failures, client errors, histogram */
    struct histogram self;  /* sampled */
};

struct instance {
    char *name, *version;
    int64_t calls, failed;
    struct histogram histogram;
};

struct op_row { /* a row of operation_row */
    int64_t row;
    uint32_t operation;
};

struct shape_row {
    int64_t row;
    uint32_t operation, instance; /* UINT32_MAX: not one that serves calls */
};

struct insides {
    struct service *service;
    struct operation *operations;
    struct instance *instances;
    struct op_row *op_rows;
    struct shape_row *shapes;
    uint32_t n_operations, n_instances, n_op_rows, n_shapes, cap_op_rows, cap_shapes;
    struct map op_map, shape_map;
    int64_t n_traces, n_spans;
    bool more; /* operations or instances than are kept */
};

/* ---- the nodes of the service ---- */

static bool is_ours(const struct service *service, int64_t row)
{
    uint32_t node = mesh_find(&service->answer.mesh, row);
    return node != UINT32_MAX &&
           service->answer.node_of[mesh_same(&service->answer.mesh, node)] == service->node;
}

static uint32_t operation_of(struct insides *insides, struct str name)
{
    for (uint32_t i = 0; i < insides->n_operations; i++) {
        if (str_eq(str_of(insides->operations[i].name), name))
            return i;
    }
    if (insides->n_operations == MOST_OPERATIONS) {
        insides->more = true;
        return UINT32_MAX;
    }
    char *kept = strndup(name.p ? name.p : "", name.len);
    if (!kept)
        return UINT32_MAX;
    insides->operations[insides->n_operations] = (struct operation){.name = kept};
    return insides->n_operations++;
}

static uint32_t instance_of(struct insides *insides, struct str name, struct str version)
{
    for (uint32_t i = 0; i < insides->n_instances; i++) {
        if (str_eq(str_of(insides->instances[i].name), name) &&
            str_eq(str_of(insides->instances[i].version), version))
            return i;
    }
    if (insides->n_instances == MOST_INSTANCES) {
        insides->more = true;
        return UINT32_MAX;
    }
    struct instance *instance = &insides->instances[insides->n_instances];
    *instance = (struct instance){.name = strndup(name.p ? name.p : "", name.len),
                                  .version = strndup(version.p ? version.p : "", version.len)};
    return instance->name && instance->version ? insides->n_instances++ : UINT32_MAX;
}

static bool serves(int kind)
{
    return kind == KIND_SERVER || kind == KIND_CONSUMER;
}

/* ---- operations by the minute ---- */

static bool add_op_row(struct insides *insides, int64_t row, struct str name)
{
    uint32_t operation = operation_of(insides, name), n = insides->n_op_rows;
    if (operation == UINT32_MAX)
        return true;
    if (n == insides->cap_op_rows) {
        uint32_t cap = n ? 2 * n : 64;
        struct op_row *grown = realloc(insides->op_rows, cap * sizeof(*grown));
        if (!grown)
            return false;
        insides->op_rows = grown;
        insides->cap_op_rows = cap;
    }
    insides->op_rows[n] = (struct op_row){row, operation};
    insides->n_op_rows++;
    return map_add(&insides->op_map, hash_u64((uint64_t)row), n);
}

static int load_operations(struct insides *insides, struct err *err)
{
    const struct mesh *mesh = &insides->service->answer.mesh;
    sqlite3_stmt *select;
    int code = SQLITE_DONE;
    if (query_begin(mesh->query,
                    "SELECT o.id, n.text, o.kind FROM operation_row o "
                    "JOIN name n ON n.id = o.name WHERE o.node = ?",
                    &select, err))
        return err->code;
    for (uint32_t i = 1; i < mesh->n_nodes && code == SQLITE_DONE; i++) {
        if (!is_ours(insides->service, mesh->nodes[i].row))
            continue;
        sqlite3_bind_int64(select, 1, mesh->nodes[i].row);
        while ((code = sqlite3_step(select)) == SQLITE_ROW) {
            if (serves(sqlite3_column_int(select, 2)) &&
                !add_op_row(insides, sqlite3_column_int64(select, 0), column_str(select, 1)))
                break;
        }
        sqlite3_reset(select);
    }
    return query_end(mesh->query, select, code == SQLITE_ROW ? SQLITE_NOMEM : code, err);
}

static struct operation *operation_of_row(const struct insides *insides, int64_t row)
{
    for (struct map_iter it = map_find(&insides->op_map, hash_u64((uint64_t)row));
         map_next(&insides->op_map, &it);) {
        if (insides->op_rows[it.value].row == row)
            return &insides->operations[insides->op_rows[it.value].operation];
    }
    return NULL;
}

static int sum_operations(struct insides *insides, struct err *err)
{
    const struct graph_answer *answer = &insides->service->answer;
    sqlite3_stmt *select;
    int code;
    if (query_begin(answer->mesh.query,
                    "SELECT operation, calls, errors, client_errors, histogram "
                    "FROM operation_minute_row WHERE minute >= ?1 AND minute < ?2",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)(answer->window.from_ns / NS_PER_MINUTE));
    sqlite3_bind_int64(select, 2, (int64_t)(answer->window.to_ns / NS_PER_MINUTE));
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        struct operation *operation = operation_of_row(insides, sqlite3_column_int64(select, 0));
        if (!operation)
            continue;
        operation->traffic.calls += sqlite3_column_int64(select, 1);
        operation->traffic.began += sqlite3_column_int64(select, 2);
        operation->traffic.client_errors += sqlite3_column_int64(select, 3);
        struct str blob = {sqlite3_column_blob(select, 4), (size_t)sqlite3_column_bytes(select, 4)};
        histogram_decode(&operation->traffic.histogram, blob);
    }
    return query_end(answer->mesh.query, select, code, err);
}

/* ---- instances and self time from spans ---- */

/* What a shape says of its spans; read once. */
static struct shape_row *shape_of(struct insides *insides, sqlite3_stmt *find, int64_t row)
{
    for (struct map_iter it = map_find(&insides->shape_map, hash_u64((uint64_t)row));
         map_next(&insides->shape_map, &it);) {
        if (insides->shapes[it.value].row == row)
            return &insides->shapes[it.value];
    }
    if (insides->n_shapes == insides->cap_shapes) {
        uint32_t cap = insides->cap_shapes ? 2 * insides->cap_shapes : 64;
        struct shape_row *grown = realloc(insides->shapes, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        insides->shapes = grown;
        insides->cap_shapes = cap;
    }
    struct shape_row *shape = &insides->shapes[insides->n_shapes];
    *shape = (struct shape_row){row, UINT32_MAX, UINT32_MAX};
    sqlite3_bind_int64(find, 1, row);
    if (sqlite3_step(find) == SQLITE_ROW && serves(sqlite3_column_int(find, 3))) {
        shape->instance = instance_of(insides, column_str(find, 0), column_str(find, 1));
        shape->operation = operation_of(insides, column_str(find, 2));
    }
    sqlite3_reset(find);
    if (!map_add(&insides->shape_map, hash_u64((uint64_t)row), insides->n_shapes))
        return NULL;
    return &insides->shapes[insides->n_shapes++];
}

static void add_span(struct insides *insides, const struct shape_row *shape, sqlite3_stmt *row)
{
    int64_t duration = sqlite3_column_int64(row, 2), bits = sqlite3_column_int64(row, 4);
    bool timed = sqlite3_column_type(row, 2) != SQLITE_NULL &&
                 sqlite3_column_type(row, 3) != SQLITE_NULL && !(bits & SPAN_BAD_TIMES);
    if (shape->instance == UINT32_MAX)
        return;
    struct instance *instance = &insides->instances[shape->instance];
    insides->n_spans++;
    instance->calls++;
    instance->failed += (bits & SPAN_FAILED) != 0;
    if (!timed)
        return;
    histogram_add(&instance->histogram, (uint64_t)duration, 1);
    int64_t self = duration - sqlite3_column_int64(row, 3);
    if (shape->operation != UINT32_MAX && self >= 0)
        histogram_add(&insides->operations[shape->operation].self, (uint64_t)self, 1);
}

static void sample_trace(struct insides *insides, sqlite3_stmt *spans, sqlite3_stmt *find,
                         int64_t trace_no)
{
    sqlite3_bind_int64(spans, 1, trace_no);
    while (sqlite3_step(spans) == SQLITE_ROW) {
        if (!is_ours(insides->service, sqlite3_column_int64(spans, 1)))
            continue;
        const struct shape_row *shape = shape_of(insides, find, sqlite3_column_int64(spans, 0));
        if (!shape)
            break;
        add_span(insides, shape, spans);
    }
    sqlite3_reset(spans);
}

/* Of each part the newest that may hold the service; then, where some parts lack them, more of the
 * others. */
static int sample_parts(struct insides *insides, sqlite3_stmt *traces, sqlite3_stmt *spans,
                        sqlite3_stmt *find, struct err *err)
{
    const struct graph_answer *answer = &insides->service->answer;
    struct query *query = answer->mesh.query;
    int64_t first, last, before, unread[SAMPLE_PARTS]; /* unread: the newest of a part */
    int code = SQLITE_DONE;
    if (query_trace_numbers(query, answer->window, &first, &last, err) ||
        query_trace_no_before(query, answer->window.to_ns, &before, err))
        return SQLITE_DONE;
    int64_t n = (last < before ? last : before - 1) - first + 1;
    for (int part = 0; part < SAMPLE_PARTS; part++)
        unread[part] = first + n * (part + 1) / SAMPLE_PARTS - 1;
    const char *name = answer->nodes[insides->service->node].node->text[SERVICE];
    sqlite3_bind_int64(traces, 1, service_bit(query, str_of(name)));
    sqlite3_bind_int64(traces, 2, (int64_t)answer->window.from_ns);
    sqlite3_bind_int64(traces, 3, (int64_t)answer->window.to_ns);
    for (int turn = 2 * SAMPLE_PARTS - 1; turn >= 0 && code == SQLITE_DONE; turn--) {
        int part = turn % SAMPLE_PARTS;
        int64_t left = SAMPLE_TRACES - insides->n_traces;
        sqlite3_bind_int64(traces, 4, first + n * part / SAMPLE_PARTS);
        sqlite3_bind_int64(traces, 5, unread[part]);
        sqlite3_bind_int64(traces, 6, turn >= SAMPLE_PARTS ? left / (part + 1) : left);
        while ((code = sqlite3_step(traces)) == SQLITE_ROW) {
            unread[part] = sqlite3_column_int64(traces, 0) - 1;
            insides->n_traces++;
            sample_trace(insides, spans, find, unread[part] + 1);
        }
        sqlite3_reset(traces);
    }
    return code;
}

static int sample_spans(struct insides *insides, struct err *err)
{
    struct query *query = insides->service->answer.mesh.query;
    sqlite3_stmt *traces = NULL, *spans = NULL, *find = NULL;
    int code = SQLITE_DONE;
    if (query_begin(query,
                    "SELECT trace_no FROM trace_row WHERE trace_no BETWEEN ?4 AND ?5 AND "
                    "services & ?1 != 0 AND start_ns >= ?2 AND start_ns < ?3 "
                    "ORDER BY trace_no DESC LIMIT ?6",
                    &traces, err) ||
        query_begin(query,
                    "SELECT shape, node, duration_ns, covered_ns, bits FROM span_row "
                    "WHERE trace_no = ?",
                    &spans, err) ||
        query_begin(query,
                    "SELECT ni.text, nv.text, no.text, h.kind FROM shape h "
                    "JOIN name ni ON ni.id = h.instance JOIN name no ON no.id = h.operation "
                    "JOIN node d ON d.id = h.node JOIN name nv ON nv.id = d.version "
                    "WHERE h.id = ?",
                    &find, err))
        goto out;
    code = sample_parts(insides, traces, spans, find, err);
out:
    sqlite3_finalize(spans);
    sqlite3_finalize(find);
    if (!err->code)
        return query_end(query, traces, code, err);
    sqlite3_finalize(traces);
    return err->code;
}

/* ---- JSON ---- */

static int busiest_first(const void *a, const void *b)
{
    const struct operation *x = a, *y = b;
    if (x->traffic.calls != y->traffic.calls)
        return x->traffic.calls > y->traffic.calls ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int worst_first(const void *a, const void *b)
{
    const struct instance *x = a, *y = b;
    double bad_x = x->calls ? (double)x->failed / (double)x->calls : 0;
    double bad_y = y->calls ? (double)y->failed / (double)y->calls : 0;
    if (bad_x != bad_y)
        return bad_x > bad_y ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void operations_json(struct insides *insides, struct buf *out)
{
    bool first = true;
    if (insides->n_operations > 1)
        qsort(insides->operations, insides->n_operations, sizeof(*insides->operations),
              busiest_first);
    buf_add_c(out, ",\"operations\":[");
    for (uint32_t i = 0; i < insides->n_operations; i++) {
        const struct operation *operation = &insides->operations[i];
        if (!operation->traffic.calls)
            continue;
        buf_add_c(out, first ? "{" : ",{");
        first = false;
        json_member(out, "operation", str_of(operation->name));
        json_number_member(out, "calls", operation->traffic.calls);
        json_number_member(out, "errors", operation->traffic.began);
        json_number_member(out, "client_errors", operation->traffic.client_errors);
        quantiles_json(out, &operation->traffic.histogram);
        uint64_t self = histogram_quantile(&operation->self, 0.5);
        if (self == UINT64_MAX)
            buf_add_c(out, ",\"self_p50_ns\":null");
        else
            json_number_member(out, "self_p50_ns", (int64_t)self);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void instances_json(struct insides *insides, struct buf *out)
{
    if (insides->n_instances > 1)
        qsort(insides->instances, insides->n_instances, sizeof(*insides->instances), worst_first);
    buf_add_c(out, ",\"instances\":[");
    for (uint32_t i = 0; i < insides->n_instances; i++) {
        const struct instance *instance = &insides->instances[i];
        buf_add_c(out, i ? ",{" : "{");
        json_member(out, "instance", str_of(instance->name));
        json_member(out, "version", str_of(instance->version));
        json_number_member(out, "calls", instance->calls);
        json_number_member(out, "errors", instance->failed);
        quantiles_json(out, &instance->histogram);
        buf_add_char(out, '}');
    }
    buf_addf(out, "],\"sampled\":{\"traces\":%lld,\"spans\":%lld,\"more\":%s}",
             (long long)insides->n_traces, (long long)insides->n_spans,
             insides->more ? "true" : "false");
}

static void insides_fini(struct insides *insides)
{
    for (uint32_t i = 0; i < insides->n_operations; i++) {
        free(insides->operations[i].name);
        traffic_fini(&insides->operations[i].traffic);
        histogram_fini(&insides->operations[i].self);
    }
    for (uint32_t i = 0; i < insides->n_instances; i++) {
        free(insides->instances[i].name);
        free(insides->instances[i].version);
        histogram_fini(&insides->instances[i].histogram);
    }
    free(insides->operations);
    free(insides->instances);
    free(insides->op_rows);
    free(insides->shapes);
    map_fini(&insides->op_map);
    map_fini(&insides->shape_map);
}

int service_insides_json(struct service *service, struct buf *out, struct err *err)
{
    struct insides insides = {.service = service,
                              .operations = calloc(MOST_OPERATIONS, sizeof(*insides.operations)),
                              .instances = calloc(MOST_INSTANCES + 1, sizeof(*insides.instances))};
    if (!insides.operations || !insides.instances)
        err_set(err, ERR_BUSY, "memory is short");
    else if (!load_operations(&insides, err) && !sum_operations(&insides, err) &&
             !sample_spans(&insides, err)) {
        operations_json(&insides, out);
        instances_json(&insides, out);
    }
    insides_fini(&insides);
    return err->code;
}
