/* search.c - opening a search, its caches, and the scan. */
#include "collector/store/search.h"

#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/store/search_match.h"

#define ARENA_BYTES ((size_t)128 << 20)
#define LOOK_EVERY 256

/* ---- caches ---- */

static bool grow(void **rows, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    uint32_t more = *cap ? 2 * *cap : 64;
    void *grown = realloc(*rows, more * size);
    if (!grown)
        return false;
    *rows = grown;
    *cap = more;
    return true;
}

struct search_text_row *search_cached(struct search *search, struct search_cache *cache, int64_t id)
{
    uint64_t hash = hash_u64((uint64_t)id);
    for (struct map_iter it = map_find(&cache->map, hash); map_next(&cache->map, &it);) {
        if (cache->rows[it.value].id == id)
            return &cache->rows[it.value];
    }
    if (!grow((void **)&cache->rows, cache->n, &cache->cap, sizeof(*cache->rows)))
        return NULL;
    struct search_text_row *row = &cache->rows[cache->n];
    *row = (struct search_text_row){.id = id};
    sqlite3_bind_int64(cache->select, 1, id);
    if (id && sqlite3_step(cache->select) == SQLITE_ROW)
        row->text = arena_dup(&search->arena, column_str(cache->select, 0));
    sqlite3_reset(cache->select);
    if (!row->text.p)
        row->text = STR_NONE;
    if (cache->attributes)
        row->fits = search_attributes_fit(search, row->text);
    if (!map_add(&cache->map, hash, cache->n))
        return NULL;
    cache->n++;
    return row;
}

struct str search_name(struct search *search, int64_t id)
{
    struct search_text_row *row = search_cached(search, &search->names, id);
    return row ? row->text : STR_NONE;
}

const struct search_node *search_node_of(const struct search *search, uint64_t id)
{
    return &search->nodes[id < search->n_nodes ? id : 0];
}

const struct search_shape *search_shape_of(struct search *search, int64_t id)
{
    uint64_t hash = hash_u64((uint64_t)id);
    for (struct map_iter it = map_find(&search->shape_map, hash);
         map_next(&search->shape_map, &it);) {
        if (search->shapes[it.value].id == id)
            return &search->shapes[it.value];
    }
    if (!grow((void **)&search->shapes, search->n_shapes, &search->cap_shapes,
              sizeof(*search->shapes)))
        return NULL;
    struct search_shape *shape = &search->shapes[search->n_shapes];
    *shape = (struct search_shape){.id = id};
    sqlite3_bind_int64(search->shape, 1, id);
    if (sqlite3_step(search->shape) == SQLITE_ROW) {
        shape->operation = sqlite3_column_int64(search->shape, 0);
        shape->instance = sqlite3_column_int64(search->shape, 1);
        shape->resource = sqlite3_column_int64(search->shape, 2);
        shape->kind = (uint8_t)sqlite3_column_int(search->shape, 3);
        shape->format = (uint8_t)sqlite3_column_int(search->shape, 4);
    }
    sqlite3_reset(search->shape);
    if (!map_add(&search->shape_map, hash, search->n_shapes))
        return NULL;
    return &search->shapes[search->n_shapes++];
}

/* ---- opening ---- */

static int load_nodes(struct search *search, struct err *err)
{
    sqlite3_stmt *select;
    int code;
    if (query_begin(search->query,
                    "SELECT d.id, nc.text, nn.text, ns.text, nv.text, d.role, (SELECT max(id) FROM "
                    "node) FROM node d "
                    "JOIN name nc ON nc.id = d.cluster JOIN name nn ON nn.id = d.namespace "
                    "JOIN name ns ON ns.id = d.service JOIN name nv ON nv.id = d.version",
                    &select, err))
        return err->code;
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        if (!search->nodes) {
            search->n_nodes = (uint32_t)sqlite3_column_int64(select, 6) + 1;
            search->nodes = arena_calloc(&search->arena, search->n_nodes * sizeof(*search->nodes));
        }
        if (!search->nodes) {
            code = SQLITE_NOMEM;
            break;
        }
        struct search_node *node = &search->nodes[sqlite3_column_int64(select, 0)];
        struct str *texts[4] = {&node->cluster, &node->namespace, &node->service, &node->version};
        for (int i = 0; i < 4; i++)
            *texts[i] = arena_dup(&search->arena, column_str(select, 1 + i));
        node->role = (uint8_t)sqlite3_column_int(select, 5);
    }
    return query_end(search->query, select, code, err);
}

