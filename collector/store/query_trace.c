/* query_trace.c - one trace, whole: its row, its spans with all they carry, its calls (CONTRACT
 * §7). */
#include "collector/model/flag_words.h"
#include "collector/store/trace_view.h"

#define N_SPAN_COLUMNS 22
#define SPAN_SQL                                                                                   \
    "SELECT trace_id, span_id, parent_span_id, cluster, namespace, service, version, instance, "   \
    "role, operation, kind, start_time, duration_ns, self_ns, status, status_message, "            \
    "http_status, grpc_status, response_flags, fault, peer, format, resource, attributes, "        \
    "events, links, i FROM span_numbered WHERE trace_no = ?1 "

static void hops_json(struct trace_view *view, uint32_t span, struct buf *out)
{
    struct view_hop hops[MOST_HOPS];
    unsigned n = trace_view_hops(view, span, hops);
    buf_add_char(out, '[');
    for (unsigned i = 0; i < n; i++) {
        buf_add_c(out, i ? ",{" : "{");
        json_member(out, "hop", str_of(hop_word(hops[i].hop)));
        json_member(out, "name", hops[i].name);
        json_number_member(out, "time_ns", hops[i].time_ns);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

/* The number of the span of a row of SPAN_SQL. */
static uint32_t record_of(const struct trace_view *view, uint32_t piece, sqlite3_stmt *row)
{
    return view->first[piece] + (uint32_t)sqlite3_column_int64(row, N_SPAN_COLUMNS + 4);
}

/* The members of a span, without braces: one row of SPAN_SQL. */
static void span_members(struct trace_view *view, uint32_t record, sqlite3_stmt *row,
                         struct buf *out)
{
    static const char *const names[N_SPAN_COLUMNS] = {
        "trace_id",       "span_id",     "parent_span_id", "cluster",        "namespace",
        "service",        "version",     "instance",       "role",           "operation",
        "kind",           "start_time",  "duration_ns",    "self_ns",        "status",
        "status_message", "http_status", "grpc_status",    "response_flags", "fault",
        "peer",           "format"};
    static const char *const texts[] = {"resource", "attributes", "events", "links"};
    for (int i = 0; i < N_SPAN_COLUMNS; i++)
        json_column(out, names[i], row, i);
    for (int i = 0; i < 4; i++) {
        buf_addf(out, ",\"%s\":", texts[i]);
        buf_add_str(out, column_str(row, N_SPAN_COLUMNS + i));
    }
    bool critical = record < view->n && view->tree_spans[record].critical;
    buf_addf(out, ",\"critical\":%s,\"hops\":", critical ? "true" : "false");
    if (record < view->n)
        hops_json(view, record, out);
    else
        buf_add_c(out, "[]");
}

static void span_id_json(const struct trace_view *view, const char *name, uint32_t span,
                         struct buf *out)
{
    buf_addf(out, "\"%s\":\"", name);
    if (span < view->n)
        buf_addf(out, "%016llx", (unsigned long long)view->tree_spans[span].span_id);
    buf_add_char(out, '"');
}

static void call_members(const struct trace_view *view, const struct call *call, struct buf *out)
{
    span_id_json(view, "caller_span", call->caller_span, out);
    buf_add_char(out, ',');
    span_id_json(view, "callee_span", call->callee_span, out);
    json_member(out, "known_by", str_of(known_by_word(call->known_by)));
    if (call->transit_ns == DURATION_UNKNOWN)
        buf_add_c(out, ",\"transit_ns\":null");
    else
        json_number_member(out, "transit_ns", (int64_t)call->transit_ns);
    json_member(out, "fault", str_of(call->recovered ? "recovered" : fault_word(call->fault)));
}

static int spans_json(struct trace_view *view, struct buf *out, struct err *err)
{
    sqlite3_stmt *select;
    struct query *query = view->search.query;
    bool first = true;
    int code;
    buf_add_c(out, ",\"spans\":[");
    for (uint32_t piece = 0; piece < view->pieces.n && !err->code; piece++) {
        if (query_begin(query, SPAN_SQL "ORDER BY i", &select, err))
            return err->code;
        sqlite3_bind_int64(select, 1, view->pieces.no[piece]);
        for (; (code = sqlite3_step(select)) == SQLITE_ROW; first = false) {
            buf_add_c(out, first ? "{" : ",{");
            span_members(view, record_of(view, piece, select), select, out);
            buf_add_char(out, '}');
        }
        query_end(query, select, code, err);
    }
    buf_add_c(out, "],\"calls\":[");
    return err->code;
}

int query_trace_json(struct query *query, struct str id, struct buf *out, struct err *err)
{
    struct trace_view view;
    if (trace_view_open(&view, query, id, err))
        return err->code;
    buf_add_char(out, '{');
    if (trace_head_json(query, &view.pieces, true, out, err) == 0 &&
        spans_json(&view, out, err) == 0) {
        for (uint32_t c = 0; c < view.n_calls; c++) {
            buf_add_c(out, c ? ",{" : "{");
            call_members(&view, &view.calls[c].call, out);
            buf_add_char(out, '}');
        }
        buf_add_c(out, "]}");
    }
    trace_view_close(&view);
    return err->code;
}

/* ---- one span ---- */

static void call_json(const struct trace_view *view, uint32_t number, struct buf *out)
{
    const struct view_call *one = &view->calls[number];
    buf_add_char(out, '{');
    call_members(view, &one->call, out);
    buf_add_c(out, ",\"caller\":");
    search_node_json(search_node_of(&view->search, one->ids.caller), out);
    buf_add_c(out, ",\"callee\":");
    search_node_json(search_node_of(&view->search, one->ids.callee), out);
    json_member(out, "security", str_of(security_word(one->call.security)));
    json_member(out, "crossing", str_of(crossing_word(one->call.crossing)));
    json_number_member(out, "retries", one->call.retries);
    buf_addf(out, ",\"hairpin\":%s}", one->call.hairpin ? "true" : "false");
}

/* A node as people say it: "cart v2". */
static void side_text(const struct search_node *node, struct buf *out)
{
    buf_add_str(out, node->service);
    if (node->version.len) {
        buf_add_char(out, ' ');
        buf_add_str(out, node->version);
    }
}

/* The flags of the span, or of a proxy that is folded into it. */
static struct str flags_of(struct trace_view *view, uint32_t record, int64_t *http_status)
{
    for (uint32_t i = record; i != NO_ROW; i = view->tree_spans[i].first_child) {
        struct str flags = search_name(&view->search, view->spans[i].flags);
        if (i != record && !view->tree_spans[i].folded)
            break;
        if (*http_status < 0)
            *http_status = view->spans[i].http_status;
        if (flags.len && !str_eq(flags, STR("-")))
            return flags;
    }
    return STR_NONE;
}

/* Why the failure began at this span: `"says":[TEXT,…]`; null where it did not. */
static void says_json(struct trace_view *view, uint32_t record, uint32_t call, struct buf *out)
{
    const struct view_span *span = &view->spans[record];
    const struct view_call *one = call == NO_ROW ? NULL : &view->calls[call];
    struct buf caller, callee;
    buf_add_c(out, ",\"says\":");
    if (view->tree_spans[record].lent != FAULT_ORIGIN) {
        buf_add_c(out, "null");
        return;
    }
    buf_init(&caller, 1u << 16);
    buf_init(&callee, 1u << 16);
    struct began_here began = {.http_status = span->http_status, .grpc_status = span->grpc_status};
    began.flags = flags_of(view, record, &began.http_status);
    began.callee_spoke = !one || one->call.callee_span != NO_SPAN;
    side_text(search_node_of(&view->search, one ? one->ids.callee : span->node), &callee);
    if (one && search_node_of(&view->search, one->ids.caller)->role != ROLE_USER)
        side_text(search_node_of(&view->search, one->ids.caller), &caller);
    began.caller = buf_str(&caller);
    began.callee = buf_str(&callee);
    began_here_json(&began, out);
    buf_fini(&caller);
    buf_fini(&callee);
}

/* The call that a span is a half of, whichever half. */
static uint32_t call_of(const struct trace_view *view, uint32_t span)
{
    for (uint32_t c = 0; c < view->n_calls; c++) {
        if (view->calls[c].call.callee_span == span || view->calls[c].call.caller_span == span)
            return c;
    }
    return NO_ROW;
}

static bool parse_span_id(struct str text, uint64_t *id)
{
    *id = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i] | 0x20;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return false;
        *id = *id << 4 | (uint64_t)digit;
    }
    return text.len > 0 && text.len <= 16;
}

