/* told_minutes.c - rates by the minute are added to what is in the file, and what of them counts is
 * put into edge_minute.
 *
 * Of a pair in a minute, the callee's proxy is believed; of the caller's only what the callee never
 * saw, its durations (they have the way in them), and which of the calls whose client left were
 * given up by it. Where no callee's proxy was heard within five minutes, the caller's is believed,
 * else statistics of clusters. Calls whose minute is not sure give way to spans of the minutes
 * beside theirs too.
 */
#include <math.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/store/minutes.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"
#include "collector/store/told.h"

#define HEARD_MINUTES 5
#define MAX_GROUPS 256u /* edges of a pair: by versions, protocol, who knows of them */
#define MAX_BOUNDS 256u /* of an edge's histogram; buckets beyond are as if they were not there */

int told_minutes_open(struct store *store)
{
    struct told *told = &store->told;
    map_init(&told->look_map);
    return store_prepare(
               store, "SELECT * FROM edge_told_minute WHERE minute = ? AND told = ? AND wide = ?",
               &told->get_minute) ||
           store_prepare(store,
                         "INSERT OR REPLACE INTO edge_told_minute VALUES "
                         "(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                         &told->put_minute) ||
           /* Through a gateway: also the ways to it and from it. */
           store_prepare(
               store,
               "SELECT p.id FROM edge e JOIN node a ON a.id = e.caller JOIN node b ON b.id = "
               "e.callee JOIN edge_pair p ON p.caller_service = a.service AND p.callee_service IN "
               "(b.service, nullif(e.via, 0)) WHERE e.id = ?1 UNION ALL SELECT p.id FROM edge e "
               "JOIN node b ON b.id = e.callee JOIN edge_pair p ON p.caller_service = e.via AND "
               "p.callee_service = b.service WHERE e.id = ?1 AND e.via != 0",
               &told->pairs_of_edge) ||
           store_prepare(store,
                         "SELECT max(q.callee_minute BETWEEN ?2 AND ?3), max(q.caller_minute "
                         "BETWEEN ?2 AND ?3), max(q.cluster_minute BETWEEN ?2 AND ?3) FROM "
                         "edge_pair p JOIN edge_pair q ON q.caller_service = p.caller_service AND "
                         "q.callee_service = p.callee_service WHERE p.id = ?1 AND "
                         "(p.caller_namespace = 0 OR q.caller_namespace IN (0, "
                         "p.caller_namespace)) AND (p.caller_cluster = 0 OR q.caller_cluster IN "
                         "(0, p.caller_cluster)) AND (p.callee_namespace = 0 OR "
                         "q.callee_namespace IN (0, p.callee_namespace)) AND (p.callee_cluster = "
                         "0 OR q.callee_cluster IN (0, p.callee_cluster))",
                         &told->pair_heard) ||
           store_prepare(store,
                         "SELECT q.id FROM edge_pair p JOIN edge_pair q ON q.caller_service = "
                         "p.caller_service AND q.callee_service = p.callee_service WHERE p.id = ?",
                         &told->pairs_of_pair) ||
           /* CROSS JOIN: by the names of its ends, of which there are few nodes and edges. */
           store_prepare(
               store,
               "SELECT 1 FROM edge_pair p CROSS JOIN node a ON a.service = p.caller_service CROSS "
               "JOIN edge e ON e.caller = a.id CROSS JOIN node b ON b.id = e.callee CROSS JOIN "
               "edge_minute_row m ON m.minute = ?2 AND m.edge = e.id WHERE p.id = ?1 AND "
               "b.service = p.callee_service AND e.known_by < 8 AND "
               "(a.namespace = 0 OR p.caller_namespace IN (0, a.namespace)) AND "
               "(a.cluster = 0 OR p.caller_cluster IN (0, a.cluster)) AND "
               "(b.namespace = 0 OR p.callee_namespace IN (0, b.namespace)) AND "
               "(b.cluster = 0 OR p.callee_cluster IN (0, b.cluster)) LIMIT 1",
               &told->spans_tell) ||
           store_prepare(
               store,
               "SELECT 1 FROM edge_pair p CROSS JOIN edge e ON e.via IN (p.caller_service, "
               "p.callee_service) AND e.via != 0 CROSS JOIN node a ON a.id = e.caller CROSS JOIN "
               "node b ON b.id = e.callee CROSS JOIN edge_minute_row m ON m.minute = ?2 AND "
               "m.edge = e.id WHERE p.id = ?1 AND ((e.via = p.callee_service AND a.service = "
               "p.caller_service) OR (e.via = p.caller_service AND b.service = "
               "p.callee_service)) LIMIT 1",
               &told->spans_pass) ||
           store_prepare(store,
                         "SELECT t.caller, t.callee, t.connection_type, t.protocol, t.crossing, "
                         "t.teller, t.unreached, t.bounds, m.* FROM edge_told t CROSS JOIN "
                         "edge_told_minute m ON "
                         "m.minute = ?2 AND m.told = t.id WHERE t.pair = ?1 ORDER BY t.teller",
                         &told->rows_of) ||
           store_prepare(store,
                         "DELETE FROM edge_minute_row WHERE minute = ?2 AND edge IN (SELECT e.id "
                         "FROM edge_told t JOIN edge e ON e.caller = t.caller AND e.callee = "
                         "t.callee WHERE t.pair = ?1 AND e.known_by >= 8)",
                         &told->drop_rows);
}

void told_minutes_close(struct store *store)
{
    struct told *told = &store->told;
    sqlite3_stmt *const all[] = {told->get_minute,    told->put_minute, told->pairs_of_edge,
                                 told->pairs_of_pair, told->pair_heard, told->spans_tell,
                                 told->spans_pass,    told->rows_of,    told->drop_rows};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]);
    map_fini(&told->look_map);
    free(told->looks);
}