static int prepare(struct search *search, struct err *err)
{
    static const char *const texts[3] = {"SELECT text FROM name WHERE id = ?",
                                         "SELECT json FROM attribute_set WHERE id = ?",
                                         "SELECT json FROM resource WHERE id = ?"};
    struct search_cache *caches[3] = {&search->names, &search->sets, &search->resources};
    sqlite3 *db = search->query->db;
    int code = 0;
    for (int i = 0; i < 3 && !code; i++) {
        caches[i]->attributes = i > 0;
        code = sqlite3_prepare_v2(db, texts[i], -1, &caches[i]->select, NULL);
    }
    code = code ? code
                : sqlite3_prepare_v2(db,
                                     "SELECT operation, instance, resource, kind, format FROM "
                                     "shape WHERE id = ?",
                                     -1, &search->shape, NULL);
    code = code ? code
                : sqlite3_prepare_v2(db,
                                     "SELECT shape, attribute_set, bits, http_status, grpc_status, "
                                     "flags_text, node, own, name, peer, parent_id FROM span_row "
                                     "WHERE trace_no = ? ORDER BY i",
                                     -1, &search->spans, NULL);
    code = code ? code
                : sqlite3_prepare_v2(db,
                                     "SELECT DISTINCT flags_text FROM span_row WHERE trace_no = ? "
                                     "AND flags_text",
                                     -1, &search->flags, NULL);
    code = code ? code
                : sqlite3_prepare_v2(db,
                                     "SELECT entry, entry_operation, calls FROM trace_row WHERE "
                                     "trace_no = ?",
                                     -1, &search->row, NULL);
    return code ? err_set(err, ERR_IO, "%s", sqlite3_errmsg(db)) : 0;
}

int search_open(struct search *search, struct query *query, struct window window, struct str q,
                struct err *err)
{
    *search = (struct search){.query = query, .window = window};
    arena_init(&search->arena, ARENA_BYTES);
    if (search_text_read(q, &search->arena, &search->text, err) || load_nodes(search, err) ||
        prepare(search, err) || search_match_open(search, err)) {
        search_close(search);
        return err->code;
    }
    return 0;
}

void search_close(struct search *search)
{
    struct search_cache *caches[3] = {&search->names, &search->sets, &search->resources};
    for (int i = 0; i < 3; i++) {
        sqlite3_finalize(caches[i]->select);
        map_fini(&caches[i]->map);
        free(caches[i]->rows);
    }
    sqlite3_finalize(search->spans);
    sqlite3_finalize(search->shape);
    sqlite3_finalize(search->flags);
    sqlite3_finalize(search->row);
    map_fini(&search->shape_map);
    free(search->shapes);
    arena_fini(&search->arena);
}

/* ---- the scan ---- */

