/* told_edges.c - pairs of services and edges of which counters tell: in memory once they were heard
 * of, in tables edge_pair and edge_told for good.
 */
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/store/dictionary.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"
#include "collector/store/told.h"

static void find_out_any(struct store *store)
{
    store->told.any = store_number(store, "SELECT EXISTS (SELECT 1 FROM edge_pair)", 0) != 0;
}

int told_edges_open(struct store *store)
{
    struct told *told = &store->told;
    map_init(&told->edge_map);
    map_init(&told->pair_map);
    told->n_over_edges = store->minutes.n_over_edges;
    find_out_any(store);
    return store_prepare(
               store,
               "SELECT id, callee_minute, caller_minute, cluster_minute FROM edge_pair WHERE "
               "caller_service = ? AND callee_service = ? AND caller_namespace = ? AND "
               "caller_cluster = ? AND callee_namespace = ? AND callee_cluster = ?",
               &told->find_pair) ||
           store_prepare(store,
                         "INSERT INTO edge_pair (caller_service, callee_service, caller_namespace, "
                         "caller_cluster, callee_namespace, callee_cluster, callee_minute, "
                         "caller_minute, cluster_minute) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0) "
                         "RETURNING id",
                         &told->add_pair) ||
           store_prepare(store,
                         "UPDATE edge_pair SET callee_minute = ?2, caller_minute = ?3, "
                         "cluster_minute = ?4 WHERE id = ?1",
                         &told->put_pair) ||
           store_prepare(store,
                         "SELECT id, bounds FROM edge_told WHERE caller = ?2 AND callee = ?3 AND "
                         "connection_type = ?4 AND protocol = ?5 AND crossing = ?6 AND teller = ?7 "
                         "AND unreached = ?8 AND pair = ?1",
                         &told->find_edge) ||
           store_prepare(
               store,
               "INSERT INTO edge_told (pair, caller, callee, connection_type, protocol, "
               "crossing, teller, unreached, bounds) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, x'') "
               "RETURNING id",
               &told->add_edge) ||
           store_prepare(store, "UPDATE edge_told SET bounds = ?2 WHERE id = ?1",
                         &told->put_bounds);
}

void told_edges_forget(struct store *store)
{
    struct told *told = &store->told;
    for (uint32_t i = 0; i < told->n_edges; i++)
        free(told->edges[i].bounds.items);
    told->n_edges = told->n_pairs = 0;
    map_clear(&told->edge_map);
    map_clear(&told->pair_map);
}

void told_edges_close(struct store *store)
{
    struct told *told = &store->told;
    sqlite3_stmt *const all[] = {told->find_pair, told->add_pair, told->put_pair,
                                 told->find_edge, told->add_edge, told->put_bounds};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]);
    told_edges_forget(store);
    free(told->edges);
    free(told->pairs);
    map_fini(&told->edge_map);
    map_fini(&told->pair_map);
}

bool told_room(void **items, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    uint32_t wanted = *cap ? 2 * *cap : 24;
    void *grown = realloc(*items, wanted * size);
    if (!grown)
        return false;
    *items = grown;
    *cap = wanted;
    return true;
}

/* ---- pairs ---- */

static int pair_names(struct store *store, const struct turn *turn, const struct told_edge *edge,
                      int64_t names[6])
{
    const struct node *caller = nodes_get(turn->nodes, edge->caller);
    const struct node *callee = nodes_get(turn->nodes, edge->callee);
    const name_no all[6] = {caller->service, callee->service,   caller->namespace,
                            caller->cluster, callee->namespace, callee->cluster};
    int code = 0;
    for (int i = 0; i < 6 && !code; i++)
        code = dictionary_name(store, turn, all[i], &names[i]);
    return code;
}

static int find_pair(struct told *told, struct told_pair *pair)
{
    for (int i = 0; i < 6; i++) {
        sqlite3_bind_int64(told->find_pair, i + 1, pair->names[i]);
        sqlite3_bind_int64(told->add_pair, i + 1, pair->names[i]);
    }
    int code = sqlite3_step(told->find_pair);
    if (code == SQLITE_ROW) {
        pair->row = sqlite3_column_int64(told->find_pair, 0);
        for (int i = 0; i < N_SERIES_TELLERS; i++)
            pair->heard[i] = sqlite3_column_int64(told->find_pair, 1 + i);
    }
    sqlite3_reset(told->find_pair);
    if (code != SQLITE_DONE)
        return code == SQLITE_ROW ? 0 : code;
    told->any = true;
    return statement_id(told->add_pair, &pair->row);
}

static int pair_of(struct store *store, const struct turn *turn, const struct told_edge *edge,
                   uint32_t *result)
{
    struct told *told = &store->told;
    struct told_pair pair = {0};
    uint64_t hash = 0;
    int code = pair_names(store, turn, edge, pair.names);
    if (code)
        return code;
    for (int i = 0; i < 6; i++)
        hash = hash_mix(hash, (uint64_t)pair.names[i]);
    for (struct map_iter it = map_find(&told->pair_map, hash); map_next(&told->pair_map, &it);) {
        *result = it.value;
        if (memcmp(told->pairs[it.value].names, pair.names, sizeof(pair.names)) == 0)
            return 0;
    }
    code = find_pair(told, &pair);
    if (code)
        return code;
    if (!told_room((void **)&told->pairs, told->n_pairs, &told->cap_pairs, sizeof(pair)) ||
        !map_add(&told->pair_map, hash, told->n_pairs))
        return SQLITE_NOMEM;
    *result = told->n_pairs;
    told->pairs[told->n_pairs++] = pair;
    return 0;
}

