/* keys.c - from a trace id to its number.
 *
 * The open run (the last 100,000 traces at most) lives in memory and is rebuilt on start from the
 * traces themselves. A full run is written sorted, once: one B-tree over all ids would cost ever
 * more. A Bloom filter for each full run says which of them are worth a look.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"
#include "collector/store/traces.h"

/* 12 bits a trace and 8 probes: about 3 of 1,000 looks go wrong. */
#define FILTER_BYTES (RUN_TRACES * 12 / 8)
#define FILTER_BITS ((uint64_t)FILTER_BYTES * 8)
#define N_PROBES 8

int64_t trace_id_key(struct trace_id id)
{
    /* The random half of an id is its lower one; 64-bit ids have nothing else. Not keyed: it is
     * stored. */
    return (int64_t)(id.low ^ (id.high * UINT64_C(0x9e3779b97f4a7c15)));
}

static void filter_add(uint8_t *bits, int64_t key)
{
    uint64_t hash = (uint64_t)key * UINT64_C(0xd6e8feb86659fd93), step = ((uint64_t)key >> 17) | 1;
    for (int i = 0; i < N_PROBES; i++, hash += step * UINT64_C(0x9e3779b97f4a7c15))
        bits[(hash % FILTER_BITS) / 8] |= (uint8_t)(1u << (hash % FILTER_BITS % 8));
}

static bool filter_has(const uint8_t *bits, int64_t key)
{
    uint64_t hash = (uint64_t)key * UINT64_C(0xd6e8feb86659fd93), step = ((uint64_t)key >> 17) | 1;
    for (int i = 0; i < N_PROBES; i++, hash += step * UINT64_C(0x9e3779b97f4a7c15)) {
        if (!(bits[(hash % FILTER_BITS) / 8] & (1u << (hash % FILTER_BITS % 8))))
            return false;
    }
    return true;
}

/* Under the mutex. */
static bool filters_add(struct keys *keys, uint64_t run, uint64_t stored_s, uint8_t *bits)
{
    if (keys->n_filters == keys->cap_filters) {
        size_t cap = keys->cap_filters ? 2 * keys->cap_filters : 64;
        struct run_filter *grown = realloc(keys->filters, cap * sizeof(*grown));
        if (!grown)
            return false;
        keys->filters = grown;
        keys->cap_filters = cap;
    }
    keys->filters[keys->n_filters++] = (struct run_filter){run, stored_s, bits};
    return true;
}

static struct trace_id id_of(const void *blob)
{
    uint64_t halves[2];
    memcpy(halves, blob, 16);
    return (struct trace_id){__builtin_bswap64(halves[0]), __builtin_bswap64(halves[1])};
}

static uint64_t id_hash(struct trace_id id)
{
    return hash_u128(id.high, id.low);
}

/* A trace of the open run with this lower half; −1 for none. */
static int64_t find_low(const struct keys *keys, uint64_t low)
{
    for (struct map_iter it = map_find(&keys->low_map, hash_u64(low));
         map_next(&keys->low_map, &it);) {
        if (keys->ids[it.value].low == low)
            return it.value;
    }
    return -1;
}

static void keep_low(struct keys *keys, uint32_t index)
{
    uint64_t low = keys->ids[index].low;
    if (keys->cut_short && keys->ids[index].high && find_low(keys, low) < 0)
        map_add(&keys->low_map, hash_u64(low), index);
}

static void open_run_put(struct keys *keys, uint32_t index, struct trace_id id)
{
    if (trace_id_eq(keys->ids[index], id))
        return;
    keys->ids[index] = id;
    keys->has_short |= !id.high;
    map_add(&keys->open_map, id_hash(id), index);
    keep_low(keys, index);
}

