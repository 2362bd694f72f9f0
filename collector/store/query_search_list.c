/* query_search_list.c - a page of the traces that fit a search line, newest, slowest or failed
 * first. */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/store/query_search.h"
#include "collector/store/search.h"

#define FIRST_CHUNK_NS NS_PER_MINUTE

/* Where a trace stands in the order: by rank, then start, then number, all downwards. */
struct place {
    uint64_t rank; /* new: 0; slow: duration; failed: 1 or 0 */
    uint64_t start_ns;
    int64_t trace_no;
};

struct listing {
    const struct search_request *request;
    struct place *places; /* the best so far, a heap with the worst first */
    size_t n, cap;
    struct place before; /* only what comes after this one */
    bool has_before;
};

static int compare(const struct place *a, const struct place *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->start_ns != b->start_ns)
        return a->start_ns < b->start_ns ? -1 : 1;
    return (a->trace_no > b->trace_no) - (a->trace_no < b->trace_no);
}

static int best_first(const void *a, const void *b)
{
    return compare(b, a);
}

bool search_in_box(const struct search_box *box, const struct search_trace *trace)
{
    return trace->start_ns >= box->from_ns && trace->start_ns < box->to_ns &&
           trace->duration_ns != DURATION_UNKNOWN && trace->duration_ns >= box->least_ns &&
           trace->duration_ns <= box->most_ns && !(box->failed && !trace->error) &&
           !(box->good && trace->error);
}

static void sift(struct listing *list, size_t at, bool up)
{
    struct place *p = list->places;
    while (up && at && compare(&p[(at - 1) / 2], &p[at]) > 0) {
        struct place kept = p[at];
        p[at] = p[(at - 1) / 2];
        p[(at - 1) / 2] = kept;
        at = (at - 1) / 2;
    }
    while (!up && 2 * at + 1 < list->n) {
        size_t child = 2 * at + 1;
        if (child + 1 < list->n && compare(&p[child + 1], &p[child]) < 0)
            child++;
        if (compare(&p[child], &p[at]) >= 0)
            return;
        struct place kept = p[at];
        p[at] = p[child];
        p[child] = kept;
        at = child;
    }
}

static bool visit(struct search *search, const struct search_trace *trace, uint32_t failed,
                  void *ctx)
{
    struct listing *list = ctx;
    const struct search_request *request = list->request;
    uint64_t duration_ns = trace->duration_ns == DURATION_UNKNOWN ? 0 : trace->duration_ns;
    struct place place = {request->order == ORDER_SLOW     ? duration_ns
                          : request->order == ORDER_FAILED ? trace->error
                                                           : 0,
                          trace->start_ns, trace->trace_no};
    (void)search, (void)failed;
    if (request->box.drawn && !search_in_box(&request->box, trace))
        return true;
    if (list->has_before && compare(&place, &list->before) >= 0)
        return true;
    if (list->n < list->cap) {
        list->places[list->n] = place;
        sift(list, list->n++, true);
    } else if (compare(&place, &list->places[0]) > 0) {
        list->places[0] = place;
        sift(list, 0, false);
    }
    return true;
}

/* Newest first needs only the end of the window: pieces from there, each twice as long. */
static int scan_newest(struct search *search, struct listing *list, struct err *err)
{
    struct window whole = search->window;
    uint64_t to_ns = whole.to_ns, length_ns = FIRST_CHUNK_NS;
    if (list->has_before && list->before.start_ns < to_ns)
        to_ns = list->before.start_ns + 1;
    while (to_ns > whole.from_ns && list->n < list->cap && !search->stopped) {
        uint64_t from_ns = to_ns - whole.from_ns > length_ns ? to_ns - length_ns : whole.from_ns;
        search->window = (struct window){from_ns, to_ns};
        if (search_scan(search, true, visit, list, err))
            return err->code;
        to_ns = from_ns;
        length_ns *= 2;
    }
    search->window = whole;
    return 0;
}

/* ---- items ---- */

struct details {
    sqlite3_stmt *trace, *entry, *origin, *row;
};

static int details_open(struct details *details, struct query *query, struct err *err)
{
    sqlite3 *db = query->db;
    int code = sqlite3_prepare_v2(db, TRACE_BY_NO, -1, &details->trace, NULL);
    code = code ? code
                : sqlite3_prepare_v2(db,
                                     "SELECT http_status, grpc_status FROM span_row WHERE trace_no "
                                     "= ? ORDER BY parent_id != 0, start_offset LIMIT 1",
                                     -1, &details->entry, NULL);
    code = code ? code
                : sqlite3_prepare_v2(
                      db,
                      "SELECT s.http_status, s.grpc_status, n.text FROM span_row s JOIN name n ON "
                      "n.id = s.flags_text WHERE s.trace_no = ? AND (s.bits >> 2 & 7) = 1 ORDER BY "
                      "n.text IN ('', '-'), s.http_status IS NULL, s.i LIMIT 1",
                      -1, &details->origin, NULL);
    code = code ? code
                : sqlite3_prepare_v2(db,
                                     "SELECT origin, bits, entry, calls FROM trace_row WHERE "
                                     "trace_no = ?",
                                     -1, &details->row, NULL);
    return code ? err_set(err, ERR_IO, "%s", sqlite3_errmsg(db)) : 0;
}