static void span_item(struct trace_view *view, uint32_t record, sqlite3_stmt *row, struct buf *out)
{
    uint32_t call = call_of(view, record);
    buf_add_char(out, '{');
    span_members(view, record, row, out);
    json_number_member(out, "record", record);
    buf_add_c(out, ",\"call\":");
    if (call == NO_ROW)
        buf_add_c(out, "null");
    else
        call_json(view, call, out);
    says_json(view, record, call, out);
    buf_add_char(out, '}');
}

/* A span is named by its id; halves of Zipkin's shared ids are two. */
int query_span_json(struct query *query, struct str trace, struct str span, struct buf *out,
                    struct err *err)
{
    struct trace_view view;
    sqlite3_stmt *select;
    uint64_t id;
    unsigned n = 0;
    int code;
    if (!parse_span_id(span, &id))
        return err_set(err, ERR_INVALID, "a span id is 1 to 16 hexadecimal digits");
    if (trace_view_open(&view, query, trace, err))
        return err->code;
    buf_add_c(out, "{\"items\":[");
    for (uint32_t piece = 0; piece < view.pieces.n && !err->code; piece++) {
        if (query_begin(query,
                        SPAN_SQL "AND i IN (SELECT i FROM span_row WHERE trace_no = ?1 AND span_id "
                                 "= ?2) ORDER BY i",
                        &select, err))
            break;
        sqlite3_bind_int64(select, 1, view.pieces.no[piece]);
        sqlite3_bind_int64(select, 2, (int64_t)id);
        while ((code = sqlite3_step(select)) == SQLITE_ROW) {
            if (n++)
                buf_add_char(out, ',');
            span_item(&view, record_of(&view, piece, select), select, out);
        }
        query_end(query, select, code, err);
    }
    buf_add_c(out, "]}");
    if (!err->code && !n)
        err_set(err, ERR_NOT_FOUND, "this trace has no span %.*s", STR_ARG(span));
    trace_view_close(&view);
    return err->code;
}