static int load_open_run(struct store *store)
{
    struct keys *keys = &store->keys;
    sqlite3_stmt *select;
    int code =
        store_prepare(store, "SELECT trace_no, id FROM trace_row WHERE trace_no >= ?", &select);
    sqlite3_bind_int64(select, 1, (int64_t)(keys->open_run * RUN_TRACES));
    while (!code && (code = sqlite3_step(select)) == SQLITE_ROW) {
        uint64_t trace_no = (uint64_t)sqlite3_column_int64(select, 0);
        if (sqlite3_column_bytes(select, 1) == 16 && trace_no / RUN_TRACES == keys->open_run)
            open_run_put(keys, (uint32_t)(trace_no % RUN_TRACES),
                         id_of(sqlite3_column_blob(select, 1)));
        code = 0;
    }
    sqlite3_finalize(select);
    return code == SQLITE_DONE ? 0 : code;
}

/* Full runs that reopening reaches back to; their filters are built later, one at a time. */
static int list_runs(struct store *store)
{
    struct keys *keys = &store->keys;
    sqlite3_stmt *select;
    uint64_t window_s = store->settings.reopen_window_ns / NS_PER_S,
             now_s = clock_wall_ns() / NS_PER_S;
    size_t most = (size_t)(store->settings.reopen_memory / FILTER_BYTES);
    int code = store_prepare(
        store, "SELECT stored_s FROM trace_row WHERE trace_no < ? ORDER BY trace_no DESC LIMIT 1",
        &select);
    uint64_t first = keys->open_run > most ? keys->open_run - most : 0;
    for (uint64_t run = first; run < keys->open_run && !code; run++) {
        sqlite3_bind_int64(select, 1, (int64_t)((run + 1) * RUN_TRACES));
        if (sqlite3_step(select) == SQLITE_ROW) {
            uint64_t stored_s = (uint64_t)sqlite3_column_int64(select, 0);
            if (stored_s + window_s >= now_s)
                filters_add(keys, run, stored_s, NULL);
        }
        sqlite3_reset(select);
    }
    sqlite3_finalize(select);
    return code;
}

int keys_open(struct store *store)
{
    struct keys *keys = &store->keys;
    pthread_mutex_init(&keys->mutex, NULL);
    map_init(&keys->open_map);
    map_init(&keys->low_map);
    keys->ids = calloc(RUN_TRACES, sizeof(*keys->ids));
    if (!keys->ids)
        return SQLITE_NOMEM;
    keys->open_run = store->position.next_trace_no / RUN_TRACES;
    int code = store_prepare(store, "INSERT OR IGNORE INTO trace_key VALUES (?, ?, ?)", &keys->add);
    code = code ? code : load_open_run(store);
    return code ? code : list_runs(store);
}

void keys_close(struct store *store)
{
    struct keys *keys = &store->keys;
    sqlite3_finalize(keys->add);
    for (size_t i = 0; i < keys->n_filters; i++)
        free(keys->filters[i].bits);
    free(keys->filters);
    free(keys->ids);
    map_fini(&keys->open_map);
    map_fini(&keys->low_map);
    pthread_mutex_destroy(&keys->mutex);
}

static bool filter_build(struct store *store, uint64_t run, uint8_t *bits)
{
    sqlite3_stmt *select;
    if (store_prepare(store, "SELECT hash FROM trace_key WHERE run = ?", &select))
        return false;
    sqlite3_bind_int64(select, 1, (int64_t)run);
    while (sqlite3_step(select) == SQLITE_ROW)
        filter_add(bits, sqlite3_column_int64(select, 0));
    return sqlite3_finalize(select) == SQLITE_OK;
}

/* The open run is full: what stays of it in memory is its filter. */
static int close_run(struct store *store, uint64_t next_run)
{
    struct keys *keys = &store->keys;
    uint8_t *bits = calloc(1, FILTER_BYTES);
    if (!bits || !filter_build(store, keys->open_run, bits)) {
        free(bits);
        return SQLITE_NOMEM;
    }
    pthread_mutex_lock(&keys->mutex);
    if (!filters_add(keys, keys->open_run, clock_wall_ns() / NS_PER_S, bits))
        free(bits);
    memset(keys->ids, 0, RUN_TRACES * sizeof(*keys->ids));
    map_clear(&keys->open_map);
    map_clear(&keys->low_map);
    keys->open_run = next_run;
    while (keys->n_filters * FILTER_BYTES > store->settings.reopen_memory && keys->n_filters > 1) {
        free(keys->filters[0].bits);
        memmove(keys->filters, keys->filters + 1, --keys->n_filters * sizeof(*keys->filters));
    }
    pthread_mutex_unlock(&keys->mutex);
    return 0;
}

