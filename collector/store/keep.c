/* keep.c - store.keep: once a trace cannot be reopened any more, the spans of ordinary traces go
 * but for a share of them. Their trace rows, calls, minutes and roll-ups stay: the graph counts
 * all.
 *
 * Spared are traces in which any call failed, whatever became of the request, that showed something
 * new about an edge (marked when they were stored), that an incident names, and those slower than
 * p99 of their entry. What is normal for an
 * entry is learnt from the traces that went by before, in trace_no order; the first LEARN of an
 * entry stay, as nothing is known yet: so does a new kind of trace.
 *
 * The share is taken by the trace's id, so that a trace looked at twice is judged alike.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/store/retention.h"
#include "collector/store/rows.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

#define SLICE_TRACES 500
#define LEARN 100
#define FORGET_AT 20000  /* then every count is halved: p99 follows the last ten thousand or so */
#define MAX_ENTRIES 4096 /* of 4 KiB at most; traces of entries beyond share one histogram */

struct keep_entry { /* durations of the traces of one entry operation */
    int64_t node, operation;
    struct histogram histogram;
};

struct candidate {
    int64_t trace_no;
    bool drop;
};

static struct keep_entry *entry_of(struct keep *keep, int64_t node, int64_t operation)
{
    uint64_t hash = hash_mix((uint64_t)node, (uint64_t)operation);
    for (struct map_iter it = map_find(&keep->map, hash); map_next(&keep->map, &it);) {
        struct keep_entry *entry = &keep->entries[it.value];
        if (entry->node == node && entry->operation == operation)
            return entry;
    }
    if (keep->n == MAX_ENTRIES)
        return &keep->entries[0];
    if (!keep->entries)
        keep->entries = calloc(MAX_ENTRIES, sizeof(*keep->entries));
    if (!keep->entries || !map_add(&keep->map, hash, keep->n))
        return NULL;
    struct keep_entry *entry = &keep->entries[keep->n++];
    *entry = (struct keep_entry){.node = node, .operation = operation};
    histogram_init(&entry->histogram);
    return entry;
}

static void halve(struct histogram *histogram)
{
    histogram->n = 0;
    for (uint32_t i = 0; i < histogram->cap; i++)
        histogram->n += histogram->counts[i] /= 2;
}

/* Judges by what went by before, then learns. */
static bool is_slow_or_new(struct keep *keep, int64_t node, int64_t operation, uint64_t duration_ns)
{
    struct keep_entry *entry = entry_of(keep, node, operation);
    if (!entry)
        return true;
    struct histogram *known = &entry->histogram;
    bool spared = known->n < LEARN || duration_ns > histogram_quantile(known, 0.99);
    if (known->n >= FORGET_AT)
        halve(known);
    return !histogram_add(known, duration_ns, 1) || spared;
}

static bool is_in_share(const struct store *store, const void *bytes)
{
    uint64_t halves[2];
    memcpy(halves, bytes, sizeof(halves));
    struct trace_id id = {__builtin_bswap64(halves[0]), __builtin_bswap64(halves[1])};
    return trace_id_share(id) < store->settings.keep_percent;
}

static bool may_go(struct store *store, sqlite3_stmt *row)
{
    int64_t bits = sqlite3_column_int64(row, 5);
    bool timed = sqlite3_column_type(row, 2) != SQLITE_NULL;
    bool slow = timed && is_slow_or_new(&store->keep, sqlite3_column_int64(row, 3),
                                        sqlite3_column_int64(row, 4),
                                        (uint64_t)sqlite3_column_int64(row, 2));
    bool failed = sqlite3_column_int64(row, 6) > 0 || bits & TRACE_ERROR;
    if (!timed || slow || failed || bits & TRACE_SHOWED_NEW)
        return false;
    return sqlite3_column_bytes(row, 1) != 16 || !is_in_share(store, sqlite3_column_blob(row, 1));
}

/* The traces of a slice whose spans are still there. */
static int look(struct store *store, uint64_t to, struct candidate *found, uint32_t *n)
{
    sqlite3_stmt *select = store->keep.select;
    int code;
    *n = 0;
    sqlite3_bind_int64(select, 1, (int64_t)store->position.kept_to);
    sqlite3_bind_int64(select, 2, (int64_t)to);
    while ((code = sqlite3_step(select)) == SQLITE_ROW)
        found[(*n)++] = (struct candidate){sqlite3_column_int64(select, 0), may_go(store, select)};
    sqlite3_reset(select);
    return code == SQLITE_DONE ? 0 : code;
}

static int drop_spans(struct store *store, int64_t trace_no)
{
    struct keep *keep = &store->keep;
    sqlite3_bind_int64(store->drop_spans, 1, trace_no);
    int code = statement_run(store->drop_spans);
    uint64_t n = code ? 0 : (uint64_t)sqlite3_changes(store->db);
    sqlite3_bind_int64(keep->mark, 1, trace_no);
    code = code ? code : statement_run(keep->mark);
    if (code)
        return code;
    store->position.n_spans -= store->position.n_spans < n ? store->position.n_spans : n;
    store->n_gone += n;
    return 0;
}

int keep_open(struct store *store)
{
    struct keep *keep = &store->keep;
    map_init(&keep->map);
    int code = store_prepare(
        store,
        "SELECT trace_no, id, duration_ns, entry, entry_operation, bits, "
        "error_count FROM trace_row WHERE trace_no >= ? AND trace_no < ? AND bits & 4 AND "
        "trace_no NOT IN (SELECT trace_no FROM pinned_trace)",
        &keep->select);
    return code ? code
                : store_prepare(store, "UPDATE trace_row SET bits = bits & ~4 WHERE trace_no = ?",
                                &keep->mark);
}

void keep_close(struct store *store)
{
    struct keep *keep = &store->keep;
    sqlite3_finalize(keep->select);
    sqlite3_finalize(keep->mark);
    for (uint32_t i = 0; i < keep->n; i++)
        histogram_fini(&keep->entries[i].histogram);
    free(keep->entries);
    map_fini(&keep->map);
}

int keep_slice(struct store *store)
{
    struct candidate found[SLICE_TRACES];
    uint64_t from = store->position.kept_to, to = from + SLICE_TRACES;
    uint32_t n;
    if (to > store->dropping_to)
        to = store->dropping_to;
    int code = look(store, to, found, &n);
    for (uint32_t i = 0; i < n && !code; i++)
        code = found[i].drop ? drop_spans(store, found[i].trace_no) : 0;
    if (!code)
        store->position.kept_to = to;
    if (code || to >= store->dropping_to)
        store->dropping_to = 0;
    return code;
}