/* ---- edges ---- */

static bool same_edge(const struct told_edge *a, const struct told_edge *b)
{
    return a->caller == b->caller && a->callee == b->callee && a->protocol == b->protocol &&
           a->connection_type == b->connection_type && a->crossing == b->crossing &&
           a->teller == b->teller && a->unreached == b->unreached;
}

static int find_edge(struct store *store, const struct turn *turn, struct told_entry *entry)
{
    struct told *told = &store->told;
    const struct told_edge *key = &entry->key;
    int64_t caller, callee, protocol;
    int code = pair_of(store, turn, key, &entry->pair);
    code = code ? code : dictionary_node(store, turn, key->caller, &caller);
    code = code ? code : dictionary_node(store, turn, key->callee, &callee);
    code = code ? code : dictionary_name(store, turn, key->protocol, &protocol);
    if (code)
        return code;
    const int64_t values[8] = {told->pairs[entry->pair].row,
                               caller,
                               callee,
                               key->connection_type,
                               protocol,
                               key->crossing,
                               key->teller,
                               key->unreached};
    for (int i = 0; i < 8; i++) {
        sqlite3_bind_int64(told->find_edge, i + 1, values[i]);
        sqlite3_bind_int64(told->add_edge, i + 1, values[i]);
    }
    code = sqlite3_step(told->find_edge);
    bool there = code == SQLITE_ROW;
    entry->row = there ? sqlite3_column_int64(told->find_edge, 0) : 0;
    bool good = !there || told_read_buckets(&entry->bounds, told->find_edge, 1);
    sqlite3_reset(told->find_edge);
    if (there || code != SQLITE_DONE)
        return !there ? code : good ? 0 : SQLITE_NOMEM;
    return statement_id(told->add_edge, &entry->row);
}

int told_edge_of(struct store *store, const struct turn *turn, const struct told_edge *edge,
                 uint32_t *result)
{
    struct told *told = &store->told;
    uint64_t hash =
        hash_mix((uint64_t)edge->caller << 32 | edge->callee,
                 (uint64_t)edge->protocol << 32 | edge->connection_type | edge->crossing << 4 |
                     edge->teller << 8 | (uint32_t)edge->unreached << 10);
    for (struct map_iter it = map_find(&told->edge_map, hash); map_next(&told->edge_map, &it);) {
        *result = it.value;
        if (same_edge(&told->edges[it.value].key, edge))
            return 0;
    }
    *result = UINT32_MAX;
    if (store->settings.edges_max && told->n_edges >= store->settings.edges_max) {
        stat_add(told->n_over_edges, 1);
        return 0;
    }
    struct told_entry entry = {.key = *edge};
    int code = find_edge(store, turn, &entry);
    if (!code &&
        (!told_room((void **)&told->edges, told->n_edges, &told->cap_edges, sizeof(entry)) ||
         !map_add(&told->edge_map, hash, told->n_edges)))
        code = SQLITE_NOMEM;
    if (code) {
        free(entry.bounds.items);
        return code;
    }
    *result = told->n_edges;
    told->edges[told->n_edges++] = entry;
    return 0;
}

/* ---- who was heard ---- */

/* A bucket in which nothing falls is a bound of the next. */
static bool note_bound(struct told_entry *entry, double upper_ns)
{
    uint32_t n = entry->bounds.n;
    bool good = told_add_bucket(&entry->bounds, upper_ns, 0);
    entry->new_bounds = entry->new_bounds || entry->bounds.n > n;
    return good;
}

int told_heard(struct told *told, uint32_t edge_no, const struct told_edge *edge, int64_t minute)
{
    struct told_entry *entry = &told->edges[edge_no];
    struct told_pair *pair = &told->pairs[entry->pair];
    if (edge->measure == SERIES_DURATION_BUCKET && !note_bound(entry, edge->ns))
        return SQLITE_NOMEM;
    if (minute <= pair->heard[edge->teller])
        return 0;
    /* Who was not heard before takes the count over from a worse witness, or makes one of two. */
    bool news = minute > pair->heard[edge->teller] + 1;
    pair->heard[edge->teller] = minute;
    pair->changed = true;
    return news ? told_look_at_kin(told, pair->row, (uint64_t)minute)
                : told_look_at(told, pair->row, (uint64_t)minute);
}

/* ---- at commits ---- */

static int put_pairs(struct told *told)
{
    int code = 0;
    for (uint32_t i = 0; i < told->n_pairs && !code; i++) {
        struct told_pair *pair = &told->pairs[i];
        if (!pair->changed)
            continue;
        pair->changed = false;
        sqlite3_bind_int64(told->put_pair, 1, pair->row);
        for (int k = 0; k < N_SERIES_TELLERS; k++)
            sqlite3_bind_int64(told->put_pair, 2 + k, pair->heard[k]);
        code = statement_run(told->put_pair);
    }
    return code;
}

static int put_bounds(struct told *told)
{
    int code = 0;
    for (uint32_t i = 0; i < told->n_edges && !code; i++) {
        struct told_entry *entry = &told->edges[i];
        if (!entry->new_bounds)
            continue;
        entry->new_bounds = false;
        sqlite3_bind_int64(told->put_bounds, 1, entry->row);
        told_bind_buckets(told->put_bounds, 2, &entry->bounds);
        code = statement_run(told->put_bounds);
    }
    return code;
}

int told_edges_write(struct told *told)
{
    int code = put_pairs(told);
    return code ? code : put_bounds(told);
}