void told_minutes_forget(struct store *store)
{
    store->told.n_looks = 0;
    map_clear(&store->told.look_map);
}

/* ---- buckets ---- */

bool told_add_bucket(struct told_buckets *buckets, double upper_ns, int64_t count)
{
    uint32_t at = 0;
    while (at < buckets->n && buckets->items[at].upper_ns < upper_ns)
        at++;
    if (at < buckets->n && buckets->items[at].upper_ns <= upper_ns) {
        buckets->items[at].count += count;
        return true;
    }
    if (buckets->n == MAX_BOUNDS)
        return true;
    if (!told_room((void **)&buckets->items, buckets->n, &buckets->cap, sizeof(*buckets->items)))
        return false;
    memmove(buckets->items + at + 1, buckets->items + at,
            (buckets->n - at) * sizeof(*buckets->items));
    buckets->items[at] = (struct told_bucket){upper_ns, count};
    buckets->n++;
    return true;
}

bool told_read_buckets(struct told_buckets *buckets, sqlite3_stmt *row, int column)
{
    const char *at = sqlite3_column_blob(row, column);
    int size = sqlite3_column_bytes(row, column);
    for (; size >= (int)sizeof(struct told_bucket); size -= (int)sizeof(struct told_bucket)) {
        struct told_bucket bucket;
        memcpy(&bucket, at, sizeof(bucket));
        at += sizeof(bucket);
        if (!isnan(bucket.upper_ns) && !told_add_bucket(buckets, bucket.upper_ns, bucket.count))
            return false;
    }
    return true;
}

void told_bind_buckets(sqlite3_stmt *put, int at, const struct told_buckets *buckets)
{
    sqlite3_bind_blob(put, at, buckets->n ? (const void *)buckets->items : "",
                      (int)(buckets->n * sizeof(*buckets->items)), SQLITE_STATIC);
}

/* Each bucket counts all below it; where proxies have other bounds, at least those of the one
 * before.
 */
static bool add_buckets(struct histogram *histogram, const struct told_buckets *buckets)
{
    int64_t before = 0;
    double low = 0;
    for (uint32_t i = 0; i < buckets->n; i++) {
        const struct told_bucket *bucket = &buckets->items[i];
        double high = isinf(bucket->upper_ns) ? low : bucket->upper_ns;
        if (bucket->count > before) {
            if (!histogram_spread(histogram, low, high, (uint64_t)(bucket->count - before)))
                return false;
            before = bucket->count;
        }
        low = high;
    }
    return true;
}

/* ---- rows of edge_told_minute ---- */

/* Numbers from `column` on, as the table has them. */
static bool read_row(sqlite3_stmt *get, int column, struct told_minute *row)
{
    int64_t *const fields[] = {&row->calls,
                               &row->errors,
                               &row->client_errors,
                               &row->gone,
                               &row->timeouts,
                               &row->retries,
                               &row->duration_ns,
                               &row->security[SECURITY_PLAINTEXT],
                               &row->security[SECURITY_TLS],
                               &row->security[SECURITY_MTLS]};
    const int n = sizeof(fields) / sizeof(fields[0]);
    for (int i = 0; i < n; i++)
        *fields[i] += sqlite3_column_int64(get, column + i);
    return told_read_buckets(&row->buckets, get, column + n);
}

