/* search_pairs.c - collecting pairs from calls, spans, attribute sets and resources.
 *
 * What only says that a trace failed (codes, messages), and what names the span itself (ids), is no
 * dimension: it would lead every list and explain nothing.
 */
#include "collector/store/search_pairs.h"

#include <stdio.h>
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/base/json.h"

#define VALUE_BYTES 120

struct pair_list {
    int64_t id; /* of a set; resources are negative */
    uint32_t *pairs;
    uint32_t n;
};

static const char *const left_out[] = {
    "service.",      "telemetry.",      "otel.",          "error",
    "exception",     "http.status",     "http.response",  "rpc.grpc.status",
    "grpc.status",   "status",          "node_id",        "istio.canonical",
    "istio.cluster", "istio.namespace", "response_flags", "upstream_cluster",
    "k8s.pod",       "span.",           "guid:",          "component",
    "process.",      "host.name",       "thread.",        "k8s.container.restart",
    "response_code", "grpc_status",     "net.sock",       "server.address",
    "network.peer",  "x-request-id",    "trace",          "zipkin.",
    "k8s.cluster",   "k8s.namespace"};

static bool is_left_out(struct str key)
{
    for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++) {
        if (key.len && key.p[0] == left_out[i][0] && str_starts(key, str_of(left_out[i])))
            return true;
    }
    return false;
}

static bool grow(void **rows, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    uint32_t more = *cap ? 2 * *cap : 64;
    void *grown = realloc(*rows, more * size);
    if (grown) {
        *rows = grown;
        *cap = more;
    }
    return grown != NULL;
}

void pairs_open(struct pairs *pairs, struct search *search, struct str about, size_t n_selected,
                size_t n_traces)
{
    *pairs = (struct pairs){
        .search = search, .about = about, .n_selected = n_selected, .n_traces = n_traces};
}

void pairs_close(struct pairs *pairs)
{
    map_fini(&pairs->dimension_map);
    map_fini(&pairs->pair_map);
    map_fini(&pairs->list_map);
    free(pairs->dimensions);
    free(pairs->pairs);
    free(pairs->lists);
}

/* ---- interning ---- */

static struct dimension *find_dimension(struct pairs *pairs, struct str key, struct str scope,
                                        bool attribute)
{
    uint64_t hash = hash_mix(hash_str(key), hash_str(scope)) + attribute;
    for (struct map_iter it = map_find(&pairs->dimension_map, hash);
         map_next(&pairs->dimension_map, &it);) {
        struct dimension *row = &pairs->dimensions[it.value];
        if (str_eq(row->key, key) && str_eq(row->scope, scope) && row->attribute == attribute)
            return row;
    }
    if (!grow((void **)&pairs->dimensions, pairs->n_dimensions, &pairs->cap_dimensions,
              sizeof(*pairs->dimensions)) ||
        !map_add(&pairs->dimension_map, hash, pairs->n_dimensions))
        return NULL;
    struct dimension *row = &pairs->dimensions[pairs->n_dimensions++];
    *row = (struct dimension){.key = arena_dup(&pairs->search->arena, key),
                              .scope = arena_dup(&pairs->search->arena, scope),
                              .attribute = attribute,
                              .first_pair = UINT32_MAX};
    return row->key.p || !key.len ? row : NULL;
}

/* The pair's number; UINT32_MAX when it is not kept. */
static uint32_t find_pair(struct pairs *pairs, struct dimension *dimension, struct str value)
{
    if (!dimension || dimension->dropped || value.len > VALUE_BYTES)
        return UINT32_MAX;
    uint32_t number = (uint32_t)(dimension - pairs->dimensions);
    uint64_t hash = hash_mix(hash_str(value), number);
    for (struct map_iter it = map_find(&pairs->pair_map, hash); map_next(&pairs->pair_map, &it);) {
        struct pair *row = &pairs->pairs[it.value];
        if (row->dimension == number && str_eq(row->value, value))
            return it.value;
    }
    dimension->dropped = dimension->n_values >= MOST_VALUES_A_DIMENSION;
    if (dimension->dropped || pairs->n_pairs >= MOST_PAIRS) {
        pairs->full = pairs->full || !dimension->dropped;
        return UINT32_MAX;
    }
    struct arena *arena = &pairs->search->arena;
    uint64_t *bits = arena_calloc(arena, (pairs->n_traces + 63) / 64 * sizeof(uint64_t));
    struct str kept = arena_dup(arena, value);
    if (!bits || (value.len && !kept.p) ||
        !grow((void **)&pairs->pairs, pairs->n_pairs, &pairs->cap_pairs, sizeof(*pairs->pairs)) ||
        !map_add(&pairs->pair_map, hash, pairs->n_pairs))
        return UINT32_MAX;
    pairs->pairs[pairs->n_pairs] = (struct pair){
        .dimension = number, .next = dimension->first_pair, .value = kept, .traces = bits};
    dimension->first_pair = pairs->n_pairs;
    dimension->n_values++;
    return pairs->n_pairs++;
}

