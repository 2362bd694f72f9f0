/* trace_view.c - reading a trace for a person, and the hops of its calls. */
#include "collector/store/trace_view.h"

#include <stdlib.h>

#include "collector/store/traces.h"

/* ---- finding ---- */

static bool parse_id(struct str text, struct trace_id *id)
{
    char padded[33];
    if (!text.len || text.len > 32)
        return false;
    memset(padded, '0', 32);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!hex)
            return false;
        padded[32 - text.len + i] = c;
    }
    padded[32] = '\0';
    id->low = strtoull(padded + 16, NULL, 16);
    padded[16] = '\0';
    id->high = strtoull(padded, NULL, 16);
    return true;
}

#define RUNS                                                                                       \
    "WITH RECURSIVE run(n) AS (SELECT (SELECT ifnull(min(trace_no), 0) / 100000 FROM trace_row) "  \
    "UNION ALL SELECT n + 1 FROM run WHERE n < (SELECT next_trace_no / 100000 FROM position)) "

/* Looks through the runs of traces; the id itself decides. */
static int find_pieces(struct query *query, struct trace_id id, struct trace_pieces *pieces,
                       struct err *err)
{
    sqlite3_stmt *select;
    uint64_t halves[2] = {__builtin_bswap64(id.high), __builtin_bswap64(id.low)};
    int code;
    pieces->n = 0;
    if (query_begin(
            query,
            RUNS
            "SELECT t.trace_no FROM run CROSS JOIN trace_key k ON k.run = run.n AND k.hash = ?1 "
            "CROSS JOIN trace_row t ON t.trace_no = k.trace_no WHERE t.id = ?2",
            &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, trace_id_key(id));
    sqlite3_bind_blob(select, 2, halves, 16, SQLITE_STATIC);
    while ((code = sqlite3_step(select)) == SQLITE_ROW && pieces->n < MOST_PIECES)
        pieces->no[pieces->n++] = sqlite3_column_int64(select, 0);
    return query_end(query, select, code, err);
}

/* A trace that came under the lower half of its id too has a key for it. */
static int complete_id(struct query *query, struct trace_id *id, struct err *err)
{
    sqlite3_stmt *select;
    uint64_t low = __builtin_bswap64(id->low), high;
    if (query_begin(query,
                    RUNS "SELECT substr(t.id, 1, 8) FROM run CROSS JOIN trace_key k "
                         "ON k.run = run.n AND k.hash = ?1 CROSS JOIN trace_row t "
                         "ON t.trace_no = k.trace_no WHERE substr(t.id, 9) = ?2 "
                         "ORDER BY t.trace_no DESC LIMIT 1",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, trace_id_key((struct trace_id){0, id->low}));
    sqlite3_bind_blob(select, 2, &low, 8, SQLITE_STATIC);
    int code = sqlite3_step(select);
    if (code == SQLITE_ROW && sqlite3_column_bytes(select, 0) == 8) {
        memcpy(&high, sqlite3_column_blob(select, 0), 8);
        id->high = __builtin_bswap64(high);
    }
    return query_end(query, select, code, err);
}

int query_trace_pieces(struct query *query, struct str id, struct trace_pieces *pieces,
                       struct err *err)
{
    struct trace_id wanted;
    if (!parse_id(id, &wanted))
        return err_set(err, ERR_INVALID, "a trace id is 1 to 32 hexadecimal digits");
    if (find_pieces(query, wanted, pieces, err) || pieces->n || wanted.high ||
        complete_id(query, &wanted, err) || !wanted.high)
        return err->code;
    return find_pieces(query, wanted, pieces, err);
}

int query_trace_number(struct query *query, struct str id, int64_t *trace_no, struct err *err)
{
    struct trace_pieces pieces;
    if (query_trace_pieces(query, id, &pieces, err))
        return err->code;
    *trace_no = pieces.n ? pieces.no[0] : 0;
    return 0;
}

int query_trace_exists(struct query *query, struct str id, bool *exists, struct err *err)
{
    int64_t trace_no;
    if (query_trace_number(query, id, &trace_no, err))
        return err->code;
    *exists = trace_no != 0;
    return 0;
}

/* ---- loading ---- */

static int load_row(struct trace_view *view, int64_t trace_no, struct search_trace *trace,
                    struct err *err)
{
    sqlite3_stmt *select;
    if (query_begin(
            view->search.query,
            "SELECT start_ns, duration_ns, entry, entry_operation, origin, "
            "origin_operation, origin_reason, bits, calls FROM trace_row WHERE trace_no = ?",
            &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, trace_no);
    int code = sqlite3_step(select);
    if (code == SQLITE_ROW) {
        struct str calls = {sqlite3_column_blob(select, 8),
                            (size_t)sqlite3_column_bytes(select, 8)};
        *trace = (struct search_trace){
            .trace_no = trace_no,
            .start_ns = (uint64_t)sqlite3_column_int64(select, 0),
            .duration_ns = sqlite3_column_type(select, 1) == SQLITE_NULL
                               ? DURATION_UNKNOWN
                               : (uint64_t)sqlite3_column_int64(select, 1),
            .entry = (uint32_t)sqlite3_column_int64(select, 2),
            .entry_operation = sqlite3_column_int64(select, 3),
            .origin = (uint32_t)sqlite3_column_int64(select, 4),
            .origin_operation = sqlite3_column_int64(select, 5),
            .origin_reason = sqlite3_column_int64(select, 6),
            .error = sqlite3_column_int(select, 7) & 1,
            .calls = arena_dup(&view->search.arena, calls),
        };
        if (calls.len && !trace->calls.p)
            code = SQLITE_NOMEM;
    }
    return query_end(view->search.query, select, code, err);
}

static int64_t number_or(sqlite3_stmt *row, int column, int64_t without)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? without
                                                           : sqlite3_column_int64(row, column);
}

static bool reserve(struct trace_view *view)
{
    if (view->n < view->cap)
        return true;
    uint32_t cap = view->cap ? 2 * view->cap : 64;
    struct tree_span *tree = realloc(view->tree_spans, cap * sizeof(*tree));
    if (tree)
        view->tree_spans = tree;
    struct view_span *spans = realloc(view->spans, cap * sizeof(*spans));
    if (spans)
        view->spans = spans;
    view->cap = tree && spans ? cap : view->cap;
    return tree && spans;
}

/* `begin_ns`: of the piece that it is of. */
static void read_span(struct trace_view *view, uint64_t begin_ns, sqlite3_stmt *row)
{
    struct view_span *span = &view->spans[view->n];
    struct tree_span *tree = &view->tree_spans[view->n];
    int64_t bits = sqlite3_column_int64(row, 5);
    int64_t start_ns = sqlite3_column_int64(row, 2);
    *span = (struct view_span){.node = (uint32_t)sqlite3_column_int64(row, 9),
                               .peer = (uint32_t)sqlite3_column_int64(row, 10),
                               .shape = sqlite3_column_int64(row, 11),
                               .flags = sqlite3_column_int64(row, 8),
                               .http_status = number_or(row, 6, -1),
                               .grpc_status = number_or(row, 7, -1),
                               .duration_ns = number_or(row, 3, -1),
                               .self_ns = -1,
                               .call = NO_ROW};
    span->named = span->node;
    if (span->duration_ns >= 0 && sqlite3_column_type(row, 4) != SQLITE_NULL)
        span->self_ns = span->duration_ns - sqlite3_column_int64(row, 4);
    start_ns -= (int64_t)view->row.start_ns;
    if (!(bits & SPAN_OFFSET_FROM_0))
        start_ns += (int64_t)begin_ns;
    const struct search_shape *shape = search_shape_of(&view->search, span->shape);
    span->operation = sqlite3_column_type(row, 12) == SQLITE_NULL
                          ? search_name(&view->search, shape ? shape->operation : 0)
                          : arena_dup(&view->search.arena, column_str(row, 12));
    *tree = (struct tree_span){
        .span_id = (uint64_t)sqlite3_column_int64(row, 0),
        .parent_id = (uint64_t)sqlite3_column_int64(row, 1),
        .start_ns = start_ns,
        .end_ns = start_ns + (span->duration_ns > 0 ? span->duration_ns : 0),
        .operation = (uint64_t)(shape ? shape->operation : 0),
        .kind = shape ? shape->kind : KIND_UNSET,
        .role = search_node_of(&view->search, span->node)->role,
        .fault = SPAN_FAULT(bits),
        .failed = (bits & SPAN_FAILED) != 0,
    };
    view->n++;
}

static int load_spans(struct trace_view *view, const struct search_trace *piece, struct err *err)
{
    sqlite3_stmt *select;
    int code;
    if (query_begin(view->search.query,
                    "SELECT span_id, parent_id, start_offset, duration_ns, covered_ns, bits, "
                    "http_status, grpc_status, flags_text, node, peer, shape, name FROM span_row "
                    "WHERE trace_no = ? ORDER BY i",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, piece->trace_no);
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        if (!reserve(view)) {
            code = SQLITE_NOMEM;
            break;
        }
        read_span(view, piece->start_ns, select);
    }
    return query_end(view->search.query, select, code, err);
}

/* Services are told apart by name here: a node's other parts may be unknown on one side. */
static uint32_t service_number(const struct trace_view *view, uint32_t node)
{
    struct str name = search_node_of(&view->search, node)->service;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.p[i]) * 16777619u;
    return name.len ? hash | 1 : 0;
}

/* `first`: the number of the piece's first span. */
static int load_calls(struct trace_view *view, struct str blob, uint32_t first, struct err *err)
{
    struct view_call one;
    while (blob.len && calls_unpack_one(&blob, &one.call, &one.ids)) {
        if (view->n_calls == view->cap_calls) {
            uint32_t cap = view->cap_calls ? 2 * view->cap_calls : 64;
            struct view_call *grown = realloc(view->calls, cap * sizeof(*grown));
            if (!grown)
                return err_set(err, ERR_BUSY, "memory is short");
            view->calls = grown;
            view->cap_calls = cap;
        }
        one.call.caller_span += one.call.caller_span == NO_SPAN ? 0 : first;
        one.call.callee_span += one.call.callee_span == NO_SPAN ? 0 : first;
        view->calls[view->n_calls++] = one;
    }
    return 0;
}

static int load_piece(struct trace_view *view, uint32_t number, struct err *err)
{
    struct search_trace later, *piece = number ? &later : &view->row;
    view->first[number] = view->n;
    if (load_row(view, view->pieces.no[number], piece, err) || load_spans(view, piece, err))
        return err->code;
    return load_calls(view, piece->calls, view->first[number], err);
}

static void name_calls(struct trace_view *view)
{
    for (uint32_t i = 0; i < view->n; i++) {
        view->tree_spans[i].service = service_number(view, view->spans[i].node);
        view->tree_spans[i].peer_service = service_number(view, view->spans[i].peer);
    }
    for (uint32_t c = 0; c < view->n_calls; c++) {
        const struct call *call = &view->calls[c].call;
        bool caller = call->caller_span < view->n, callee = call->callee_span < view->n;
        if (caller)
            view->tree_spans[call->caller_span].caller_half = true;
        if (callee) {
            view->tree_spans[call->callee_span].callee_half = true;
            view->spans[call->callee_span].call = c;
        } else if (caller) {
            view->tree_spans[call->caller_span].lone_caller = true;
            view->spans[call->caller_span].call = c;
            if (search_node_of(&view->search, view->calls[c].ids.callee)->service.len)
                view->spans[call->caller_span].named = (uint32_t)view->calls[c].ids.callee;
        }
    }
}

static void mark_attempts(struct trace_view *view)
{
    for (uint32_t c = 0; c < view->n_calls; c++) {
        const struct call *call = &view->calls[c].call;
        uint32_t last = call->callee_span < view->n ? call->callee_span : call->caller_span;
        if (call->retries && last < view->n)
            trace_tree_mark_attempts(&view->tree, last, call->retries + 1u);
    }
    for (uint32_t i = 0; i < view->n; i++) {
        if (view->tree_spans[i].holds_attempts && view->spans[i].peer)
            view->spans[i].named = view->spans[i].peer;
    }
}

int trace_view_open(struct trace_view *view, struct query *query, struct str id, struct err *err)
{
    struct window none = {0, 0};
    *view = (struct trace_view){0};
    if (query_trace_pieces(query, id, &view->pieces, err))
        return err->code;
    if (!view->pieces.n)
        return err_set(err, ERR_NOT_FOUND, "there is no trace %.*s", STR_ARG(id));
    if (search_open(&view->search, query, none, STR_NONE, err))
        return err->code;
    for (uint32_t i = 0; i < view->pieces.n; i++) {
        if (load_piece(view, i, err))
            goto failed;
    }
    name_calls(view);
    if (trace_tree_build(&view->tree, view->tree_spans, view->n)) {
        mark_attempts(view);
        return 0;
    }
    err_set(err, ERR_BUSY, "memory is short");
failed:
    trace_view_close(view);
    return err->code;
}

void trace_view_close(struct trace_view *view)
{
    trace_tree_fini(&view->tree);
    free(view->tree_spans);
    free(view->spans);
    free(view->calls);
    search_close(&view->search);
}

/* ---- hops ---- */

unsigned trace_view_hops(struct trace_view *view, uint32_t span, struct view_hop *hops)
{
    unsigned n = 0;
    if (view->spans[span].call == NO_ROW)
        return 0;
    const struct view_call *one = &view->calls[view->spans[span].call];
    struct str blob = one->ids.hops;
    for (uint32_t i = 0; i < one->call.n_hops && n < MOST_HOPS; i++) {
        struct hop_ids ids;
        struct hop hop;
        if (!hops_unpack_one(&blob, &hop, &one->call, &ids))
            break;
        if (hop.time_ns == DURATION_UNKNOWN)
            continue;
        struct str name =
            ids.named == HOP_NAME_CALLEE   ? search_node_of(&view->search, one->ids.callee)->service
            : ids.named == HOP_NAME_CALLER ? search_node_of(&view->search, one->ids.caller)->service
                                           : search_name(&view->search, (int64_t)ids.name);
        hops[n++] = (struct view_hop){hop.kind, name, (int64_t)hop.time_ns};
    }
    return n;
}

/* ---- the origin ---- */

static uint32_t shown(const struct trace_view *view, uint32_t span)
{
    while (span != NO_ROW && view->tree_spans[span].folded)
        span = view->tree_spans[span].parent;
    return span;
}

uint32_t trace_view_origin(const struct trace_view *view)
{
    uint32_t last = NO_ROW;
    if (!view->row.error)
        return NO_ROW;
    for (uint32_t c = 0; c < view->n_calls; c++) {
        const struct view_call *one = &view->calls[c];
        uint32_t half =
            one->call.callee_span < view->n ? one->call.callee_span : one->call.caller_span;
        if (one->call.fault == FAULT_ORIGIN && one->ids.callee == view->row.origin &&
            half < view->n)
            last = half;
    }
    if (last != NO_ROW)
        last = shown(view, last);
    if (last != NO_ROW && view->tree_spans[last].lent == FAULT_ORIGIN)
        return last;
    /* A folded proxy's mark may be lent to the span below it. */
    for (uint32_t k = 0; k < view->tree.n; k++) {
        const struct tree_span *span = &view->tree_spans[view->tree.order[k]];
        if (span->lent == FAULT_ORIGIN && !span->folded)
            last = view->tree.order[k];
    }
    return last;
}
