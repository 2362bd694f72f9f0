/* minutes.c - minute rows change in memory with every trace and are written once a commit.
 *
 * A row that is not in memory is read from the file first, so that a late trace adds to what is
 * there. Rows that were not touched for a while leave memory after a commit.
 */
#include "collector/store/minutes.h"

#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/store/dictionary.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"
#include "collector/store/told.h"

#define KEEP_S 180
#define MAX_ROWS 50000u

static struct stat_family overflow_family =
    STAT_COUNTER("faultline_store_overflow_total", "What met a limit of the store, by limit.");

int minutes_open(struct store *store)
{
    struct minutes *m = &store->minutes;
    map_init(&m->row_map);
    map_init(&m->edge_map);
    buf_init(&m->blob, 1u << 16);
    buf_init(&m->transit_blob, 1u << 16);
    m->n_over_edges = stat_get(&overflow_family, "limit", "edges", NULL);
    return store_prepare(
               store,
               "SELECT id FROM edge WHERE caller = ? AND callee = ? AND connection_type = ? AND "
               "protocol = ? AND via = ? AND crossing = ? AND known_by = ?",
               &m->find_edge) ||
           store_prepare(store,
                         "INSERT INTO edge (caller, callee, connection_type, protocol, via, "
                         "crossing, known_by) "
                         "VALUES (?,?,?,?,?,?,?)",
                         &m->add_edge) ||
           store_prepare(store,
                         "INSERT OR REPLACE INTO edge_minute_row VALUES "
                         "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                         &m->put_edge) ||
           store_prepare(store, "SELECT * FROM edge_minute_row WHERE minute = ? AND edge = ?",
                         &m->get_edge) ||
           store_prepare(store, "DELETE FROM edge_minute_row WHERE minute = ? AND edge = ?",
                         &m->drop_edge) ||
           store_prepare(
               store, "INSERT OR REPLACE INTO operation_minute_row VALUES (?,?,?,?,?,?,?,?,?,?,?)",
               &m->put_op) ||
           store_prepare(store,
                         "SELECT * FROM operation_minute_row WHERE minute = ? AND operation = ?",
                         &m->get_op) ||
           store_prepare(store,
                         "DELETE FROM operation_minute_row WHERE minute = ? AND operation = ?",
                         &m->drop_op) ||
           store_prepare(
               store,
               "INSERT INTO ingest_minute_row VALUES "
               "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16) "
               "ON CONFLICT DO UPDATE SET received = received + ?4, rejected = rejected + ?5, "
               "duplicate = duplicate + ?6, pending = pending + ?7, paired = paired + ?8, "
               "caller_only = caller_only + ?9, callee_only = callee_only + ?10, entry = entry + "
               "?11, "
               "orphan = orphan + ?12, local = local + ?13, stored = stored + ?14, late = late + "
               "?15, "
               "conflict = conflict + ?16",
               &m->put_ingest);
}

static void row_free(struct minute_row *row)
{
    histogram_fini(&row->histogram);
    histogram_fini(&row->transit);
    free(row);
}

void minutes_forget(struct store *store)
{
    struct minutes *m = &store->minutes;
    for (uint32_t i = 0; i < m->n_rows; i++)
        row_free(m->rows[i]);
    m->n_rows = 0;
    map_clear(&m->row_map);
    for (uint32_t i = 0; i < m->n_edges; i++)
        m->edges[i].row = 0;
}

void minutes_close(struct store *store)
{
    struct minutes *m = &store->minutes;
    sqlite3_stmt *all[] = {m->find_edge, m->add_edge, m->put_edge, m->get_edge,  m->drop_edge,
                           m->put_op,    m->get_op,   m->drop_op,  m->put_ingest};
    minutes_forget(store);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]);
    free(m->rows);
    free(m->edges);
    map_fini(&m->row_map);
    map_fini(&m->edge_map);
    buf_fini(&m->blob);
    buf_fini(&m->transit_blob);
}

/* ---- edges ---- */