static int put_key(struct store *store, int64_t key, uint64_t trace_no)
{
    struct keys *keys = &store->keys;
    uint64_t run = trace_no / RUN_TRACES;
    pthread_mutex_lock(&keys->mutex);
    for (size_t i = 0; i < keys->n_filters && run < keys->open_run; i++) {
        if (keys->filters[i].run == run && keys->filters[i].bits)
            filter_add(keys->filters[i].bits, key);
    }
    pthread_mutex_unlock(&keys->mutex);
    sqlite3_bind_int64(keys->add, 1, (int64_t)run);
    sqlite3_bind_int64(keys->add, 2, key);
    sqlite3_bind_int64(keys->add, 3, (int64_t)trace_no);
    return statement_run(keys->add);
}

int keys_add(struct store *store, struct trace_id id, uint64_t trace_no, bool cut_short)
{
    struct keys *keys = &store->keys;
    uint64_t run = trace_no / RUN_TRACES;
    if (run > keys->open_run) {
        int code = close_run(store, run);
        if (code)
            return code;
    }
    pthread_mutex_lock(&keys->mutex);
    if (run == keys->open_run)
        open_run_put(keys, (uint32_t)(trace_no % RUN_TRACES), id);
    pthread_mutex_unlock(&keys->mutex);
    int code = put_key(store, trace_id_key(id), trace_no);
    if (!code && cut_short && id.high)
        code = put_key(store, trace_id_key((struct trace_id){0, id.low}), trace_no);
    return code;
}

bool keys_build_filter(struct store *store)
{
    struct keys *keys = &store->keys;
    size_t at = keys->n_filters;
    while (at > 0 && keys->filters[at - 1].bits)
        at--;
    if (at == 0)
        return false;
    uint8_t *bits = calloc(1, FILTER_BYTES);
    if (!bits || !filter_build(store, keys->filters[at - 1].run, bits)) {
        free(bits);
        return false;
    }
    pthread_mutex_lock(&keys->mutex);
    keys->filters[at - 1].bits = bits;
    pthread_mutex_unlock(&keys->mutex);
    return true;
}

size_t keys_candidates(struct store *store, struct trace_id id, uint64_t *runs, size_t max,
                       uint64_t *trace_no)
{
    struct keys *keys = &store->keys;
    int64_t key = trace_id_key(id);
    size_t n = 0;
    *trace_no = 0;
    pthread_mutex_lock(&keys->mutex);
    for (struct map_iter it = map_find(&keys->open_map, id_hash(id));
         map_next(&keys->open_map, &it);) {
        uint64_t no = keys->open_run * RUN_TRACES + it.value;
        if (trace_id_eq(keys->ids[it.value], id) && no > *trace_no)
            *trace_no = no; /* the newest piece of it */
    }
    for (size_t i = keys->n_filters; i > 0 && n < max && !*trace_no; i--) {
        const struct run_filter *filter = &keys->filters[i - 1];
        if (!filter->bits || filter_has(filter->bits, key))
            runs[n++] = filter->run;
    }
    pthread_mutex_unlock(&keys->mutex);
    return n;
}

bool keys_have_short(struct store *store)
{
    pthread_mutex_lock(&store->keys.mutex);
    bool has = store->keys.has_short;
    pthread_mutex_unlock(&store->keys.mutex);
    return has;
}

bool keys_kin(struct store *store, struct trace_id *id, uint64_t *trace_no)
{
    struct keys *keys = &store->keys;
    if (id->high)
        return false;
    pthread_mutex_lock(&keys->mutex);
    if (!keys->cut_short) {
        keys->cut_short = true; /* once: milliseconds */
        for (uint32_t i = 0; i < RUN_TRACES; i++)
            keep_low(keys, i);
    }
    int64_t index = find_low(keys, id->low);
    if (index >= 0) {
        *id = keys->ids[index];
        *trace_no = keys->open_run * RUN_TRACES + (uint64_t)index;
    }
    pthread_mutex_unlock(&keys->mutex);
    return index >= 0;
}