static int write_row(struct store *store, struct told_minute *row)
{
    struct told *told = &store->told;
    sqlite3_stmt *get = told->get_minute, *put = told->put_minute;
    int64_t edge = told->edges[row->edge].row;
    sqlite3_bind_int64(get, 1, (int64_t)row->minute);
    sqlite3_bind_int64(get, 2, edge);
    sqlite3_bind_int64(get, 3, row->wide);
    int code = sqlite3_step(get);
    if (code == SQLITE_ROW && !read_row(get, 3, row))
        code = SQLITE_NOMEM;
    sqlite3_reset(get);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return code;
    const int64_t values[] = {(int64_t)row->minute,
                              edge,
                              row->wide,
                              row->calls,
                              row->errors,
                              row->client_errors,
                              row->gone,
                              row->timeouts,
                              row->retries,
                              row->duration_ns,
                              row->security[SECURITY_PLAINTEXT],
                              row->security[SECURITY_TLS],
                              row->security[SECURITY_MTLS]};
    int at = 1;
    for (; at <= 13; at++)
        sqlite3_bind_int64(put, at, values[at - 1]);
    told_bind_buckets(put, at, &row->buckets);
    return statement_run(put);
}

/* ---- which pairs and minutes ---- */

int told_look_at(struct told *told, int64_t pair, uint64_t minute)
{
    uint64_t hash = hash_mix(minute, (uint64_t)pair);
    for (struct map_iter it = map_find(&told->look_map, hash); map_next(&told->look_map, &it);) {
        if (told->looks[it.value].pair == pair && told->looks[it.value].minute == minute)
            return 0;
    }
    if (!told_room((void **)&told->looks, told->n_looks, &told->cap_looks, sizeof(*told->looks)) ||
        !map_add(&told->look_map, hash, told->n_looks))
        return SQLITE_NOMEM;
    told->looks[told->n_looks++] = (struct told_look){pair, minute};
    return 0;
}

/* The pairs that a bound statement gives, in the minutes from `first` to `last`. */
static int look_at_all(struct told *told, sqlite3_stmt *find, uint64_t first, uint64_t last)
{
    int code, failed = 0;
    while ((code = sqlite3_step(find)) == SQLITE_ROW && !failed) {
        for (uint64_t at = first; at <= last && !failed; at++)
            failed = told_look_at(told, sqlite3_column_int64(find, 0), at);
    }
    sqlite3_reset(find);
    return failed || code == SQLITE_DONE ? failed : code;
}

int told_look_at_kin(struct told *told, int64_t pair, uint64_t minute)
{
    sqlite3_bind_int64(told->pairs_of_pair, 1, pair);
    return look_at_all(told, told->pairs_of_pair, minute ? minute - 1 : 0, minute);
}

int told_note_spans(struct store *store, uint64_t minute, int64_t edge)
{
    struct told *told = &store->told;
    if (!told->any)
        return 0;
    sqlite3_bind_int64(told->pairs_of_edge, 1, edge);
    return look_at_all(told, told->pairs_of_edge, minute ? minute - 1 : 0, minute + 1);
}

/* ---- what counts ---- */

enum part { PART_CALLEE, PART_CALLER, PART_UNREACHED, PART_CLUSTER };

struct group { /* a row of edge_minute in the making */
    struct edge_ids ids;
    enum part part;
    struct minute_row row; /* its histogram is of the caller's durations */
    struct histogram far;  /* of the callee's */
    int64_t gone, timeouts;
};

struct settling {
    struct store *store;
    struct told_look look;
    bool heard[N_SERIES_TELLERS]; /* about this minute */
    bool spans[3];                /* do they tell of the pair: in the minute before, in it, after */
    struct group groups[MAX_GROUPS];
    uint32_t n_groups;
};

static struct group *group_find(struct settling *settling, const struct edge_ids *ids,
                                enum part part)
{
    for (uint32_t i = 0; i < settling->n_groups; i++) {
        struct group *group = &settling->groups[i];
        const struct edge_ids *other = &group->ids;
        if (group->part == part && other->caller == ids->caller && other->callee == ids->callee &&
            other->protocol == ids->protocol && other->connection_type == ids->connection_type &&
            other->crossing == ids->crossing)
            return group;
    }
    return NULL;
}

