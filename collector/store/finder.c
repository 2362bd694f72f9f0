/* finder.c - a stored trace, read back as it was counted, for the stitcher: its own read-only
 * connection. */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/store/finder_internal.h"
#include "collector/store/rows.h"

#define MAX_CANDIDATES 512

bool finder_next_row(struct fetching *fetching, sqlite3_stmt *select)
{
    int code = sqlite3_step(select);
    fetching->failed = fetching->failed || (code != SQLITE_ROW && code != SQLITE_DONE);
    return code == SQLITE_ROW;
}

static int prepare(struct trace_finder *finder, const char *sql, sqlite3_stmt **statement)
{
    return sqlite3_prepare_v3(finder->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

int trace_finder_open(struct store *store, uint32_t max_spans, struct trace_finder **result,
                      struct err *err)
{
    struct trace_finder *finder = calloc(1, sizeof(*finder));
    if (!finder)
        return err_set(err, ERR_BUSY, "memory is short");
    finder->store = store;
    finder->max_spans = max_spans;
    int code = sqlite3_open_v2(store->settings.path, &finder->db,
                               SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (!code)
        sqlite3_busy_timeout(finder->db, 5000);
    code = code ? code
                : prepare(finder,
                          "SELECT trace_no FROM trace_key WHERE run = ? AND hash = ? "
                          "ORDER BY trace_no DESC",
                          &finder->key);
    code = code ? code
                : prepare(finder,
                          "SELECT id, start_ns, duration_ns, entry, entry_operation, origin, "
                          "origin_operation, "
                          "origin_reason, span_count, service_count, error_count, parts, bits, "
                          "reopened, calls, stored_s "
                          "FROM trace_row WHERE trace_no = ?",
                          &finder->trace);
    code = code ? code
                : prepare(finder, "SELECT * FROM span_row WHERE trace_no = ? ORDER BY i",
                          &finder->spans);
    code = code ? code : prepare(finder, "SELECT * FROM shape WHERE id = ?", &finder->shape);
    code =
        code ? code : prepare(finder, "SELECT json FROM attribute_set WHERE id = ?", &finder->set);
    code =
        code ? code : prepare(finder, "SELECT json FROM resource WHERE id = ?", &finder->resource);
    code = code ? code : prepare(finder, "SELECT text FROM name WHERE id = ?", &finder->name);
    code = code
               ? code
               : prepare(finder,
                         "SELECT cluster, namespace, service, version, role FROM node WHERE id = ?",
                         &finder->node);
    if (code) {
        err_set(err, ERR_IO, "%s: cannot be read: %s", store->settings.path,
                sqlite3_errmsg(finder->db));
        trace_finder_close(finder);
        return err->code;
    }
    *result = finder;
    return 0;
}

void trace_finder_close(struct trace_finder *finder)
{
    if (!finder)
        return;
    sqlite3_stmt *all[] = {finder->key, finder->trace,    finder->spans, finder->shape,
                           finder->set, finder->resource, finder->name,  finder->node};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]);
    sqlite3_close(finder->db);
    free(finder);
}

bool trace_finder_maybe(struct trace_finder *finder, struct trace_id id)
{
    uint64_t run, trace_no;
    if (keys_candidates(finder->store, id, &run, 1, &trace_no) > 0 || trace_no)
        return true;
    if (!id.high)
        return keys_kin(finder->store, &id, &trace_no);
    struct trace_id low = {0, id.low};
    return keys_have_short(finder->store) &&
           (keys_candidates(finder->store, low, &run, 1, &trace_no) > 0 || trace_no);
}

static struct str column_text(sqlite3_stmt *row, int column)
{
    const void *bytes = sqlite3_column_blob(row, column);
    return (struct str){bytes, (size_t)sqlite3_column_bytes(row, column)};
}

name_no finder_name(struct fetching *fetching, int64_t id)
{
    sqlite3_stmt *select = fetching->finder->name;
    name_no name = NAME_NONE;
    if (!id)
        return NAME_NONE;
    sqlite3_bind_int64(select, 1, id);
    if (finder_next_row(fetching, select))
        name = names_add(fetching->names, column_text(select, 0));
    sqlite3_reset(select);
    return name;
}

static struct node read_node(struct fetching *fetching, int64_t id)
{
    sqlite3_stmt *select = fetching->finder->node;
    int64_t parts[4] = {0};
    struct node node = {0};
    sqlite3_bind_int64(select, 1, id);
    if (finder_next_row(fetching, select)) {
        for (int i = 0; i < 4; i++)
            parts[i] = sqlite3_column_int64(select, i);
        node.role = (uint8_t)sqlite3_column_int(select, 4);
    }
    sqlite3_reset(select);
    node.cluster = finder_name(fetching, parts[0]);
    node.namespace = finder_name(fetching, parts[1]);
    node.service = finder_name(fetching, parts[2]);
    node.version = finder_name(fetching, parts[3]);
    nodes_know(fetching->nodes, &node);
    return node;
}

static node_no read_node_no(struct fetching *fetching, int64_t id)
{
    struct node node = read_node(fetching, id);
    return id ? nodes_add(fetching->nodes, &node) : NODE_NONE;
}

static uint32_t read_resource(struct fetching *fetching, int64_t id)
{
    sqlite3_stmt *select = fetching->finder->resource;
    uint32_t number = 0;
    sqlite3_bind_int64(select, 1, id);
    if (id && finder_next_row(fetching, select))
        number = shapes_add_resource(fetching->shapes, column_text(select, 0));
    sqlite3_reset(select);
    return number;
}

static const struct attr_set *read_set(struct fetching *fetching, int64_t id)
{
    sqlite3_stmt *select = fetching->finder->set;
    const struct attr_set *set = shapes_set(fetching->shapes, 0);
    sqlite3_bind_int64(select, 1, id);
    if (id && finder_next_row(fetching, select))
        set = shapes_add_set(fetching->shapes, column_text(select, 0));
    sqlite3_reset(select);
    return set;
}

const struct shape *finder_shape(struct fetching *fetching, int64_t id, uint32_t *number)
{
    sqlite3_stmt *select = fetching->finder->shape;
    struct shape shape = {0};
    int64_t n[21] = {0};
    sqlite3_bind_int64(select, 1, id);
    if (finder_next_row(fetching, select)) {
        for (int i = 0; i < 21; i++)
            n[i] = sqlite3_column_int64(select, i);
    }
    sqlite3_reset(select);
    shape.node = read_node(fetching, n[2]);
    name_no *const names[9] = {&shape.instance,         &shape.zone,     &shape.operation,
                               &shape.upstream_cluster, &shape.peer,     &shape.peer_namespace,
                               &shape.peer_address,     &shape.url_host, &shape.protocol};
    for (int i = 0; i < 9; i++)
        *names[i] = finder_name(fetching, n[3 + i]);
    shape.host = finder_name(fetching, n[19]);
    shape.address = finder_name(fetching, n[20]);
    shape.resource = read_resource(fetching, n[12]);
    shape.kind = (uint8_t)n[13];
    shape.proxy = (uint8_t)n[14];
    shape.peer_role = (uint8_t)n[15];
    shape.security = (uint8_t)n[16];
    shape.format = (uint8_t)n[17];
    shape_bits_read((int)n[18], &shape);
    return shapes_add(fetching->shapes, &shape, number);
}

static const struct own *read_own(struct fetching *fetching, sqlite3_stmt *row)
{
    struct str texts[5];
    size_t size = sizeof(struct own);
    for (int i = 0; i < 5; i++) {
        texts[i] = column_text(row, 16 + i);
        size += texts[i].len;
    }
    if (size == sizeof(struct own))
        return NULL;
    struct own *own = arena_alloc(fetching->arena, size);
    if (!own)
        return NULL;
    *own = (struct own){(uint32_t)texts[0].len, (uint32_t)texts[1].len, (uint32_t)texts[2].len,
                        (uint32_t)texts[3].len, (uint32_t)texts[4].len};
    char *at = own->text;
    for (int i = 0; i < 5; i++) {
        if (texts[i].len)
            memcpy(at, texts[i].p, texts[i].len);
        at += texts[i].len;
    }
    return own;
}

uint64_t finder_ns(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL
               ? DURATION_UNKNOWN
               : (uint64_t)sqlite3_column_int64(row, column);
}

int16_t finder_code(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL
               ? CODE_NONE
               : (int16_t)sqlite3_column_int(row, column);
}

static bool read_span(struct fetching *fetching, sqlite3_stmt *row, uint64_t trace_start_ns,
                      struct record *record, struct span_result *result)
{
    int64_t bits = sqlite3_column_int64(row, 9);
    *record = (struct record){0};
    *result = (struct span_result){0};
    record->shape = finder_shape(fetching, sqlite3_column_int64(row, 2), &record->shape_no);
    record->attr_set = read_set(fetching, sqlite3_column_int64(row, 3));
    record->span_id = (uint64_t)sqlite3_column_int64(row, 4);
    record->parent_id = (uint64_t)sqlite3_column_int64(row, 5);
    record->start_ns =
        (bits & SPAN_OFFSET_FROM_0 ? 0 : trace_start_ns) + (uint64_t)sqlite3_column_int64(row, 6);
    record->duration_ns = finder_ns(row, 7);
    uint64_t covered_ns = finder_ns(row, 8);
    result->self_ns =
        covered_ns == DURATION_UNKNOWN ? DURATION_UNKNOWN : record->duration_ns - covered_ns;
    span_bits_read(bits, record, result);
    record->http_status = finder_code(row, 10);
    record->grpc_status = finder_code(row, 11);
    record->flags_text = finder_name(fetching, sqlite3_column_int64(row, 12));
    record->flags = response_flags_parse(names_text(fetching->names, record->flags_text));
    result->node = read_node_no(fetching, sqlite3_column_int64(row, 13));
    result->peer = read_node_no(fetching, sqlite3_column_int64(row, 14));
    record->arrival = (uint32_t)sqlite3_column_int64(row, 15);
    record->own = read_own(fetching, row);
    record->weight =
        sqlite3_column_type(row, 21) == SQLITE_NULL ? 1.0f : (float)sqlite3_column_double(row, 21);
    record->request_id = (uint64_t)sqlite3_column_int64(row, 22);
    return record->shape && record->attr_set;
}

static void read_hops(struct fetching *fetching, struct str blob, struct call *call,
                      struct graph *graph)
{
    const node_no ends[3] = {[HOP_NAME_CALLEE] = call->callee, [HOP_NAME_CALLER] = call->caller};
    struct hop_ids ids;
    call->first_hop = graph->n_hops;
    for (uint32_t i = 0; i < call->n_hops; i++) {
        struct hop *hop = &graph->hops[graph->n_hops];
        if (!hops_unpack_one(&blob, hop, call, &ids))
            break;
        bool end = ids.named == HOP_NAME_CALLEE || ids.named == HOP_NAME_CALLER;
        hop->name = end ? nodes_get(fetching->nodes, ends[ids.named])->service
                        : finder_name(fetching, (int64_t)ids.name);
        hop->from = finder_name(fetching, (int64_t)ids.from);
        graph->n_hops++;
    }
    call->n_hops = (uint8_t)(graph->n_hops - call->first_hop);
}

static bool read_calls(struct fetching *fetching, struct str blob, struct graph *graph)
{
    struct call_ids ids;
    struct call call;
    uint32_t n = 0, n_hops = 0;
    for (struct str rest = blob; rest.len && calls_unpack_one(&rest, &call, &ids); n++)
        n_hops += call.n_hops;
    graph->calls = arena_alloc(fetching->arena, (n + 1) * sizeof(*graph->calls));
    graph->hops = arena_alloc(fetching->arena, (n_hops + 1) * sizeof(*graph->hops));
    graph->n_calls = graph->n_hops = 0;
    if (!graph->calls || !graph->hops)
        return false;
    while (graph->n_calls < n && calls_unpack_one(&blob, &call, &ids)) {
        call.caller = read_node_no(fetching, (int64_t)ids.caller);
        call.callee = read_node_no(fetching, (int64_t)ids.callee);
        call.protocol = finder_name(fetching, (int64_t)ids.protocol);
        call.via = finder_name(fetching, (int64_t)ids.via);
        call.operation = finder_name(fetching, (int64_t)ids.operation);
        read_hops(fetching, ids.hops, &call, graph);
        graph->calls[graph->n_calls++] = call;
    }
    return true;
}

static bool read_spans(struct fetching *fetching, uint64_t trace_no, struct counted_trace *counted)
{
    uint32_t n = counted->graph.trace.span_count, i = 0;
    sqlite3_stmt *select = fetching->finder->spans;
    struct record *records = arena_alloc(fetching->arena, (n + 1) * sizeof(*records));
    struct span_result *results = arena_alloc(fetching->arena, (n + 1) * sizeof(*results));
    bool ok = records && results;
    sqlite3_bind_int64(select, 1, (int64_t)trace_no);
    while (ok && i < n && finder_next_row(fetching, select)) {
        ok = read_span(fetching, select, counted->graph.trace.start_ns, &records[i], &results[i]);
        i++;
    }
    sqlite3_reset(select);
    counted->records = records;
    counted->n_records = i;
    counted->graph.spans = results;
    return ok;
}

/* What comes for a trace that was stored longer ago than stitch.reopen_window, or whose spans
 * store.keep dropped, is a trace of its own. */
static bool is_closed(const struct trace_finder *finder, sqlite3_stmt *row)
{
    uint64_t stored_s = (uint64_t)sqlite3_column_int64(row, 15),
             window_s = finder->store->settings.reopen_window_ns / NS_PER_S;
    return !(sqlite3_column_int64(row, 12) & TRACE_SPANS_KEPT) ||
           stored_s + window_s < clock_wall_ns() / NS_PER_S;
}

static struct trace_id column_id(sqlite3_stmt *row, int column)
{
    uint64_t halves[2] = {0, 0};
    if (sqlite3_column_bytes(row, column) == 16)
        memcpy(halves, sqlite3_column_blob(row, column), 16);
    return (struct trace_id){__builtin_bswap64(halves[0]), __builtin_bswap64(halves[1])};
}

/* Half of an id may name the whole trace; but one that is not read back keeps its name. */
static bool is_same(const struct trace_finder *finder, struct trace_id id, struct trace_id stored,
                    sqlite3_stmt *row)
{
    if (id.low != stored.low || !(id.low | stored.high))
        return false;
    bool giant = (uint32_t)sqlite3_column_int64(row, 8) >= finder->max_spans;
    return id.high == stored.high || !id.high || (!stored.high && !giant);
}

/* 1 when this number is the trace with this id, or half of one is the other; 2 when it is and
 * cannot be opened again. */
static int read_trace(struct fetching *fetching, struct trace_id id, uint64_t trace_no,
                      struct cut_trace *found)
{
    sqlite3_stmt *row = fetching->finder->trace;
    struct trace_id stored = {0};
    int there = 0;
    sqlite3_bind_int64(row, 1, (int64_t)trace_no);
    if (finder_next_row(fetching, row)) {
        stored = column_id(row, 0);
        there = is_same(fetching->finder, id, stored, row) ? 2 : 0;
    }
    if (there && !is_closed(fetching->finder, row)) {
        *found = (struct cut_trace){.id = stored, .trace_no = trace_no};
        struct trace_result *trace = &found->now.graph.trace;
        trace->start_ns = (uint64_t)sqlite3_column_int64(row, 1);
        trace->duration_ns = finder_ns(row, 2);
        trace->entry = read_node_no(fetching, sqlite3_column_int64(row, 3));
        trace->entry_operation = finder_name(fetching, sqlite3_column_int64(row, 4));
        trace->origin = read_node_no(fetching, sqlite3_column_int64(row, 5));
        trace->origin_operation = finder_name(fetching, sqlite3_column_int64(row, 6));
        trace->origin_reason = finder_name(fetching, sqlite3_column_int64(row, 7));
        trace->span_count = (uint32_t)sqlite3_column_int64(row, 8);
        trace->service_count = (uint32_t)sqlite3_column_int64(row, 9);
        trace->error_count = (uint32_t)sqlite3_column_int64(row, 10);
        trace->parts = (uint32_t)sqlite3_column_int64(row, 11);
        trace->error = sqlite3_column_int64(row, 12) & TRACE_ERROR;
        trace->complete = sqlite3_column_int64(row, 12) & TRACE_COMPLETE;
        trace->late_piece = sqlite3_column_int64(row, 12) & TRACE_LATE_PIECE;
        trace->began_by_proxy = sqlite3_column_int64(row, 12) & TRACE_BEGAN_BY_PROXY;
        found->reopened = (uint32_t)sqlite3_column_int64(row, 13);
        found->base = trace->span_count >= fetching->finder->max_spans ? trace->span_count : 0;
        struct str blob = arena_dup(fetching->arena, column_text(row, 14));
        there = blob.p && read_calls(fetching, blob, &found->now.graph) ? 1 : -1;
    }
    sqlite3_reset(row);
    if (there == 1 && !found->base && !read_spans(fetching, trace_no, &found->now))
        there = -1;
    return there;
}

/* `named`: the id, or its lower half. */
static int look_in_run(struct fetching *fetching, struct trace_id id, struct trace_id named,
                       uint64_t run, struct cut_trace *found)
{
    sqlite3_stmt *key = fetching->finder->key;
    int there = 0;
    sqlite3_bind_int64(key, 1, (int64_t)run);
    sqlite3_bind_int64(key, 2, trace_id_key(named));
    while (!there && finder_next_row(fetching, key))
        there = read_trace(fetching, id, (uint64_t)sqlite3_column_int64(key, 0), found);
    sqlite3_reset(key);
    return there;
}

static int look(struct fetching *fetching, struct trace_id id, struct trace_id named,
                struct cut_trace *found)
{
    uint64_t runs[MAX_CANDIDATES], trace_no;
    size_t n = keys_candidates(fetching->finder->store, named, runs, MAX_CANDIDATES, &trace_no);
    int there = trace_no ? read_trace(fetching, id, trace_no, found) : 0;
    for (size_t i = 0; i < n && !there; i++)
        there = look_in_run(fetching, id, named, runs[i], found);
    return there;
}

int trace_finder_fetch(struct trace_finder *finder, struct trace_id id, struct names *names,
                       struct nodes *nodes, struct shapes *shapes, struct arena *arena,
                       struct cut_trace *found, struct err *err)
{
    struct fetching fetching = {finder, names, nodes, shapes, arena, false};
    uint64_t trace_no;
    sqlite3_exec(finder->db, "BEGIN", NULL, NULL, NULL);
    int there = look(&fetching, id, id, found);
    if (!there && id.high && keys_have_short(finder->store))
        there = look(&fetching, id, (struct trace_id){0, id.low}, found);
    if (!there && keys_kin(finder->store, &id, &trace_no))
        there = read_trace(&fetching, id, trace_no, found);
    sqlite3_exec(finder->db, "COMMIT", NULL, NULL, NULL);
    there = fetching.failed ? -1 : there;
    if (there < 0)
        err_set(err, ERR_IO, "a stored trace could not be read: %s", sqlite3_errmsg(finder->db));
    return there;
}

void trace_finder_span_keys(struct trace_finder *finder, const struct cut_trace *found,
                            void (*tell)(void *ctx, struct trace_id id, uint64_t span_id,
                                         uint64_t start_ns),
                            void *ctx)
{
    sqlite3_stmt *select;
    if (sqlite3_prepare_v2(finder->db,
                           "SELECT span_id, start_offset, bits FROM span_row WHERE trace_no = ?",
                           -1, &select, NULL) != SQLITE_OK)
        return;
    sqlite3_bind_int64(select, 1, (int64_t)found->trace_no);
    while (sqlite3_step(select) == SQLITE_ROW) {
        bool from_0 = sqlite3_column_int64(select, 2) & SPAN_OFFSET_FROM_0;
        tell(ctx, found->id, (uint64_t)sqlite3_column_int64(select, 0),
             (from_0 ? 0 : found->now.graph.trace.start_ns) +
                 (uint64_t)sqlite3_column_int64(select, 1));
    }
    sqlite3_finalize(select);
}