static uint64_t edge_hash(const struct call *call)
{
    uint64_t hash = hash_mix((uint64_t)call->caller << 32 | call->callee,
                             (uint64_t)call->protocol << 32 | call->via);
    return hash_mix(hash, call->connection_type | call->crossing << 4 | call->known_by << 8);
}

static bool edge_eq(const struct call *a, const struct call *b)
{
    return a->caller == b->caller && a->callee == b->callee && a->protocol == b->protocol &&
           a->via == b->via && a->connection_type == b->connection_type &&
           a->crossing == b->crossing && a->known_by == b->known_by;
}

static struct edge_entry *edge_entry(struct minutes *m, const struct call *call)
{
    uint64_t hash = edge_hash(call);
    for (struct map_iter it = map_find(&m->edge_map, hash); map_next(&m->edge_map, &it);) {
        if (edge_eq(&m->edges[it.value].key, call))
            return &m->edges[it.value];
    }
    if (m->n_edges == m->cap_edges) {
        uint32_t cap = m->cap_edges ? 2 * m->cap_edges : 256;
        struct edge_entry *grown = realloc(m->edges, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        m->edges = grown;
        m->cap_edges = cap;
    }
    if (!map_add(&m->edge_map, hash, m->n_edges))
        return NULL;
    m->edges[m->n_edges] = (struct edge_entry){.key = *call};
    return &m->edges[m->n_edges++];
}

/* Beyond limit.edges both ends become 'other'. */
static struct edge_entry *bounded_edge(struct store *store, const struct call *call)
{
    struct minutes *m = &store->minutes;
    struct call other = *call;
    if (m->n_edges < store->settings.edges_max || !store->settings.edges_max)
        return edge_entry(m, call);
    uint64_t hash = edge_hash(call);
    for (struct map_iter it = map_find(&m->edge_map, hash); map_next(&m->edge_map, &it);) {
        if (edge_eq(&m->edges[it.value].key, call))
            return &m->edges[it.value];
    }
    stat_add(m->n_over_edges, 1);
    other.caller = other.callee = NODE_OTHER;
    other.via = NAME_NONE;
    return edge_entry(m, &other);
}

int minutes_edge_row(struct store *store, const struct edge_ids *ids, int64_t *row)
{
    struct minutes *m = &store->minutes;
    const int64_t values[7] = {ids->caller, ids->callee,   ids->connection_type, ids->protocol,
                               ids->via,    ids->crossing, ids->known_by};
    for (int k = 0; k < 7; k++) {
        sqlite3_bind_int64(m->find_edge, k + 1, values[k]);
        sqlite3_bind_int64(m->add_edge, k + 1, values[k]);
    }
    int code = statement_id(m->find_edge, row);
    if (code || *row)
        return code;
    code = statement_run(m->add_edge);
    *row = sqlite3_last_insert_rowid(store->db);
    return code;
}

static int edge_row_id(struct store *store, const struct turn *turn, struct edge_entry *edge)
{
    const struct call *key = &edge->key;
    struct edge_ids ids = {.connection_type = key->connection_type,
                           .crossing = key->crossing,
                           .known_by = key->known_by};
    int code = dictionary_node(store, turn, key->caller, &ids.caller);
    code = code ? code : dictionary_node(store, turn, key->callee, &ids.callee);
    code = code ? code : dictionary_name(store, turn, key->protocol, &ids.protocol);
    code = code ? code : dictionary_name(store, turn, key->via, &ids.via);
    return code ? code : minutes_edge_row(store, &ids, &edge->row);
}

/* ---- rows ---- */

static void load_edge(sqlite3_stmt *get, struct minute_row *row)
{
    int64_t *const fields[] = {&row->calls,
                               &row->errors_origin,
                               &row->errors_carried,
                               &row->client_errors,
                               &row->retries,
                               &row->recovered,
                               &row->client_ns,
                               &row->server_ns,
                               &row->transit_ns,
                               &row->security[SECURITY_PLAINTEXT],
                               &row->security[SECURITY_TLS],
                               &row->security[SECURITY_MTLS],
                               &row->security[SECURITY_UNKNOWN],
                               &row->adjusted_1024,
                               &row->hairpins};
    for (int i = 0; i < 15; i++)
        *fields[i] = sqlite3_column_int64(get, 2 + i);
    statement_read_histogram(get, 22, &row->histogram);
    statement_read_histogram(get, 23, &row->transit);
    row->added_ns = sqlite3_column_int64(get, 24);
    row->detours = sqlite3_column_int64(get, 25);
    row->bytes = sqlite3_column_int64(get, 26);
}

static void load_op(sqlite3_stmt *get, struct minute_row *row)
{
    row->calls = sqlite3_column_int64(get, 2);
    row->errors_origin = sqlite3_column_int64(get, 3);
    row->client_errors = sqlite3_column_int64(get, 4);
    row->server_ns = sqlite3_column_int64(get, 5);
    statement_read_histogram(get, 10, &row->histogram);
}

static int load(struct store *store, struct minute_row *row)
{
    sqlite3_stmt *get = row->edge ? store->minutes.get_edge : store->minutes.get_op;
    sqlite3_bind_int64(get, 1, (int64_t)row->minute);
    sqlite3_bind_int64(get, 2, row->dimension);
    int code = sqlite3_step(get);
    if (code == SQLITE_ROW) {
        row->loaded = true;
        if (row->edge)
            load_edge(get, row);
        else
            load_op(get, row);
    }
    sqlite3_reset(get);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
}

static uint64_t row_hash(uint64_t minute, int64_t dimension, bool edge)
{
    return hash_mix(minute << 1 | edge, (uint64_t)dimension);
}

static int row_of(struct store *store, uint64_t minute, int64_t dimension, bool edge,
                  struct minute_row **result)
{
    struct minutes *m = &store->minutes;
    uint64_t hash = row_hash(minute, dimension, edge);
    for (struct map_iter it = map_find(&m->row_map, hash); map_next(&m->row_map, &it);) {
        struct minute_row *row = m->rows[it.value];
        if (row->minute == minute && row->dimension == dimension && row->edge == edge) {
            *result = row;
            return 0;
        }
    }
    if (m->n_rows == m->cap_rows) {
        uint32_t cap = m->cap_rows ? 2 * m->cap_rows : 1024;
        struct minute_row **grown = realloc(m->rows, cap * sizeof(*grown));
        if (!grown)
            return SQLITE_NOMEM;
        m->rows = grown;
        m->cap_rows = cap;
    }
    struct minute_row *row = calloc(1, sizeof(*row));
    if (!row || !map_add(&m->row_map, hash, m->n_rows)) {
        free(row);
        return SQLITE_NOMEM;
    }
    row->minute = minute;
    row->dimension = dimension;
    row->edge = edge;
    m->rows[m->n_rows++] = row;
    *result = row;
    return load(store, row);
}

void minutes_see_ends(struct store *store, const struct turn *turn, const struct call *call)
{
    const node_no ends[2] = {call->caller, call->callee};
    for (int i = 0; i < 2 && call->start_ns; i++) {
        if (ends[i] && nodes_get(turn->nodes, ends[i])->role != ROLE_USER)
            dictionary_see(store, ends[i], NULL, call->start_ns);
    }
}

static void add_hairpin(struct minute_row *row, const struct call *call, int sign)
{
    bool known = call->added_ns != DURATION_UNKNOWN;
    row->hairpins += sign;
    row->detours += known ? sign : 0;
    row->added_ns += known ? sign * (int64_t)call->added_ns : 0;
    row->bytes += sign * (int64_t)call->bytes;
}

int minutes_add_call(struct store *store, const struct turn *turn, const struct call *call,
                     int sign)
{
    struct edge_entry *edge = bounded_edge(store, call);
    struct minute_row *row;
    if (!edge)
        return SQLITE_NOMEM;
    int code = edge->row ? 0 : edge_row_id(store, turn, edge);
    code = code ? code : row_of(store, call->start_ns / NS_PER_MINUTE, edge->row, true, &row);
    if (code)
        return code;
    if (sign > 0)
        minutes_see_ends(store, turn, call);
    row->dirty = true;
    row->calls += sign;
    row->errors_origin += call->fault == FAULT_ORIGIN ? sign : 0;
    row->errors_carried += call->fault == FAULT_CARRIED ? sign : 0;
    row->client_errors += call->fault == FAULT_CLIENT_ERROR ? sign : 0;
    row->retries += sign * call->retries;
    row->recovered += call->recovered ? sign : 0;
    row->client_ns += call->caller_ns == DURATION_UNKNOWN ? 0 : sign * (int64_t)call->caller_ns;
    row->server_ns += call->callee_ns == DURATION_UNKNOWN ? 0 : sign * (int64_t)call->callee_ns;
    row->transit_ns += call->transit_ns == DURATION_UNKNOWN ? 0 : sign * (int64_t)call->transit_ns;
    row->security[call->security] += sign;
    row->adjusted_1024 += sign * (int64_t)(call->weight * 1024.0f);
    if (call->hairpin)
        add_hairpin(row, call, sign);
    uint64_t duration_ns = call->caller_ns != DURATION_UNKNOWN ? call->caller_ns : call->callee_ns;
    bool ok = duration_ns == DURATION_UNKNOWN || histogram_add(&row->histogram, duration_ns, sign);
    ok = ok && (call->transit_ns == DURATION_UNKNOWN ||
                histogram_add(&row->transit, call->transit_ns, sign));
    return ok ? 0 : SQLITE_NOMEM;
}

int minutes_add_span(struct store *store, const struct turn *turn, const struct record *record,
                     const struct span_result *result, int sign)
{
    struct op_entry *op;
    struct minute_row *row;
    if (result->again)
        return 0;
    int code = dictionary_op(store, turn, result->node, record->shape, &op);
    code = code ? code : row_of(store, record->start_ns / NS_PER_MINUTE, op->row, false, &row);
    if (code)
        return code;
    /* A sidecar is no service of its own: the workload it stands before is an end of the call. */
    bool sidecar = nodes_get(turn->nodes, result->node)->role == ROLE_SIDECAR;
    if (sign > 0 && !record->bad_times)
        dictionary_see(store, sidecar ? NODE_NONE : result->node, op, record->start_ns);
    row->dirty = true;
    row->calls += sign;
    row->errors_origin += result->failed ? sign : 0;
    row->client_errors += result->client_error ? sign : 0;
    if (record->bad_times || record->duration_ns == DURATION_UNKNOWN)
        return 0;
    row->server_ns += sign * (int64_t)record->duration_ns;
    return histogram_add(&row->histogram, record->duration_ns, sign) ? 0 : SQLITE_NOMEM;
}

int minutes_add_ledger(struct store *store, const struct ledger_change *change)
{
    sqlite3_stmt *put = store->minutes.put_ingest;
    sqlite3_bind_int64(put, 1, ARRIVAL_MINUTE(change->arrival));
    sqlite3_bind_int64(put, 2, ARRIVAL_FORMAT(change->arrival));
    sqlite3_bind_int64(put, 3, ARRIVAL_TRANSPORT(change->arrival));
    sqlite3_bind_int64(put, 4, change->received);
    for (int i = 0; i < N_LEDGER_CLASSES; i++)
        sqlite3_bind_int64(put, 5 + i, change->classes[i]);
    sqlite3_bind_int64(put, 15, change->late);
    sqlite3_bind_int64(put, 16, change->conflict);
    return statement_run(put);
}

/* ---- writing ---- */

int minutes_put_edge(struct store *store, const struct minute_row *row)
{
    struct minutes *m = &store->minutes;
    sqlite3_stmt *put = m->put_edge;
    const int64_t values[] = {(int64_t)row->minute,
                              row->dimension,
                              row->calls,
                              row->errors_origin,
                              row->errors_carried,
                              row->client_errors,
                              row->retries,
                              row->recovered,
                              row->client_ns,
                              row->server_ns,
                              row->transit_ns,
                              row->security[SECURITY_PLAINTEXT],
                              row->security[SECURITY_TLS],
                              row->security[SECURITY_MTLS],
                              row->security[SECURITY_UNKNOWN],
                              row->adjusted_1024,
                              row->hairpins};
    int at = 1;
    for (; at <= 17; at++)
        sqlite3_bind_int64(put, at, values[at - 1]);
    at = statement_bind_percentiles(put, at, &row->histogram);
    statement_bind_ns(put, at, histogram_max(&row->histogram));
    sqlite3_bind_int64(put, at + 1, (int64_t)row->touched_s);
    statement_bind_histogram(put, at + 2, &row->histogram, &m->blob);
    statement_bind_histogram(put, at + 3, &row->transit, &m->transit_blob);
    sqlite3_bind_int64(put, at + 4, row->added_ns);
    sqlite3_bind_int64(put, at + 5, row->detours);
    sqlite3_bind_int64(put, at + 6, row->bytes);
    return statement_run(put);
}

static int put_op(struct store *store, const struct minute_row *row)
{
    struct minutes *m = &store->minutes;
    sqlite3_stmt *put = m->put_op;
    const int64_t values[] = {(int64_t)row->minute, row->dimension,     row->calls,
                              row->errors_origin,   row->client_errors, row->server_ns};
    int at = 1;
    for (; at <= 6; at++)
        sqlite3_bind_int64(put, at, values[at - 1]);
    at = statement_bind_percentiles(put, at, &row->histogram);
    sqlite3_bind_int64(put, at, (int64_t)row->touched_s);
    statement_bind_histogram(put, at + 1, &row->histogram, &m->blob);
    return statement_run(put);
}

static int drop_row(struct store *store, const struct minute_row *row)
{
    sqlite3_stmt *drop = row->edge ? store->minutes.drop_edge : store->minutes.drop_op;
    sqlite3_bind_int64(drop, 1, (int64_t)row->minute);
    sqlite3_bind_int64(drop, 2, row->dimension);
    return statement_run(drop);
}

static int write_row(struct store *store, struct minute_row *row, uint64_t now_s)
{
    bool was = row->loaded, is = row->calls != 0;
    row->touched_s = now_s;
    row->dirty = false;
    row->loaded = is;
    int code = row->edge && was != is ? told_note_spans(store, row->minute, row->dimension) : 0;
    if (code || !is)
        return code || !was ? code : drop_row(store, row);
    return row->edge ? minutes_put_edge(store, row) : put_op(store, row);
}

/* Rows that rest leave; the map is built anew when some did. */
static void leave(struct minutes *m, uint64_t now_s)
{
    uint32_t kept = 0, keep_s = m->n_rows > MAX_ROWS ? 0 : KEEP_S;
    for (uint32_t i = 0; i < m->n_rows; i++) {
        if (m->rows[i]->touched_s + keep_s < now_s || (!keep_s && !m->rows[i]->dirty))
            row_free(m->rows[i]);
        else
            m->rows[kept++] = m->rows[i];
    }
    if (kept == m->n_rows)
        return;
    m->n_rows = kept;
    map_clear(&m->row_map);
    for (uint32_t i = 0; i < kept; i++)
        map_add(&m->row_map, row_hash(m->rows[i]->minute, m->rows[i]->dimension, m->rows[i]->edge),
                i);
}

int minutes_write(struct store *store)
{
    struct minutes *m = &store->minutes;
    uint64_t now_s = clock_wall_ns() / NS_PER_S;
    for (uint32_t i = 0; i < m->n_rows; i++) {
        if (!m->rows[i]->dirty)
            continue;
        int code = write_row(store, m->rows[i], now_s);
        code = code ? code : minute_touch(store, m->rows[i]->minute, now_s, false);
        if (code)
            return code;
    }
    leave(m, now_s);
    return 0;
}
