/* query_layout.c - one trace as the page draws it: columns of numbers in order of rows, so that ten
 * thousand spans are one short text. What a span carries beside is asked for when it is selected.
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/model/flag_words.h"
#include "collector/store/trace_view.h"

#define MOST_ROWS 50000u /* beyond: the critical path, failures, and what stands over them */

struct layout {
    const struct trace_view *view;
    uint32_t *rows;   /* shown records, in order */
    uint32_t *row_of; /* record -> row, NO_ROW */
    uint32_t n;
    uint32_t *node_numbers; /* row id of a node -> its place in `nodes`, plus one */
    uint32_t n_nodes;
    struct map text_map;
    uint32_t *text_rows, n_texts; /* a record that has the text */
};

/* ---- which rows ---- */

static bool choose_rows(struct layout *layout)
{
    const struct trace_view *view = layout->view;
    bool *keep = malloc(view->n + 1);
    layout->rows = malloc((view->n + 1) * sizeof(uint32_t));
    layout->row_of = malloc((view->n + 1) * sizeof(uint32_t));
    if (!keep || !layout->rows || !layout->row_of) {
        free(keep);
        return false;
    }
    for (uint32_t i = 0; i < view->n; i++) {
        const struct tree_span *span = &view->tree_spans[i];
        keep[i] = view->n <= MOST_ROWS || span->critical || span->failed;
        layout->row_of[i] = NO_ROW;
    }
    for (uint32_t k = view->tree.n; k-- > 0;) { /* from the leaves: what is kept keeps its parent */
        uint32_t at = view->tree.order[k], parent = view->tree_spans[at].parent;
        if (keep[at] && parent != NO_ROW)
            keep[parent] = true;
    }
    for (uint32_t k = 0; k < view->tree.n; k++) {
        uint32_t at = view->tree.order[k];
        if (!keep[at])
            continue;
        layout->row_of[at] = layout->n;
        layout->rows[layout->n++] = at;
    }
    free(keep);
    return true;
}

/* ---- numbers for nodes and texts ---- */

static uint32_t node_number(struct layout *layout, uint32_t node)
{
    if (node >= layout->view->search.n_nodes)
        node = 0;
    if (!layout->node_numbers[node])
        layout->node_numbers[node] = ++layout->n_nodes;
    return layout->node_numbers[node] - 1;
}

static bool number_texts(struct layout *layout, uint32_t *numbers)
{
    const struct trace_view *view = layout->view;
    layout->text_rows = malloc((layout->n + 1) * sizeof(uint32_t));
    if (!layout->text_rows)
        return false;
    for (uint32_t r = 0; r < layout->n; r++) {
        struct str text = view->spans[layout->rows[r]].operation;
        uint64_t hash = hash_str(text);
        numbers[r] = NO_ROW;
        for (struct map_iter it = map_find(&layout->text_map, hash);
             map_next(&layout->text_map, &it);) {
            if (str_eq(view->spans[layout->text_rows[it.value]].operation, text))
                numbers[r] = it.value;
        }
        if (numbers[r] != NO_ROW)
            continue;
        numbers[r] = layout->n_texts;
        layout->text_rows[layout->n_texts] = layout->rows[r];
        if (!map_add(&layout->text_map, hash, layout->n_texts++))
            return false;
    }
    return true;
}

/* ---- columns ---- */

typedef int64_t column_f(struct layout *layout, uint32_t record);

static int64_t column_record(struct layout *layout, uint32_t record)
{
    (void)layout;
    return record;
}

static int64_t column_parent(struct layout *layout, uint32_t record)
{
    uint32_t parent = layout->view->tree_spans[record].parent;
    return parent == NO_ROW ? -1 : (int64_t)layout->row_of[parent];
}

static int64_t column_depth(struct layout *layout, uint32_t record)
{
    return layout->view->tree_spans[record].depth;
}

static int64_t column_node(struct layout *layout, uint32_t record)
{
    return node_number(layout, layout->view->spans[record].node);
}

static int64_t column_named(struct layout *layout, uint32_t record)
{
    return node_number(layout, layout->view->spans[record].named);
}

static int64_t column_start(struct layout *layout, uint32_t record)
{
    return layout->view->tree_spans[record].start_ns;
}

static int64_t column_duration(struct layout *layout, uint32_t record)
{
    return layout->view->spans[record].duration_ns;
}

static int64_t column_self(struct layout *layout, uint32_t record)
{
    return layout->view->spans[record].self_ns;
}

static int64_t column_kind(struct layout *layout, uint32_t record)
{
    return layout->view->tree_spans[record].kind;
}

static int64_t column_fault(struct layout *layout, uint32_t record)
{
    return layout->view->tree_spans[record].fault;
}

static int64_t column_lent(struct layout *layout, uint32_t record)
{
    return layout->view->tree_spans[record].lent;
}