static void read_trace(sqlite3_stmt *row, struct search_trace *trace)
{
    int bits = sqlite3_column_int(row, 13);
    *trace = (struct search_trace){
        .trace_no = sqlite3_column_int64(row, 0),
        .id = sqlite3_column_blob(row, 1),
        .start_ns = (uint64_t)sqlite3_column_int64(row, 2),
        .duration_ns = sqlite3_column_type(row, 3) == SQLITE_NULL
                           ? DURATION_UNKNOWN
                           : (uint64_t)sqlite3_column_int64(row, 3),
        .entry = (uint32_t)sqlite3_column_int64(row, 4),
        .entry_operation = sqlite3_column_int64(row, 5),
        .origin = (uint32_t)sqlite3_column_int64(row, 6),
        .origin_operation = sqlite3_column_int64(row, 7),
        .origin_reason = sqlite3_column_int64(row, 8),
        .span_count = (uint32_t)sqlite3_column_int64(row, 9),
        .service_count = (uint32_t)sqlite3_column_int64(row, 10),
        .error_count = (uint32_t)sqlite3_column_int64(row, 11),
        .parts = (uint32_t)sqlite3_column_int64(row, 12),
        .error = bits & 1,
        .complete = (bits & 2) != 0,
        .kept = (bits & 4) != 0,
        .reopened = (uint32_t)sqlite3_column_int64(row, 14),
        .calls = {sqlite3_column_blob(row, 15), (size_t)sqlite3_column_bytes(row, 15)},
    };
}

static bool visit_row(struct search *search, sqlite3_stmt *select, bool only_whole,
                      search_visit *visit, void *ctx)
{
    struct search_trace trace;
    read_trace(select, &trace);
    if (!trace.id)
        return true;
    search->stopped_at_ns = trace.start_ns;
    uint32_t failed = search_match(search, &trace, only_whole ? 0 : 1);
    if (failed && (only_whole || (failed & (failed - 1))))
        return true;
    return visit(search, &trace, failed, ctx);
}

int search_scan(struct search *search, bool only_whole, search_visit *visit, void *ctx,
                struct err *err)
{
    sqlite3_stmt *select;
    int64_t first, last;
    int code;
    if (query_trace_numbers(search->query, search->window, &first, &last, err) ||
        query_begin(search->query,
                    "SELECT trace_no, id, start_ns, duration_ns, entry, entry_operation, origin, "
                    "origin_operation, origin_reason, span_count, service_count, error_count, "
                    "parts, bits, reopened, calls FROM trace_row WHERE trace_no BETWEEN ?1 AND ?2 "
                    "AND start_ns >= ?3 AND start_ns < ?4 ORDER BY trace_no DESC",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, first);
    sqlite3_bind_int64(select, 2, last);
    sqlite3_bind_int64(select, 3, (int64_t)search->window.from_ns);
    sqlite3_bind_int64(select, 4, (int64_t)search->window.to_ns);
    search->until_ns = clock_mono_ns() + SEARCH_SCAN_NS;
    search->stopped = false;
    for (unsigned n = 1; (code = sqlite3_step(select)) == SQLITE_ROW; n++) {
        if (!visit_row(search, select, only_whole, visit, ctx))
            break;
        if (n % LOOK_EVERY == 0 && clock_mono_ns() > search->until_ns) {
            search->stopped = true;
            break;
        }
    }
    return query_end(search->query, select, code, err);
}

/* ---- origins ---- */

struct search_origin search_origin_of(const struct search *search, const struct search_trace *trace)
{
    struct search_origin origin = {NULL, NULL};
    struct str blob = trace->calls;
    struct call call;
    struct call_ids ids;
    if (!trace->origin)
        return origin;
    origin.callee = search_node_of(search, trace->origin);
    while (blob.len && calls_unpack_one(&blob, &call, &ids)) {
        if (call.fault != FAULT_ORIGIN || ids.callee != trace->origin)
            continue;
        bool spoke = call.callee_span != NO_SPAN;
        const struct search_node *caller = search_node_of(search, ids.caller);
        origin.caller = spoke || caller->role == ROLE_USER ? NULL : caller;
        if (!spoke)
            return origin;
    }
    return origin;
}

static void add_side(struct buf *out, const struct search_node *node)
{
    buf_add_str(out, node->service);
    if (node->version.len) {
        buf_add_char(out, ' ');
        buf_add_str(out, node->version);
    }
}

void search_origin_text(const struct search_origin *origin, struct buf *out)
{
    if (!origin->callee)
        return;
    if (origin->caller) {
        add_side(out, origin->caller);
        buf_add_c(out, "\xe2\x86\x92");
    }
    add_side(out, origin->callee);
}