/* NULL: there are too many. */
static struct group *group_of(struct settling *settling, const struct edge_ids *ids, enum part part)
{
    struct group *group = group_find(settling, ids, part);
    if (group)
        return group;
    if (settling->n_groups == MAX_GROUPS) {
        stat_add(settling->store->told.n_over_edges, 1);
        return NULL;
    }
    group = &settling->groups[settling->n_groups++];
    *group = (struct group){
        .ids = *ids, .part = part, .row = {.minute = settling->look.minute, .edge = true}};
    return group;
}

static void add_counts(struct group *group, const struct told_minute *told)
{
    struct minute_row *row = &group->row;
    row->calls += told->calls;
    row->errors_origin += told->errors;
    row->client_errors += told->client_errors;
    row->retries += told->retries;
    for (int i = SECURITY_PLAINTEXT; i < N_SECURITIES; i++)
        row->security[i] += told->security[i];
    group->gone += told->gone;
}

/* What this row adds to edge_minute, if anything. */
static bool add_row(struct settling *settling, const struct edge_ids *ids, unsigned teller,
                    bool unreached, const struct told_minute *told)
{
    const bool *heard = settling->heard;
    bool callee = heard[TELLER_CALLEE], beside = false;
    enum part part = PART_CALLEE;
    if (teller == TELLER_CALLER) {
        beside = callee && !unreached; /* the callee's proxy counted these */
        part = beside ? PART_CALLEE : callee && unreached ? PART_UNREACHED : PART_CALLER;
    } else if (teller == TELLER_CLUSTER) {
        if (callee || heard[TELLER_CALLER])
            return true;
        part = PART_CLUSTER;
    }
    struct group *group = beside ? group_find(settling, ids, part) : group_of(settling, ids, part);
    if (!group)
        return true;
    if (!beside)
        add_counts(group, told);
    if (teller == TELLER_CALLEE) {
        group->row.server_ns += told->duration_ns;
        return add_buckets(&group->far, &told->buckets);
    }
    group->timeouts += beside ? told->timeouts : 0;
    group->row.client_ns += told->duration_ns;
    return add_buckets(&group->row.histogram, &told->buckets);
}

static bool spans_win(const struct settling *settling, unsigned wide)
{
    const bool *tell = settling->spans;
    return tell[1] || (tell[0] && (wide & TOLD_FROM_BEFORE)) ||
           (tell[2] && (wide & TOLD_UP_TO_NEXT));
}

static int add_rows(struct settling *settling)
{
    struct store *store = settling->store;
    sqlite3_stmt *rows = store->told.rows_of;
    int code;
    bool good = true;
    sqlite3_bind_int64(rows, 1, settling->look.pair);
    sqlite3_bind_int64(rows, 2, (int64_t)settling->look.minute);
    while (good && (code = sqlite3_step(rows)) == SQLITE_ROW) {
        struct told_minute told = {.wide = (uint8_t)sqlite3_column_int(rows, 10)};
        struct edge_ids ids = {.caller = sqlite3_column_int64(rows, 0),
                               .callee = sqlite3_column_int64(rows, 1),
                               .connection_type = (uint8_t)sqlite3_column_int(rows, 2),
                               .protocol = sqlite3_column_int64(rows, 3),
                               .crossing = (uint8_t)sqlite3_column_int(rows, 4)};
        unsigned teller = (unsigned)sqlite3_column_int(rows, 5) % N_SERIES_TELLERS;
        /* The best come first: what they counted in this minute is heard. */
        settling->heard[teller] = true;
        good = spans_win(settling, told.wide) ||
               (told_read_buckets(&told.buckets, rows, 7) && read_row(rows, 11, &told) &&
                add_row(settling, &ids, teller, sqlite3_column_int(rows, 6) != 0, &told));
        free(told.buckets.items);
    }
    sqlite3_reset(rows);
    return !good ? SQLITE_NOMEM : code == SQLITE_DONE ? 0 : code;
}

static uint8_t known_by(const struct settling *settling, const struct group *group, bool user)
{
    if (group->part != PART_CALLEE)
        return KNOWN_CALLER_ONLY;
    if (user)
        return KNOWN_ENTRY;
    return settling->heard[TELLER_CALLER] ? KNOWN_BOTH : KNOWN_CALLEE_ONLY;
}