static void mark(struct pairs *pairs, uint32_t number, size_t at)
{
    if (number == UINT32_MAX)
        return;
    struct pair *pair = &pairs->pairs[number];
    uint64_t bit = UINT64_C(1) << (at % 64);
    if (pair->traces[at / 64] & bit)
        return;
    pair->traces[at / 64] |= bit;
    pair->n[at < pairs->n_selected]++;
}

static void add(struct pairs *pairs, const char *key, struct str scope, struct str value, size_t at)
{
    mark(pairs, find_pair(pairs, find_dimension(pairs, str_of(key), scope, false), value), at);
}

/* ---- attributes ---- */

/* Calls `seen` with the pair of each member. */
static void walk_members(struct pairs *pairs, struct str members,
                         void (*seen)(struct pairs *pairs, uint32_t number, void *ctx), void *ctx)
{
    struct json json;
    struct json_text key;
    struct str value;
    char *document = members.len ? malloc(members.len + 2) : NULL;
    if (!document)
        return;
    document[0] = '{';
    memcpy(document + 1, members.p, members.len);
    document[members.len + 1] = '}';
    json_init(&json, (struct str){document, members.len + 2});
    if (json_open_object(&json)) {
        while (json_next_key(&json, &key)) {
            if (is_left_out(key.raw))
                json_skip(&json, NULL);
            else if (json_as_text(&json, &pairs->search->arena, &value))
                seen(pairs, find_pair(pairs, find_dimension(pairs, key.raw, STR_NONE, true), value),
                     ctx);
        }
    }
    free(document);
}

static void mark_seen(struct pairs *pairs, uint32_t number, void *ctx)
{
    mark(pairs, number, *(size_t *)ctx);
}

struct gathering {
    uint32_t numbers[256], n;
};

static void gather_seen(struct pairs *pairs, uint32_t number, void *ctx)
{
    struct gathering *all = ctx;
    (void)pairs;
    if (number != UINT32_MAX && all->n < 256)
        all->numbers[all->n++] = number;
}

/* The pairs of a set or resource: read once. */
static struct pair_list *find_list(struct pairs *pairs, int64_t id, struct str members)
{
    struct gathering all = {.n = 0};
    uint64_t hash = hash_u64((uint64_t)id);
    for (struct map_iter it = map_find(&pairs->list_map, hash); map_next(&pairs->list_map, &it);) {
        if (pairs->lists[it.value].id == id)
            return &pairs->lists[it.value];
    }
    walk_members(pairs, members, gather_seen, &all);
    uint32_t *kept = arena_alloc(&pairs->search->arena, all.n * sizeof(*kept) + 1);
    if (!kept ||
        !grow((void **)&pairs->lists, pairs->n_lists, &pairs->cap_lists, sizeof(*pairs->lists)) ||
        !map_add(&pairs->list_map, hash, pairs->n_lists))
        return NULL;
    memcpy(kept, all.numbers, all.n * sizeof(*kept));
    pairs->lists[pairs->n_lists] = (struct pair_list){id, kept, all.n};
    return &pairs->lists[pairs->n_lists++];
}

static void mark_list(struct pairs *pairs, struct search_cache *cache, int64_t id, size_t at)
{
    struct search_text_row *row = id ? search_cached(pairs->search, cache, id) : NULL;
    struct pair_list *list =
        row ? find_list(pairs, cache == &pairs->search->sets ? id : -id, row->text) : NULL;
    for (uint32_t i = 0; list && i < list->n; i++)
        mark(pairs, list->pairs[i], at);
}

/* ---- a trace ---- */