static int64_t column_folded(struct layout *layout, uint32_t record)
{
    return layout->view->tree_spans[record].folded;
}

static int64_t column_attempt(struct layout *layout, uint32_t record)
{
    return layout->view->tree_spans[record].attempt;
}

static int64_t column_attempts(struct layout *layout, uint32_t record)
{
    return layout->view->tree_spans[record].n_attempts;
}

static int64_t column_orphan(struct layout *layout, uint32_t record)
{
    return layout->view->tree_spans[record].orphan;
}

static int64_t column_status(struct layout *layout, uint32_t record)
{
    const struct view_span *span = &layout->view->spans[record];
    return span->http_status >= 0  ? span->http_status
           : span->grpc_status > 0 ? -span->grpc_status
                                   : 0;
}

static const struct {
    const char *name;
    column_f *value;
} columns[] = {
    {"record", column_record},
    {"parent", column_parent},
    {"depth", column_depth},
    {"node", column_node},
    {"named", column_named},
    {"start_ns", column_start},
    {"duration_ns", column_duration},
    {"self_ns", column_self},
    {"kind", column_kind},
    {"fault", column_fault},
    {"lent", column_lent},
    {"folded", column_folded},
    {"attempt", column_attempt},
    {"attempts", column_attempts},
    {"orphan", column_orphan},
    {"status", column_status},
};

static void columns_json(struct layout *layout, const uint32_t *texts, struct buf *out)
{
    buf_add_c(out, ",\"spans\":{\"span_id\":[");
    for (uint32_t r = 0; r < layout->n; r++)
        buf_addf(out, r ? ",\"%016llx\"" : "\"%016llx\"",
                 (unsigned long long)layout->view->tree_spans[layout->rows[r]].span_id);
    buf_add_c(out, "],\"operation\":[");
    for (uint32_t r = 0; r < layout->n; r++) {
        if (r)
            buf_add_char(out, ',');
        buf_add_u64(out, texts[r]);
    }
    buf_add_char(out, ']');
    for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++) {
        buf_addf(out, ",\"%s\":[", columns[c].name);
        for (uint32_t r = 0; r < layout->n; r++) {
            if (r)
                buf_add_char(out, ',');
            buf_add_i64(out, columns[c].value(layout, layout->rows[r]));
        }
        buf_add_char(out, ']');
    }
    buf_add_char(out, '}');
}

/* What few rows have: {"row":value}. */
static void sparse_json(struct layout *layout, struct buf *out)
{
    const struct trace_view *view = layout->view;
    struct search *search = (struct search *)(uintptr_t)&view->search;
    buf_add_c(out, ",\"flags\":{");
    for (uint32_t r = 0; r < layout->n; r++) {
        struct str flags = search_name(search, view->spans[layout->rows[r]].flags);
        char row[16];
        snprintf(row, sizeof(row), "%u", r);
        if (flags.len && !str_eq(flags, STR("-")))
            json_member(out, row, flags);
    }
    buf_add_c(out, "},\"instances\":{");
    for (uint32_t r = 0; r < layout->n; r++) {
        char row[16];
        snprintf(row, sizeof(row), "%u", r);
        if (!view->tree_spans[layout->rows[r]].attempt)
            continue;
        const struct search_shape *shape =
            search_shape_of(search, view->spans[layout->rows[r]].shape);
        json_member(out, row, shape ? search_name(search, shape->instance) : STR_NONE);
    }
    buf_add_c(out, "},\"hairpins\":{");
    for (uint32_t r = 0; r < layout->n; r++) {
        uint32_t call = view->spans[layout->rows[r]].call;
        char row[16];
        snprintf(row, sizeof(row), "%u", r);
        if (call != NO_ROW && view->calls[call].call.hairpin)
            json_number_member(out, row,
                               view->calls[call].call.transit_ns == DURATION_UNKNOWN
                                   ? -1
                                   : (int64_t)view->calls[call].call.transit_ns);
    }
    buf_add_char(out, '}');
}

static void critical_json(struct layout *layout, struct buf *out)
{
    const struct trace_tree *tree = &layout->view->tree;
    bool first = true;
    buf_add_c(out, ",\"critical\":[");
    for (size_t i = 0; i < tree->n_pieces; i++) {
        uint32_t row = layout->row_of[tree->pieces[i].span];
        if (row == NO_ROW)
            continue;
        buf_addf(out, first ? "[%u,%lld,%lld]" : ",[%u,%lld,%lld]", row,
                 (long long)tree->pieces[i].from_ns, (long long)tree->pieces[i].to_ns);
        first = false;
    }
    buf_add_char(out, ']');
}