static void details_close(struct details *details)
{
    sqlite3_finalize(details->trace);
    sqlite3_finalize(details->entry);
    sqlite3_finalize(details->origin);
    sqlite3_finalize(details->row);
}

void search_node_json(const struct search_node *node, struct buf *out)
{
    buf_add_char(out, '{');
    json_member(out, "cluster", node->cluster);
    json_member(out, "namespace", node->namespace);
    json_member(out, "service", node->service);
    json_member(out, "version", node->version);
    json_member(out, "role", str_of(role_word(node->role)));
    buf_add_char(out, '}');
}

static bool same_service(const struct search_node *a, const struct search_node *b)
{
    return str_eq(a->service, b->service) && str_eq(a->namespace, b->namespace) &&
           str_eq(a->cluster, b->cluster);
}

#define MOST_SHOWN 32

void search_services_json(const struct search *search, uint32_t entry, struct str calls,
                          struct buf *out)
{
    const struct search_node *seen[MOST_SHOWN];
    unsigned n = 0;
    struct call call;
    struct call_ids ids;
    buf_add_c(out, ",\"services\":[");
    for (uint64_t id = entry; n < MOST_SHOWN;) {
        const struct search_node *node = search_node_of(search, id);
        bool known = !node->service.len || node->role == ROLE_USER;
        for (unsigned i = 0; i < n && !known; i++)
            known = same_service(seen[i], node);
        if (!known) {
            if (n)
                buf_add_char(out, ',');
            search_node_json(node, out);
            seen[n++] = node;
        }
        if (!calls.len || !calls_unpack_one(&calls, &call, &ids))
            break;
        id = ids.callee;
    }
    buf_add_char(out, ']');
}

/* The number and flags that the entry answered, or the origin. */
static void codes_json(sqlite3_stmt *select, int64_t trace_no, const char *name, struct buf *out)
{
    sqlite3_bind_int64(select, 1, trace_no);
    buf_addf(out, ",\"%s\":{", name);
    if (sqlite3_step(select) == SQLITE_ROW) {
        json_column(out, "http_status", select, 0);
        json_column(out, "grpc_status", select, 1);
        if (sqlite3_column_count(select) > 2)
            json_column(out, "response_flags", select, 2);
    }
    buf_add_char(out, '}');
    sqlite3_reset(select);
}

static void origin_json(struct search *search, const struct search_trace *trace,
                        struct details *details, struct buf *out)
{
    struct search_origin origin = search_origin_of(search, trace);
    if (!origin.callee) {
        buf_add_c(out, ",\"began\":null");
        return;
    }
    codes_json(details->origin, trace->trace_no, "began", out);
    out->len--;
    if (origin.caller) {
        buf_add_c(out, out->p[out->len - 1] == '{' ? "\"caller\":" : ",\"caller\":");
        search_node_json(origin.caller, out);
    }
    buf_add_c(out, out->p[out->len - 1] == '{' ? "\"callee\":" : ",\"callee\":");
    search_node_json(origin.callee, out);
    buf_add_c(out, ",\"value\":");
    struct buf text;
    buf_init(&text, 1u << 16);
    search_origin_text(&origin, &text);
    buf_add_json(out, buf_str(&text));
    buf_fini(&text);
    buf_add_char(out, '}');
}

static void item_json(struct search *search, struct details *details, int64_t trace_no,
                      struct buf *out)
{
    struct search_trace trace = {.trace_no = trace_no};
    sqlite3_bind_int64(details->trace, 1, trace_no);
    sqlite3_bind_int64(details->row, 1, trace_no);
    buf_add_char(out, '{');
    if (sqlite3_step(details->trace) == SQLITE_ROW)
        trace_columns_json(details->trace, out);
    if (sqlite3_step(details->row) == SQLITE_ROW) {
        trace.origin = (uint32_t)sqlite3_column_int64(details->row, 0);
        trace.error = sqlite3_column_int(details->row, 1) & 1;
        trace.entry = (uint32_t)sqlite3_column_int64(details->row, 2);
        trace.calls = (struct str){sqlite3_column_blob(details->row, 3),
                                   (size_t)sqlite3_column_bytes(details->row, 3)};
        search_services_json(search, trace.entry, trace.calls, out);
        codes_json(details->entry, trace_no, "answer", out);
        origin_json(search, &trace, details, out);
    }
    buf_add_char(out, '}');
    sqlite3_reset(details->trace);
    sqlite3_reset(details->row);
}

