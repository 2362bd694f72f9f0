/* hop_minutes.c - physical hops by the minute: as minutes.c does with calls, rows change in memory
 * with every trace and are written once a commit; one that is not in memory is read from the file
 * first.
 *
 * A call has several hops and most calls go the same ways, so a hop remembers its row of the minute
 * that was asked for last.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/store/dictionary.h"
#include "collector/store/minutes.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

#define KEEP_S 180
#define MAX_ROWS 100000u

int hops_open(struct store *store)
{
    struct hop_minutes *h = &store->hop_minutes;
    map_init(&h->hop_map);
    map_init(&h->row_map);
    buf_init(&h->blob, 1u << 16);
    h->ways = calloc(N_WAYS, sizeof(*h->ways));
    if (!h->ways)
        return SQLITE_NOMEM;
    return store_prepare(store,
                         "SELECT id FROM hop WHERE caller = ? AND callee = ? AND kind = ? AND "
                         "name = ? AND from_name = ? AND from_place = ? AND to_place = ?",
                         &h->find) ||
           store_prepare(store,
                         "INSERT INTO hop (caller, callee, kind, name, from_name, from_place, "
                         "to_place) VALUES (?,?,?,?,?,?,?)",
                         &h->add) ||
           store_prepare(store, "SELECT * FROM hop_minute_row WHERE minute = ? AND hop = ?",
                         &h->get) ||
           store_prepare(store,
                         "INSERT OR REPLACE INTO hop_minute_row VALUES (?,?,?,?,?,?,?,?,?,?)",
                         &h->put) ||
           store_prepare(store, "DELETE FROM hop_minute_row WHERE minute = ? AND hop = ?",
                         &h->drop);
}

static void row_free(struct hop_row *row)
{
    histogram_fini(&row->histogram);
    free(row);
}

static void forget_rows(struct hop_minutes *h)
{
    for (uint32_t i = 0; i < h->n_hops; i++)
        h->hops[i].row = NULL;
}

void hops_forget(struct store *store)
{
    struct hop_minutes *h = &store->hop_minutes;
    for (uint32_t i = 0; i < h->n_rows; i++)
        row_free(h->rows[i]);
    h->n_rows = 0;
    map_clear(&h->row_map);
    forget_rows(h);
    for (uint32_t i = 0; i < h->n_hops; i++)
        h->hops[i].id = 0;
}

void hops_close(struct store *store)
{
    struct hop_minutes *h = &store->hop_minutes;
    sqlite3_stmt *all[] = {h->find, h->add, h->get, h->put, h->drop};
    hops_forget(store);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]);
    free(h->ways);
    free(h->rows);
    free(h->hops);
    map_fini(&h->hop_map);
    map_fini(&h->row_map);
    buf_fini(&h->blob);
}

/* ---- hops ---- */

static bool is_hop(const struct hop_entry *entry, const struct call *call, const struct hop *hop,
                   uint32_t places)
{
    return entry->places == places && entry->name == hop->name && entry->from == hop->from &&
           entry->caller == call->caller && entry->callee == call->callee;
}