static void add_node(struct pairs *pairs, uint64_t id, size_t at)
{
    const struct search_node *node = search_node_of(pairs->search, id);
    if (!node->service.len || node->role == ROLE_USER)
        return;
    add(pairs, "service", STR_NONE, node->service, at);
    if (node->version.len)
        add(pairs, "version", node->service, node->version, at);
}

static void add_calls(struct pairs *pairs, struct str calls, size_t at)
{
    struct call call;
    struct call_ids ids;
    struct buf scope;
    char number[16];
    buf_init(&scope, 1u << 16);
    while (calls.len && calls_unpack_one(&calls, &call, &ids)) {
        add_node(pairs, ids.caller, at);
        add_node(pairs, ids.callee, at);
        if (search_node_of(pairs->search, ids.caller)->role == ROLE_USER)
            continue;
        buf_reset(&scope);
        buf_add_str(&scope, search_node_of(pairs->search, ids.caller)->service);
        buf_add_c(&scope, "\xe2\x86\x92");
        buf_add_str(&scope, search_node_of(pairs->search, ids.callee)->service);
        snprintf(number, sizeof(number), "%u", call.retries);
        add(pairs, "retries", buf_str(&scope), str_of(number), at);
    }
    buf_fini(&scope);
}

static void add_flags(struct pairs *pairs, struct str flags, size_t at)
{
    struct str head;
    while (flags.len && !str_eq(flags, STR("-"))) {
        str_cut(flags, ',', &head, &flags);
        add(pairs, "flag", STR_NONE, head, at);
    }
}

/* Does the span of the row tell of a call to the service: its own of what it got, its caller's, or
 * that with which all began? What it asks of others is of their calls. */
static bool is_about(const struct pairs *pairs, sqlite3_stmt *row, const struct search_shape *shape)
{
    const struct search *search = pairs->search;
    bool calls = shape->kind == KIND_CLIENT || shape->kind == KIND_PRODUCER;
    uint64_t node = (uint64_t)sqlite3_column_int64(row, calls ? 9 : 6);
    return !pairs->about.len || sqlite3_column_int64(row, 10) == 0 ||
           str_eq(search_node_of(search, node)->service, pairs->about);
}

static void add_spans(struct pairs *pairs, int64_t trace_no, size_t at)
{
    struct search *search = pairs->search;
    sqlite3_stmt *row = search->spans;
    sqlite3_bind_int64(row, 1, trace_no);
    while (sqlite3_step(row) == SQLITE_ROW) {
        const struct search_shape *shape = search_shape_of(search, sqlite3_column_int64(row, 0));
        if (!shape)
            break;
        if (!is_about(pairs, row, shape))
            continue;
        int64_t instance = shape->instance, resource = shape->resource;
        mark_list(pairs, &search->sets, sqlite3_column_int64(row, 1), at);
        mark_list(pairs, &search->resources, resource, at);
        if (instance)
            add(pairs, "instance",
                search_node_of(search, (uint64_t)sqlite3_column_int64(row, 6))->service,
                search_name(search, instance), at);
        add_flags(pairs, search_name(search, sqlite3_column_int64(row, 5)), at);
        if (sqlite3_column_type(row, 7) != SQLITE_NULL)
            walk_members(pairs, column_str(row, 7), mark_seen, &at);
    }
    sqlite3_reset(row);
}

void pairs_add_trace(struct pairs *pairs, int64_t trace_no, size_t at)
{
    sqlite3_stmt *select = pairs->search->row;
    sqlite3_bind_int64(select, 1, trace_no);
    if (sqlite3_step(select) == SQLITE_ROW) {
        add(pairs, "entry", STR_NONE, search_name(pairs->search, sqlite3_column_int64(select, 1)),
            at);
        add_node(pairs, (uint64_t)sqlite3_column_int64(select, 0), at);
        add_calls(
            pairs,
            (struct str){sqlite3_column_blob(select, 2), (size_t)sqlite3_column_bytes(select, 2)},
            at);
    }
    sqlite3_reset(select);
    add_spans(pairs, trace_no, at);
}

uint32_t pairs_both(const struct pairs *pairs, const struct pair *a, const struct pair *b,
                    bool selected)
{
    uint32_t n = 0;
    for (size_t at = selected ? 0 : pairs->n_selected;
         at < (selected ? pairs->n_selected : pairs->n_traces); at++)
        n += (a->traces[at / 64] & b->traces[at / 64]) >> (at % 64) & 1;
    return n;
}