static int items_json(struct search *search, struct listing *list, struct buf *out, struct err *err)
{
    struct details details = {0};
    size_t n = list->n < list->request->limit ? list->n : list->request->limit;
    if (details_open(&details, search->query, err) == 0) {
        qsort(list->places, list->n, sizeof(*list->places), best_first);
        buf_add_c(out, "{\"items\":[");
        for (size_t i = 0; i < n; i++) {
            if (i)
                buf_add_char(out, ',');
            item_json(search, &details, list->places[i].trace_no, out);
        }
        if (list->n > n) {
            const struct place *last = &list->places[n - 1];
            buf_addf(out, "],\"next\":\"%llu.%llu.%lld\"}", (unsigned long long)last->rank,
                     (unsigned long long)last->start_ns, (long long)last->trace_no);
        } else {
            buf_add_c(out, "],\"next\":null}");
        }
    }
    details_close(&details);
    return err->code;
}

static bool read_cursor(struct str cursor, struct listing *list)
{
    struct str rank, start, number;
    uint64_t trace_no;
    list->has_before = cursor.len > 0;
    if (!list->has_before)
        return true;
    if (!str_cut(cursor, '.', &rank, &cursor) || !str_cut(cursor, '.', &start, &number) ||
        !str_to_u64(rank, &list->before.rank) || !str_to_u64(start, &list->before.start_ns) ||
        !str_to_u64(number, &trace_no))
        return false;
    list->before.trace_no = (int64_t)trace_no;
    return true;
}

/* Those that are named, in the order of their names. */
static int find_named(struct search *search, struct listing *list, struct err *err)
{
    struct str ids = list->request->ids, id;
    for (uint32_t asked = 0; ids.len; asked++) {
        int64_t trace_no;
        if (asked == list->request->limit)
            return err_set(err, ERR_INVALID, "ids names at most as many traces as limit, %u",
                           asked);
        str_cut(ids, ',', &id, &ids);
        if (query_trace_number(search->query, id, &trace_no, err))
            return err->code;
        if (trace_no)
            list->places[list->n++] = (struct place){list->cap - asked, 0, trace_no};
    }
    return 0;
}

/* Fills the list by the order that is asked for. */
static int scan(struct search *search, struct listing *list, struct err *err)
{
    if (list->request->ids.len)
        return find_named(search, list, err);
    return list->request->order == ORDER_NEW ? scan_newest(search, list, err)
                                             : search_scan(search, true, visit, list, err);
}

typedef int write_list(struct search *search, struct listing *list, struct buf *out,
                       struct err *err);

/* Searches, and writes what was found. */
static int answer(struct query *query, struct listing *list, write_list *write, struct buf *out,
                  struct err *err)
{
    struct search search;
    if (search_open(&search, query, list->request->window, list->request->q, err))
        return err->code;
    list->places = malloc(list->cap * sizeof(*list->places));
    if (!list->places)
        err_set(err, ERR_BUSY, "memory is short");
    else if (scan(&search, list, err) == 0)
        write(&search, list, out, err);
    free(list->places);
    search_close(&search);
    return err->code;
}

int query_search_traces_json(struct query *query, const struct search_request *request,
                             struct buf *out, struct err *err)
{
    struct listing list = {.request = request, .cap = request->limit + 1};
    if (!read_cursor(request->cursor, &list))
        return err_set(err, ERR_INVALID, "cursor is not one that an answer gave");
    return answer(query, &list, items_json, out, err);
}

/* ---- CSV ---- */

#define CSV_ROWS 10000

static void csv_cell(struct buf *out, struct str text)
{
    bool quote = false;
    for (size_t i = 0; i < text.len && !quote; i++)
        quote = text.p[i] == '"' || text.p[i] == ',' || text.p[i] == '\n' || text.p[i] == '\r';
    if (quote)
        buf_add_char(out, '"');
    if (text.len && memchr("=+-@\t", text.p[0], 5))
        buf_add_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '"')
            buf_add_char(out, '"');
        buf_add_char(out, text.p[i]);
    }
    if (quote)
        buf_add_char(out, '"');
}

static int csv_rows(struct search *search, struct listing *list, struct buf *out, struct err *err)
{
    struct details details = {0};
    qsort(list->places, list->n, sizeof(*list->places), best_first);
    if (details_open(&details, search->query, err) == 0) {
        for (int c = 1; c < sqlite3_column_count(details.trace); c++)
            buf_addf(out, c > 1 ? ",%s" : "%s", sqlite3_column_name(details.trace, c));
        for (size_t i = 0; i < list->n; i++) {
            buf_add_c(out, "\r\n");
            sqlite3_bind_int64(details.trace, 1, list->places[i].trace_no);
            bool found = sqlite3_step(details.trace) == SQLITE_ROW;
            for (int c = 1; found && c < sqlite3_column_count(details.trace); c++) {
                buf_add_c(out, c > 1 ? "," : "");
                csv_cell(out, column_str(details.trace, c));
            }
            sqlite3_reset(details.trace);
        }
        buf_add_c(out, "\r\n");
    }
    details_close(&details);
    return err->code;
}

int query_search_csv(struct query *query, const struct search_request *request, struct buf *out,
                     struct err *err)
{
    struct listing list = {.request = request, .cap = CSV_ROWS};
    return answer(query, &list, csv_rows, out, err);
}
