/* finder_requests.c - which spans of the last minutes bore which x-request-id, for a start: what
 * joined traces before goes on doing so. */
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/store/finder_internal.h"
#include "collector/store/rows.h"

#define MAX_SPANS 32768
#define LOOK_BACK_S 600
#define MAX_CALLS 64u /* of a trace that are looked at */

/* Shapes by row: many spans have few. */
struct seen_shapes {
    struct map map; /* row -> index */
    struct seen_shape {
        int64_t row;
        const struct shape *shape;
        uint32_t no;
    } * items;
    uint32_t n, cap;
};

/* How the trace counted what came to it, and what went from it. */
struct counted_calls {
    int64_t trace_no;
    uint32_t callee_spans[MAX_CALLS];
    uint8_t known_by[MAX_CALLS];
    unsigned n;
    bool leaf, tells; /* a call that nobody of it answered; one that another trace's span did */
};

static const struct seen_shape *shape_of(struct fetching *fetching, struct seen_shapes *seen,
                                         int64_t row)
{
    uint64_t hash = hash_u64((uint64_t)row);
    for (struct map_iter it = map_find(&seen->map, hash); map_next(&seen->map, &it);) {
        if (seen->items[it.value].row == row)
            return &seen->items[it.value];
    }
    if (seen->n == seen->cap) {
        uint32_t cap = seen->cap ? 2 * seen->cap : 256;
        struct seen_shape *grown = realloc(seen->items, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        seen->items = grown;
        seen->cap = cap;
    }
    struct seen_shape *item = &seen->items[seen->n];
    item->row = row;
    item->shape = finder_shape(fetching, row, &item->no);
    if (!item->shape || !map_add(&seen->map, hash, seen->n))
        return NULL;
    return &seen->items[seen->n++];
}

static void read_counted(struct counted_calls *counted, int64_t trace_no, struct str blob)
{
    struct call call;
    struct call_ids ids;
    *counted = (struct counted_calls){.trace_no = trace_no};
    while (counted->n < MAX_CALLS && blob.len && calls_unpack_one(&blob, &call, &ids)) {
        bool unanswered = call.callee_span == NO_SPAN;
        bool joined = unanswered && call.known_by == KNOWN_REQUEST_ID;
        counted->tells = counted->tells || joined;
        counted->leaf =
            counted->leaf || joined || (unanswered && call.known_by == KNOWN_CALLER_ONLY);
        counted->callee_spans[counted->n] = call.callee_span;
        counted->known_by[counted->n++] = call.known_by;
    }
}

static void say_counted(const struct counted_calls *counted, uint32_t i,
                        struct known_request *known)
{
    known->counted = counted->leaf;
    known->tells = counted->tells;
    for (unsigned k = 0; k < counted->n; k++) {
        if (counted->callee_spans[k] != i)
            continue;
        known->entry = counted->known_by[k] == KNOWN_ENTRY;
        known->joined = counted->known_by[k] == KNOWN_REQUEST_ID;
    }
}

static bool read_request(struct fetching *fetching, sqlite3_stmt *row, struct seen_shapes *seen,
                         struct known_request *known)
{
    const struct seen_shape *shape = shape_of(fetching, seen, sqlite3_column_int64(row, 2));
    int64_t bits = sqlite3_column_int64(row, 7);
    struct span_result result = {0};
    struct record *record = &known->record;
    uint64_t id[2];
    if (!shape || sqlite3_column_bytes(row, 12) != sizeof(id))
        return false;
    memcpy(id, sqlite3_column_blob(row, 12), sizeof(id));
    known->id = (struct trace_id){__builtin_bswap64(id[0]), __builtin_bswap64(id[1])};
    uint64_t base_ns = bits & SPAN_OFFSET_FROM_0 ? 0 : (uint64_t)sqlite3_column_int64(row, 13);
    *record = (struct record){
        .shape = shape->shape,
        .shape_no = shape->no,
        .span_id = (uint64_t)sqlite3_column_int64(row, 3),
        .parent_id = (uint64_t)sqlite3_column_int64(row, 4),
        .start_ns = base_ns + (uint64_t)sqlite3_column_int64(row, 5),
        .duration_ns = finder_ns(row, 6),
        .http_status = finder_code(row, 8),
        .grpc_status = finder_code(row, 9),
        .flags_text = finder_name(fetching, sqlite3_column_int64(row, 10)),
        .request_id = (uint64_t)sqlite3_column_int64(row, 11),
    };
    span_bits_read(bits, record, &result);
    record->flags = response_flags_parse(names_text(fetching->names, record->flags_text));
    return true;
}

/* The trace from which on there are so many spans, none older than they may be; INT64_MAX when
 * there is none. */
static int64_t first_trace(struct fetching *fetching)
{
    sqlite3_stmt *select;
    int64_t first = INT64_MAX, n = 0, newest_s = 0;
    if (sqlite3_prepare_v2(fetching->finder->db,
                           "SELECT trace_no, span_count, stored_s FROM trace_row "
                           "ORDER BY trace_no DESC",
                           -1, &select, NULL) != SQLITE_OK) {
        fetching->failed = true;
        return first;
    }
    while (finder_next_row(fetching, select)) {
        int64_t stored_s = sqlite3_column_int64(select, 2);
        newest_s = newest_s ? newest_s : stored_s;
        n += sqlite3_column_int64(select, 1);
        if (stored_s + LOOK_BACK_S < newest_s || (n > MAX_SPANS && first != INT64_MAX))
            break;
        first = sqlite3_column_int64(select, 0);
    }
    sqlite3_finalize(select);
    return first;
}

static void read_requests(struct fetching *fetching, int64_t first, struct seen_shapes *seen,
                          void (*tell)(void *ctx, const struct known_request *known), void *ctx)
{
    sqlite3_stmt *select;
    struct counted_calls counted = {0};
    if (sqlite3_prepare_v2(
            fetching->finder->db,
            "SELECT t.trace_no, s.i, s.shape, s.span_id, s.parent_id, "
            "s.start_offset, s.duration_ns, s.bits, s.http_status, s.grpc_status, "
            "s.flags_text, s.request_id, t.id, t.start_ns, t.calls FROM trace_row t "
            "CROSS JOIN span_row s ON s.trace_no = t.trace_no "
            "WHERE t.trace_no >= ? AND s.request_id != 0 ORDER BY t.trace_no LIMIT ?",
            -1, &select, NULL) != SQLITE_OK) {
        fetching->failed = true;
        return;
    }
    sqlite3_bind_int64(select, 1, first);
    sqlite3_bind_int(select, 2, 2 * MAX_SPANS);
    while (finder_next_row(fetching, select)) {
        struct known_request known = {0};
        int64_t trace_no = sqlite3_column_int64(select, 0);
        if (trace_no != counted.trace_no)
            read_counted(&counted, trace_no,
                         (struct str){sqlite3_column_blob(select, 14),
                                      (size_t)sqlite3_column_bytes(select, 14)});
        if (!read_request(fetching, select, seen, &known))
            continue;
        say_counted(&counted, (uint32_t)sqlite3_column_int64(select, 1), &known);
        tell(ctx, &known);
    }
    sqlite3_finalize(select);
}

int trace_finder_requests(struct trace_finder *finder, struct names *names, struct nodes *nodes,
                          struct shapes *shapes,
                          void (*tell)(void *ctx, const struct known_request *known), void *ctx,
                          struct err *err)
{
    struct fetching fetching = {finder, names, nodes, shapes, NULL, false};
    struct seen_shapes seen = {0};
    map_init(&seen.map);
    sqlite3_exec(finder->db, "BEGIN", NULL, NULL, NULL);
    int64_t first = first_trace(&fetching);
    if (first != INT64_MAX)
        read_requests(&fetching, first, &seen, tell, ctx);
    sqlite3_exec(finder->db, "COMMIT", NULL, NULL, NULL);
    map_fini(&seen.map);
    free(seen.items);
    if (fetching.failed)
        return err_set(err, ERR_IO, "request ids of the last minutes could not be read: %s",
                       sqlite3_errmsg(finder->db));
    return 0;
}
