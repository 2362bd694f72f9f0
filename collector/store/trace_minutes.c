/* trace_minutes.c - which numbers the traces of a minute have: a window of time becomes a range of
 * trace_row.
 *
 * Gathered in memory and written before a commit. A range only grows while its traces live; what is
 * in it and not in the minute is told apart by the trace's own start.
 */
#include "collector/base/clock.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"
#include "collector/store/traces.h"

int trace_minutes_open(struct store *store)
{
    return store_prepare(store,
                         "INSERT INTO trace_minute VALUES (?1, ?2, ?3) ON CONFLICT (minute) DO "
                         "UPDATE SET first_no = min(first_no, ?2), last_no = max(last_no, ?3)",
                         &store->put_trace_minute);
}

void trace_minutes_close(struct store *store)
{
    sqlite3_finalize(store->put_trace_minute);
}

int trace_minutes_write(struct store *store)
{
    struct trace_minutes *all = &store->trace_minutes;
    int code = 0;
    for (unsigned i = 0; i < all->n && !code; i++) {
        sqlite3_bind_int64(store->put_trace_minute, 1, (int64_t)all->rows[i].minute);
        sqlite3_bind_int64(store->put_trace_minute, 2, (int64_t)all->rows[i].first_no);
        sqlite3_bind_int64(store->put_trace_minute, 3, (int64_t)all->rows[i].last_no);
        code = statement_run(store->put_trace_minute);
    }
    if (!code)
        all->n = 0;
    return code;
}

int trace_minutes_add(struct store *store, uint64_t start_ns, uint64_t trace_no)
{
    struct trace_minutes *all = &store->trace_minutes;
    uint64_t minute = start_ns / NS_PER_MINUTE;
    for (unsigned i = all->n; i-- > 0;) {
        if (all->rows[i].minute != minute)
            continue;
        if (trace_no < all->rows[i].first_no)
            all->rows[i].first_no = trace_no;
        if (trace_no > all->rows[i].last_no)
            all->rows[i].last_no = trace_no;
        return 0;
    }
    int code = all->n == TRACE_MINUTES ? trace_minutes_write(store) : 0;
    if (!code)
        all->rows[all->n++] = (struct trace_minute){minute, trace_no, trace_no};
    return code;
}

void trace_minutes_forget(struct store *store)
{
    store->trace_minutes.n = 0;
}