static void names_json(struct layout *layout, struct buf *out)
{
    const struct search *search = &layout->view->search;
    uint32_t *by_number = calloc(layout->n_nodes + 1, sizeof(*by_number));
    for (uint32_t i = 0; by_number && i < search->n_nodes; i++) {
        if (layout->node_numbers[i])
            by_number[layout->node_numbers[i] - 1] = i;
    }
    buf_add_c(out, ",\"nodes\":[");
    for (uint32_t i = 0; by_number && i < layout->n_nodes; i++) {
        if (i)
            buf_add_char(out, ',');
        search_node_json(search_node_of(search, by_number[i]), out);
    }
    buf_add_c(out, "],\"operations\":[");
    for (uint32_t i = 0; i < layout->n_texts; i++) {
        if (i)
            buf_add_char(out, ',');
        buf_add_json(out, layout->view->spans[layout->text_rows[i]].operation);
    }
    buf_add_char(out, ']');
    free(by_number);
}

/* ---- the head ---- */

/* A span's codes as the verdict shows them. */
static void codes_json(struct search *search, const struct view_span *span, struct buf *out)
{
    json_member(out, "response_flags", search_name(search, span->flags));
    if (span->http_status >= 0)
        json_number_member(out, "http_status", span->http_status);
    else
        buf_add_c(out, ",\"http_status\":null");
    if (span->grpc_status >= 0)
        json_number_member(out, "grpc_status", span->grpc_status);
    else
        buf_add_c(out, ",\"grpc_status\":null");
}

static void began_json(const struct layout *layout, struct search *search, struct buf *out)
{
    const struct trace_view *view = layout->view;
    struct search_origin origin = search_origin_of(search, &view->row);
    uint32_t at = trace_view_origin(view);
    buf_add_c(out, ",\"began\":");
    if (!origin.callee && at == NO_ROW) {
        buf_add_c(out, "null");
        return;
    }
    buf_add_char(out, '{');
    if (at != NO_ROW && layout->row_of[at] != NO_ROW)
        json_number_member(out, "row", layout->row_of[at]);
    else
        buf_add_c(out, "\"row\":null");
    buf_add_c(out, ",\"caller\":");
    if (origin.caller)
        search_node_json(origin.caller, out);
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"callee\":");
    search_node_json(origin.callee ? origin.callee : search_node_of(search, view->spans[at].node),
                     out);
    json_member(out, "operation", search_name(search, view->row.origin_operation));
    json_member(out, "reason", search_name(search, view->row.origin_reason));
    struct buf value;
    buf_init(&value, 1u << 16);
    search_origin_text(&origin, &value);
    json_member(out, "value", buf_str(&value));
    buf_fini(&value);
    if (at != NO_ROW)
        codes_json(search, &view->spans[at], out);
    buf_add_char(out, '}');
}

/* What happened, in one sentence around the place where it began. */
static void verdict_json(const struct trace_view *view, struct search *search, struct buf *out)
{
    struct search_origin origin = search_origin_of(search, &view->row);
    struct str reason = search_name(search, view->row.origin_reason);
    struct str entry = search_name(search, view->row.entry_operation);
    struct buf behind;
    buf_init(&behind, 1u << 16);
    json_member(out, "entry", entry.len ? entry : search_node_of(search, view->row.entry)->service);
    if (view->row.error && origin.callee && reason.len) {
        buf_add_c(&behind, ": ");
        reason_words(reason, &behind);
    }
    buf_add_char(&behind, '.');
    json_member(out, "why", buf_str(&behind));
    buf_fini(&behind);
}

static int head_json(struct layout *layout, struct buf *out, struct err *err)
{
    const struct trace_view *view = layout->view;
    buf_add_char(out, '{');
    if (trace_head_json(view->search.query, &view->pieces, false, out, err))
        return err->code;
    buf_addf(out, ",\"rows\":%u,\"all_rows\":%u", layout->n, view->n);
    search_services_json(&view->search, view->row.entry, view->row.calls, out);
    verdict_json(view, (struct search *)(uintptr_t)&view->search, out);
    began_json(layout, (struct search *)(uintptr_t)&view->search, out);
    return 0;
}

int query_layout_json(struct query *query, struct str id, struct buf *out, struct err *err)
{
    struct trace_view view;
    struct layout layout = {.view = &view};
    if (trace_view_open(&view, query, id, err))
        return err->code;
    uint32_t *texts = malloc((view.n + 1) * sizeof(*texts));
    layout.node_numbers = calloc(view.search.n_nodes + 1, sizeof(uint32_t));
    if (!texts || !layout.node_numbers || !choose_rows(&layout) || !number_texts(&layout, texts)) {
        err_set(err, ERR_BUSY, "memory is short");
    } else if (head_json(&layout, out, err) == 0) {
        columns_json(&layout, texts, out);
        sparse_json(&layout, out);
        critical_json(&layout, out);
        names_json(&layout, out);
        buf_add_char(out, '}');
    }
    map_fini(&layout.text_map);
    free(layout.text_rows);
    free(layout.node_numbers);
    free(layout.rows);
    free(layout.row_of);
    free(texts);
    trace_view_close(&view);
    return err->code;
}