static struct hop_entry *hop_entry(struct hop_minutes *h, const struct call *call,
                                   const struct hop *hop, uint32_t places)
{
    uint64_t hash = hash_mix(hash_mix((uint64_t)call->caller << 32 | call->callee,
                                      (uint64_t)hop->name << 32 | hop->from),
                             places);
    for (struct map_iter it = map_find(&h->hop_map, hash); map_next(&h->hop_map, &it);) {
        if (is_hop(&h->hops[it.value], call, hop, places))
            return &h->hops[it.value];
    }
    if (h->n_hops == h->cap_hops) {
        uint32_t cap = h->cap_hops ? 2 * h->cap_hops : 256;
        struct hop_entry *grown = realloc(h->hops, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        h->hops = grown;
        h->cap_hops = cap;
    }
    if (!map_add(&h->hop_map, hash, h->n_hops))
        return NULL;
    h->hops[h->n_hops] = (struct hop_entry){.caller = call->caller,
                                            .callee = call->callee,
                                            .name = hop->name,
                                            .from = hop->from,
                                            .places = places};
    return &h->hops[h->n_hops++];
}

/* The i-th hop of a call: most often the same as of the call before between the two. */
static struct hop_entry *hop_of_way(struct hop_minutes *h, const struct call *call, uint32_t i,
                                    const struct hop *hop)
{
    uint32_t places = hop->kind | (uint32_t)hop->from_place << 3 | (uint32_t)hop->to_place << 6;
    struct way *way = &h->ways[(call->caller * 61u + call->callee) % N_WAYS];
    if (i >= WAY_HOPS)
        return hop_entry(h, call, hop, places);
    bool same = way->caller == call->caller && way->callee == call->callee;
    if (same && way->hops[i] < h->n_hops && is_hop(&h->hops[way->hops[i]], call, hop, places))
        return &h->hops[way->hops[i]];
    struct hop_entry *entry = hop_entry(h, call, hop, places);
    if (!same)
        *way = (struct way){.caller = call->caller, .callee = call->callee};
    way->hops[i] = entry ? (uint32_t)(entry - h->hops) : 0;
    return entry;
}

static int hop_id(struct store *store, const struct turn *turn, struct hop_entry *entry)
{
    struct hop_minutes *h = &store->hop_minutes;
    int64_t caller, callee, name, from;
    int code = dictionary_node(store, turn, entry->caller, &caller);
    code = code ? code : dictionary_node(store, turn, entry->callee, &callee);
    code = code ? code : dictionary_name(store, turn, entry->name, &name);
    code = code ? code : dictionary_name(store, turn, entry->from, &from);
    if (code)
        return code;
    const int64_t values[7] = {
        caller, callee, entry->places & 7, name, from, entry->places >> 3 & 7, entry->places >> 6};
    sqlite3_stmt *both[2] = {h->find, h->add};
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 7; k++)
            sqlite3_bind_int64(both[i], k + 1, values[k]);
    }
    code = sqlite3_step(h->find);
    entry->id = code == SQLITE_ROW ? sqlite3_column_int64(h->find, 0) : 0;
    sqlite3_reset(h->find);
    if (entry->id)
        return 0;
    code = statement_run(h->add);
    entry->id = sqlite3_last_insert_rowid(store->db);
    return code;
}

/* ---- rows ---- */

static uint64_t row_hash(uint64_t minute, int64_t hop)
{
    return hash_mix(minute, (uint64_t)hop);
}

static int load(struct hop_minutes *h, struct hop_row *row)
{
    sqlite3_bind_int64(h->get, 1, (int64_t)row->minute);
    sqlite3_bind_int64(h->get, 2, row->hop);
    int code = sqlite3_step(h->get);
    if (code == SQLITE_ROW) {
        row->loaded = true;
        row->calls = sqlite3_column_int64(h->get, 2);
        row->errors = sqlite3_column_int64(h->get, 3);
        row->client_errors = sqlite3_column_int64(h->get, 4);
        row->time_ns = sqlite3_column_int64(h->get, 5);
        statement_read_histogram(h->get, 9, &row->histogram);
    }
    sqlite3_reset(h->get);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
}