static int put_group(struct settling *settling, struct group *group)
{
    struct store *store = settling->store;
    struct minute_row *row = &group->row;
    int64_t known = 0;
    if (row->calls <= 0)
        return 0;
    bool user =
        store_number(store, "SELECT role FROM node WHERE id = ?1", group->ids.caller) == ROLE_USER;
    row->errors_origin += group->timeouts < group->gone ? group->timeouts : group->gone;
    for (int i = SECURITY_PLAINTEXT; i < N_SECURITIES; i++)
        known += row->security[i];
    row->security[SECURITY_UNKNOWN] = row->calls > known ? row->calls - known : 0;
    row->adjusted_1024 = row->calls * 1024;
    if (row->histogram.n <= 0 && !histogram_merge(&row->histogram, &group->far))
        return SQLITE_NOMEM;
    group->ids.known_by = known_by(settling, group, user) | KNOWN_BY_SERIES;
    int code = minutes_edge_row(store, &group->ids, &row->dimension);
    row->touched_s = clock_wall_ns() / NS_PER_S;
    return code ? code : minutes_put_edge(store, row);
}

static int ask(sqlite3_stmt *question, int64_t pair, uint64_t minute, bool *yes)
{
    sqlite3_bind_int64(question, 1, pair);
    sqlite3_bind_int64(question, 2, (int64_t)minute);
    int64_t found;
    int code = statement_id(question, &found);
    *yes = found != 0;
    return code;
}

/* Of the two, or of calls for which one of them is the gateway between. */
static int spans_tell(struct told *told, int64_t pair, uint64_t minute, bool *tell)
{
    int code = ask(told->spans_tell, pair, minute, tell);
    return code || *tell ? code : ask(told->spans_pass, pair, minute, tell);
}

/* Who was heard about the minute, here or at a pair that may be the same with a part unknown, and
 * whether spans tell of the two. */
static int look_round(struct settling *settling)
{
    struct told *told = &settling->store->told;
    int64_t minute = (int64_t)settling->look.minute;
    sqlite3_bind_int64(told->pair_heard, 1, settling->look.pair);
    sqlite3_bind_int64(told->pair_heard, 2, minute - HEARD_MINUTES);
    sqlite3_bind_int64(told->pair_heard, 3, minute + HEARD_MINUTES);
    int code = sqlite3_step(told->pair_heard);
    for (int i = 0; i < N_SERIES_TELLERS && code == SQLITE_ROW; i++)
        settling->heard[i] = sqlite3_column_int(told->pair_heard, i) != 0;
    sqlite3_reset(told->pair_heard);
    code = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
    for (int i = 0; i < 3 && !code; i++)
        code = spans_tell(told, settling->look.pair, settling->look.minute + (uint64_t)i - 1,
                          &settling->spans[i]);
    return code;
}

static int settle(struct settling *settling)
{
    struct store *store = settling->store;
    sqlite3_stmt *drop = store->told.drop_rows;
    sqlite3_bind_int64(drop, 1, settling->look.pair);
    sqlite3_bind_int64(drop, 2, (int64_t)settling->look.minute);
    int code = statement_run(drop);
    code = code ? code : look_round(settling);
    code = code ? code : add_rows(settling);
    for (uint32_t i = 0; i < settling->n_groups; i++) {
        struct group *group = &settling->groups[i];
        code = code ? code : put_group(settling, group);
        histogram_fini(&group->row.histogram);
        histogram_fini(&group->far);
    }
    return code;
}

int told_settle(struct store *store)
{
    struct told *told = &store->told;
    uint64_t now_s = clock_wall_ns() / NS_PER_S;
    int code = 0;
    for (uint32_t i = 0; i < told->n_minutes && !code; i++) {
        struct told_minute *row = &told->minutes[i];
        code = write_row(store, row);
        code = code ? code : minute_touch(store, row->minute, now_s, false);
        code = code ? code
                    : told_look_at(told, told->pairs[told->edges[row->edge].pair].row, row->minute);
    }
    struct settling *settling = told->n_looks ? malloc(sizeof(*settling)) : NULL;
    if (told->n_looks && !settling)
        return SQLITE_NOMEM;
    for (uint32_t i = 0; i < told->n_looks && !code; i++) {
        settling->store = store;
        settling->look = told->looks[i];
        settling->n_groups = 0;
        memset(settling->heard, 0, sizeof(settling->heard));
        memset(settling->spans, 0, sizeof(settling->spans));
        code = settle(settling);
    }
    free(settling);
    told_minutes_forget(store);
    return code;
}
