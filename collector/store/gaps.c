/* gaps.c - services behind which traces begin anew, by the minute. Rare where context is handed on;
 * where it is not, the same few rows over and over.
 */
#include "collector/store/gaps.h"

#include "collector/base/clock.h"
#include "collector/store/dictionary.h"
#include "collector/store/minutes.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

int gaps_open(struct store *store)
{
    struct gaps *g = &store->gaps;
    return store_prepare(
               store,
               "INSERT INTO gap (node, operation, reason) VALUES (?1, ?2, ?3) ON CONFLICT DO "
               "UPDATE SET reason = reason RETURNING id",
               &g->find) ||
           store_prepare(store,
                         "INSERT INTO gap_minute_row VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET "
                         "broken = broken + ?3",
                         &g->put) ||
           store_prepare(store, "DELETE FROM gap_minute_row WHERE minute = ? AND broken <= 0",
                         &g->drop);
}

void gaps_close(struct store *store)
{
    sqlite3_finalize(store->gaps.find);
    sqlite3_finalize(store->gaps.put);
    sqlite3_finalize(store->gaps.drop);
}

static int add(struct store *store, const struct gap_count *count)
{
    struct gaps *g = &store->gaps;
    sqlite3_bind_int64(g->find, 1, count->node);
    sqlite3_bind_int64(g->find, 2, count->operation);
    sqlite3_bind_int(g->find, 3, count->reason);
    int code = sqlite3_step(g->find);
    int64_t id = code == SQLITE_ROW ? sqlite3_column_int64(g->find, 0) : 0;
    sqlite3_reset(g->find);
    if (code != SQLITE_ROW)
        return code;
    sqlite3_bind_int64(g->put, 1, (int64_t)count->minute);
    sqlite3_bind_int64(g->put, 2, id);
    sqlite3_bind_int64(g->put, 3, count->n);
    code = statement_run(g->put);
    if (!code && count->n < 0) {
        sqlite3_bind_int64(g->drop, 1, (int64_t)count->minute);
        code = statement_run(g->drop);
    }
    return code ? code : minute_touch(store, count->minute, clock_wall_ns() / NS_PER_S, false);
}

/* The counts of a turn, in memory until it is applied. */
static int note(struct store *store, const struct gap_count *more)
{
    struct gaps *g = &store->gaps;
    for (uint32_t i = 0; i < g->n; i++) {
        struct gap_count *count = &g->counts[i];
        if (count->node == more->node && count->operation == more->operation &&
            count->reason == more->reason && count->minute == more->minute) {
            count->n += more->n;
            return 0;
        }
    }
    if (g->n == sizeof(g->counts) / sizeof(g->counts[0])) {
        int code = gaps_apply(store);
        if (code)
            return code;
    }
    g->counts[g->n++] = *more;
    return 0;
}

void gaps_forget(struct store *store)
{
    store->gaps.n = 0;
}

int gaps_add(struct store *store, const struct turn *turn, const struct graph *graph, int sign)
{
    if (!graph->trace.began_by_proxy)
        return 0;
    struct gap_count count = {
        .reason = GAP_OWN_TRACE, .minute = graph->trace.start_ns / NS_PER_MINUTE, .n = sign};
    int code = dictionary_node(store, turn, graph->trace.entry, &count.node);
    code =
        code ? code : dictionary_name(store, turn, graph->trace.entry_operation, &count.operation);
    return code ? code : note(store, &count);
}

int gaps_apply(struct store *store)
{
    struct gaps *g = &store->gaps;
    int code = 0;
    for (uint32_t i = 0; i < g->n && !code; i++) {
        if (g->counts[i].n)
            code = add(store, &g->counts[i]);
    }
    g->n = 0;
    return code;
}