static struct hop_row *row_new(struct hop_minutes *h, uint64_t minute, int64_t hop)
{
    if (h->n_rows == h->cap_rows) {
        uint32_t cap = h->cap_rows ? 2 * h->cap_rows : 1024;
        struct hop_row **grown = realloc(h->rows, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        h->rows = grown;
        h->cap_rows = cap;
    }
    struct hop_row *row = calloc(1, sizeof(*row));
    if (!row || !map_add(&h->row_map, row_hash(minute, hop), h->n_rows)) {
        free(row);
        return NULL;
    }
    row->minute = minute;
    row->hop = hop;
    h->rows[h->n_rows++] = row;
    return row;
}

static int row_of(struct hop_minutes *h, struct hop_entry *entry, uint64_t minute)
{
    if (entry->row && entry->row->minute == minute)
        return 0;
    for (struct map_iter it = map_find(&h->row_map, row_hash(minute, entry->id));
         map_next(&h->row_map, &it);) {
        struct hop_row *row = h->rows[it.value];
        if (row->minute == minute && row->hop == entry->id) {
            entry->row = row;
            return 0;
        }
    }
    entry->row = row_new(h, minute, entry->id);
    return entry->row ? load(h, entry->row) : SQLITE_NOMEM;
}

int hops_add_call(struct store *store, const struct turn *turn, const struct graph *graph,
                  const struct call *call, int sign)
{
    struct hop_minutes *h = &store->hop_minutes;
    for (uint32_t i = 0; i < call->n_hops; i++) {
        const struct hop *hop = &graph->hops[call->first_hop + i];
        struct hop_entry *entry = hop_of_way(h, call, i, hop);
        if (!entry)
            return SQLITE_NOMEM;
        int code = entry->id ? 0 : hop_id(store, turn, entry);
        code = code ? code : row_of(h, entry, call->start_ns / NS_PER_MINUTE);
        if (code)
            return code;
        struct hop_row *row = entry->row;
        row->dirty = true;
        row->calls += sign;
        row->errors += hop->outcome == HOP_FAILED ? sign : 0;
        row->client_errors += hop->outcome == HOP_CLIENT_ERROR ? sign : 0;
        if (hop->time_ns == DURATION_UNKNOWN)
            continue;
        row->time_ns += sign * (int64_t)hop->time_ns;
        if (!histogram_add(&row->histogram, hop->time_ns, sign))
            return SQLITE_NOMEM;
    }
    return 0;
}

/* ---- writing ---- */

static int write_row(struct hop_minutes *h, struct hop_row *row)
{
    bool drop = row->calls == 0;
    if (drop && !row->loaded)
        return 0;
    sqlite3_stmt *statement = drop ? h->drop : h->put;
    sqlite3_bind_int64(statement, 1, (int64_t)row->minute);
    sqlite3_bind_int64(statement, 2, row->hop);
    row->loaded = !drop;
    if (drop)
        return statement_run(statement);
    sqlite3_bind_int64(statement, 3, row->calls);
    sqlite3_bind_int64(statement, 4, row->errors);
    sqlite3_bind_int64(statement, 5, row->client_errors);
    sqlite3_bind_int64(statement, 6, row->time_ns);
    statement_bind_percentiles(statement, 7, &row->histogram);
    statement_bind_histogram(statement, 10, &row->histogram, &h->blob);
    return statement_run(statement);
}

/* Rows that rest leave; the map is built anew when some did. */
static void leave(struct hop_minutes *h, uint64_t now_s)
{
    uint32_t kept = 0, keep_s = h->n_rows > MAX_ROWS ? 0 : KEEP_S;
    for (uint32_t i = 0; i < h->n_rows; i++) {
        if (h->rows[i]->touched_s + keep_s < now_s || !keep_s)
            row_free(h->rows[i]);
        else
            h->rows[kept++] = h->rows[i];
    }
    if (kept == h->n_rows)
        return;
    h->n_rows = kept;
    forget_rows(h);
    map_clear(&h->row_map);
    for (uint32_t i = 0; i < kept; i++)
        map_add(&h->row_map, row_hash(h->rows[i]->minute, h->rows[i]->hop), i);
}

int hops_write(struct store *store)
{
    struct hop_minutes *h = &store->hop_minutes;
    uint64_t now_s = clock_wall_ns() / NS_PER_S;
    for (uint32_t i = 0; i < h->n_rows; i++) {
        struct hop_row *row = h->rows[i];
        if (!row->dirty)
            continue;
        row->dirty = false;
        row->touched_s = now_s;
        int code = write_row(h, row);
        code = code ? code : minute_touch(store, row->minute, now_s, false);
        if (code)
            return code;
    }
    leave(h, now_s);
    return 0;
}
