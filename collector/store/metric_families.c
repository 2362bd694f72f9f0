/* metric_families.c - what senders tell of all metrics of a name: type, unit and a sentence.
 *
 * Prometheus tells it again every minute; a row is written when something is new, and else once an
 * hour.
 */
#include "collector/base/clock.h"
#include "collector/store/points.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

#define FAMILIES_MAX 20000
#define SEEN_EVERY_S 3600

static int add(sqlite3_stmt *put, const struct metric_family *family, int64_t now_s)
{
    statement_bind_text(put, 1, family->name);
    sqlite3_bind_int(put, 2, family->type);
    statement_bind_text(put, 3, family->unit);
    statement_bind_text(put, 4, family->description);
    sqlite3_bind_int64(put, 5, now_s);
    sqlite3_bind_int64(put, 6, SEEN_EVERY_S);
    return statement_run(put);
}

int families_add(struct store *store, const struct batch *batch)
{
    struct metrics *metrics = &store->metrics;
    int64_t now_s = (int64_t)(clock_wall_ns() / NS_PER_S);
    sqlite3_stmt *put;
    if (!batch->n_families)
        return 0;
    if (metrics->n_families < 0)
        metrics->n_families = store_number(store, "SELECT count(*) FROM metric_family", 0);
    int code = store_prepare(
        store,
        "INSERT INTO metric_family VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO UPDATE SET "
        "type = ?2, unit = ?3, description = ?4, seen_s = ?5 WHERE type != ?2 OR unit != ?3 OR "
        "description != ?4 OR seen_s + ?6 <= ?5",
        &put);
    for (uint32_t i = 0; i < batch->n_families && !code; i++) {
        if (metrics->n_families >= FAMILIES_MAX) {
            stat_add(metrics->n_limited, batch->n_families - i);
            break;
        }
        int64_t newest = sqlite3_total_changes64(store->db);
        code = add(put, &batch->families[i], now_s);
        metrics->n_families += sqlite3_total_changes64(store->db) > newest;
    }
    sqlite3_finalize(put);
    /* Rows that were changed are counted as if they were new: what is near the bound counts anew.
     */
    if (metrics->n_families >= FAMILIES_MAX)
        metrics->n_families = -1;
    return code;
}

int families_delete(struct store *store)
{
    return store_run(store,
                     "DELETE FROM metric_family WHERE seen_s + ?1 < coalesce((SELECT min(begun_s) "
                     "FROM metric_generation), 0)",
                     2 * SEEN_EVERY_S, 0);
}
