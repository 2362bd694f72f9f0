/* feed.c - the spans of the turn that is applied, as a table that SQLite reads from: one INSERT …
 * SELECT writes them all. A statement a span would open the table, seek and close for each.
 *
 * The columns are those of span_row, in its order. The table exists in the writer's connection only
 * and shows one turn at a time.
 */
#include <string.h>

#include "collector/store/rows.h"
#include "collector/store/store_internal.h"
#include "collector/store/traces.h"

struct feed_table {
    sqlite3_vtab base; /* must be first */
    struct store *store;
};

struct feed_cursor {
    sqlite3_vtab_cursor base; /* must be first */
    const struct turn *turn;
    const struct span_ids *ids; /* of this span */
    uint32_t trace, i;
    int64_t rowid;
};

static int feed_connect(sqlite3 *db, void *ctx, int argc, const char *const *argv,
                        sqlite3_vtab **table, char **message)
{
    (void)argc, (void)argv, (void)message;
    struct feed_table *feed = sqlite3_malloc(sizeof(*feed));
    if (!feed)
        return SQLITE_NOMEM;
    memset(feed, 0, sizeof(*feed));
    feed->store = ctx;
    *table = &feed->base;
    return sqlite3_declare_vtab(
        db, "CREATE TABLE turn_span (trace_no, i, shape, attribute_set, span_id, parent_id, "
            "start_offset, duration_ns, covered_ns, bits, http_status, grpc_status, flags_text, "
            "node, peer, arrival, own, events, links, message, name, weight, request_id)");
}

static int feed_disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

static int feed_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedCost = 1000;
    return SQLITE_OK;
}

static int feed_open(sqlite3_vtab *table, sqlite3_vtab_cursor **result)
{
    (void)table;
    struct feed_cursor *cursor = sqlite3_malloc(sizeof(*cursor));
    if (!cursor)
        return SQLITE_NOMEM;
    memset(cursor, 0, sizeof(*cursor));
    *result = &cursor->base;
    return SQLITE_OK;
}

static int feed_close(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static void skip_empty(struct feed_cursor *at)
{
    while (at->trace < at->turn->n_traces && at->i >= at->turn->traces[at->trace].now.n_records) {
        at->trace++;
        at->i = 0;
    }
}

static int feed_filter(sqlite3_vtab_cursor *cursor, int n, const char *name, int argc,
                       sqlite3_value **argv)
{
    (void)n, (void)name, (void)argc, (void)argv;
    struct feed_cursor *at = (struct feed_cursor *)cursor;
    struct store *store = ((struct feed_table *)cursor->pVtab)->store;
    at->turn = store->feed_turn;
    at->ids = store->feed_ids;
    at->trace = at->i = 0;
    at->rowid = 0;
    skip_empty(at);
    return SQLITE_OK;
}

static int feed_next(sqlite3_vtab_cursor *cursor)
{
    struct feed_cursor *at = (struct feed_cursor *)cursor;
    at->i++;
    at->ids++;
    at->rowid++;
    skip_empty(at);
    return SQLITE_OK;
}

static int feed_eof(sqlite3_vtab_cursor *cursor)
{
    const struct feed_cursor *at = (const struct feed_cursor *)cursor;
    return at->trace >= at->turn->n_traces;
}

static int feed_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
    *rowid = ((struct feed_cursor *)cursor)->rowid;
    return SQLITE_OK;
}

/* What gives nothing is NULL. */
static void give_ns(sqlite3_context *to, uint64_t ns)
{
    if (ns != DURATION_UNKNOWN)
        sqlite3_result_int64(to, (int64_t)ns);
}

static void give_code(sqlite3_context *to, int code)
{
    if (code != CODE_NONE)
        sqlite3_result_int(to, code);
}

static void give_text(sqlite3_context *to, struct str text)
{
    if (text.len)
        sqlite3_result_text(to, text.p, (int)text.len, SQLITE_STATIC);
}

static uint64_t covered_ns(const struct record *record, const struct span_result *result)
{
    return result->self_ns == DURATION_UNKNOWN || record->duration_ns == DURATION_UNKNOWN
               ? DURATION_UNKNOWN
               : record->duration_ns - result->self_ns;
}

/* What a span's start is written as an offset to: its trace's start; 0 where there is no start, or
 * the trace's is not at hand. */
static uint64_t origin_ns(const struct cut_trace *trace, const struct record *record)
{
    return record->start_ns && !trace->base ? trace->now.graph.trace.start_ns : 0;
}

static int feed_column(sqlite3_vtab_cursor *cursor, sqlite3_context *to, int column)
{
    const struct feed_cursor *at = (const struct feed_cursor *)cursor;
    const struct cut_trace *trace = &at->turn->traces[at->trace];
    const struct record *record = &trace->now.records[at->i];
    const struct span_result *result = &trace->now.graph.spans[at->i];
    switch (column) {
    case 0:
        sqlite3_result_int64(to, (int64_t)trace->trace_no);
        break;
    case 1:
        sqlite3_result_int64(to, (int64_t)trace->base + at->i);
        break;
    case 2:
        sqlite3_result_int64(to, at->ids->shape);
        break;
    case 3:
        sqlite3_result_int64(to, at->ids->set);
        break;
    case 4:
        sqlite3_result_int64(to, (int64_t)record->span_id);
        break;
    case 5:
        sqlite3_result_int64(to, (int64_t)record->parent_id);
        break;
    case 6:
        sqlite3_result_int64(to, (int64_t)(record->start_ns - origin_ns(trace, record)));
        break;
    case 7:
        give_ns(to, record->duration_ns);
        break;
    case 8:
        give_ns(to, covered_ns(record, result));
        break;
    case 9:
        sqlite3_result_int64(to, span_bits(record, result) |
                                     (origin_ns(trace, record) ? 0 : SPAN_OFFSET_FROM_0));
        break;
    case 10:
        give_code(to, record->http_status);
        break;
    case 11:
        give_code(to, record->grpc_status);
        break;
    case 12:
        sqlite3_result_int64(to, at->ids->flags_text);
        break;
    case 13:
        sqlite3_result_int64(to, at->ids->node);
        break;
    case 14:
        sqlite3_result_int64(to, at->ids->peer);
        break;
    case 15:
        sqlite3_result_int64(to, record->arrival);
        break;
    case 16:
        give_text(to, own_attributes(record->own));
        break;
    case 17:
        give_text(to, own_events(record->own));
        break;
    case 18:
        give_text(to, own_links(record->own));
        break;
    case 19:
        give_text(to, own_message(record->own));
        break;
    case 20:
        give_text(to, own_name(record->own));
        break;
    case 21:
        if (record->weight != 1.0f)
            sqlite3_result_double(to, record->weight);
        break;
    case 22:
        if (record->request_id)
            sqlite3_result_int64(to, (int64_t)record->request_id);
        break;
    default:
        break;
    }
    return SQLITE_OK;
}

int feed_register(struct store *store)
{
    /* Without xCreate the table is there by its name alone and cannot be made in the file. */
    static const sqlite3_module module = {
        .xConnect = feed_connect,
        .xBestIndex = feed_best_index,
        .xDisconnect = feed_disconnect,
        .xOpen = feed_open,
        .xClose = feed_close,
        .xFilter = feed_filter,
        .xNext = feed_next,
        .xEof = feed_eof,
        .xColumn = feed_column,
        .xRowid = feed_rowid,
    };
    return sqlite3_create_module(store->db, "turn_span", &module, store);
}
