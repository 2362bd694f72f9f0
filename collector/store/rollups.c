/* rollups.c - the roll-ups of turns, gathered by the minute in memory and written once a commit.
 *
 * As minutes.c does with edges: a row that is not in memory is read first, so that a late trace
 * adds to what is there; rows that rest leave memory.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/model/ingest_stats.h"
#include "collector/store/dictionary.h"
#include "collector/store/minutes.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

#define KEEP_S 180
#define MAX_ROWS 200000u

int rollups_open(struct store *store)
{
    struct rollups *r = &store->rollups;
    rollup_init(&r->rows, MAX_ROWS);
    buf_init(&r->blob, 1u << 16);
    r->n_limited = series_limited("localise");
    return store_prepare(store,
                         "SELECT id FROM tally_key WHERE node = ? AND peer = ? AND name = ? AND "
                         "detail = ? AND channel = ? AND what = ?",
                         &r->find_key) ||
           store_prepare(store,
                         "INSERT INTO tally_key (node, peer, name, detail, channel, what) VALUES "
                         "(?, ?, ?, ?, ?, ?)",
                         &r->add_key) ||
           store_prepare(store, "SELECT * FROM tally_row WHERE minute = ? AND tally = ?",
                         &r->get) ||
           store_prepare(store,
                         "INSERT OR REPLACE INTO tally_row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                         &r->put) ||
           store_prepare(store, "DELETE FROM tally_row WHERE minute = ? AND tally = ?", &r->drop) ||
           store_prepare(store,
                         "INSERT INTO minute_age VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET "
                         "touched_s = ?2, tallies = max(tallies, ?3)",
                         &r->touch);
}

void rollups_forget(struct store *store)
{
    rollup_clear(&store->rollups.rows);
    memset(store->rollups.touched, 0, sizeof(store->rollups.touched));
}

void rollups_close(struct store *store)
{
    struct rollups *r = &store->rollups;
    sqlite3_stmt *all[] = {r->find_key, r->add_key, r->get, r->put, r->drop, r->touch};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]);
    rollup_fini(&r->rows);
    free(r->states);
    buf_fini(&r->blob);
}

static int key_row(struct store *store, const struct turn *turn, const struct tally_key *key,
                   int64_t *row)
{
    struct rollups *r = &store->rollups;
    int64_t node, peer, name, detail;
    int code = dictionary_node(store, turn, key->node, &node);
    code = code ? code : dictionary_node(store, turn, key->peer, &peer);
    code = code ? code : dictionary_name(store, turn, key->name, &name);
    code = code ? code : dictionary_name(store, turn, key->detail, &detail);
    if (code)
        return code;
    sqlite3_stmt *both[2] = {r->find_key, r->add_key};
    const int64_t values[6] = {node, peer, name, detail, key->channel, key->what};
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 6; k++)
            sqlite3_bind_int64(both[i], k + 1, values[k]);
    }
    code = sqlite3_step(r->find_key);
    *row = code == SQLITE_ROW ? sqlite3_column_int64(r->find_key, 0) : 0;
    sqlite3_reset(r->find_key);
    if (*row)
        return 0;
    code = statement_run(r->add_key);
    *row = sqlite3_last_insert_rowid(store->db);
    return code;
}

static int load(struct store *store, struct tally *tally, struct tally_state *state)
{
    sqlite3_stmt *get = store->rollups.get;
    sqlite3_bind_int64(get, 1, tally->step);
    sqlite3_bind_int64(get, 2, state->row);
    int code = sqlite3_step(get);
    if (code == SQLITE_ROW) {
        int64_t *const fields[] = {&tally->n,       &tally->bad,     &tally->client_errors,
                                   &tally->origins, &tally->retries, &tally->recovered,
                                   &tally->sum_ns};
        for (int i = 0; i < 7; i++)
            *fields[i] = sqlite3_column_int64(get, 2 + i);
        histogram_decode(&tally->histogram, (struct str){sqlite3_column_blob(get, 9),
                                                         (size_t)sqlite3_column_bytes(get, 9)});
        state->loaded = true;
    }
    sqlite3_reset(get);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
}

static bool grow_states(struct rollups *r)
{
    if (r->rows.n <= r->cap_states)
        return true;
    struct tally_state *grown = realloc(r->states, r->rows.cap * sizeof(*grown));
    if (!grown)
        return false;
    r->states = grown;
    r->cap_states = r->rows.cap;
    return true;
}

/* Minutes are the steps of the rows here. */
static int add(struct store *store, const struct turn *turn, const struct tally *more)
{
    struct rollups *r = &store->rollups;
    uint32_t before = r->rows.n;
    struct tally *tally = rollup_tally(&r->rows, &more->key, more->step / ROLLUP_MINUTE_S);
    if (!tally && r->rows.n >= r->rows.max) {
        stat_add(r->n_limited, 1);
        return 0;
    }
    if (!tally)
        return SQLITE_NOMEM;
    if (!grow_states(r))
        return SQLITE_NOMEM;
    struct tally_state *state = &r->states[tally - r->rows.items];
    if (r->rows.n > before) {
        *state = (struct tally_state){0};
        int code = key_row(store, turn, &more->key, &state->row);
        code = code ? code : load(store, tally, state);
        if (code)
            return code;
    }
    state->dirty = true;
    return tally_merge(tally, more) ? 0 : SQLITE_NOMEM;
}

int rollups_add(struct store *store, const struct turn *turn)
{
    int code = 0;
    if (turn->rollup && turn->rollup->n_over)
        stat_add(store->rollups.n_limited, turn->rollup->n_over);
    for (uint32_t i = 0; turn->rollup && i < turn->rollup->n && !code; i++) {
        const struct tally *tally = &turn->rollup->items[i];
        bool nothing = tally_is_empty(tally) && tally->histogram.n == 0 && tally->sum_ns == 0;
        code = nothing ? 0 : add(store, turn, tally);
    }
    return code;
}

static int put(struct store *store, const struct tally *tally, struct tally_state *state)
{
    struct rollups *r = &store->rollups;
    bool drop = tally_is_empty(tally);
    if (drop && !state->loaded)
        return 0;
    sqlite3_stmt *statement = drop ? r->drop : r->put;
    sqlite3_bind_int64(statement, 1, tally->step);
    sqlite3_bind_int64(statement, 2, state->row);
    state->loaded = !drop;
    if (drop)
        return statement_run(statement);
    const int64_t values[] = {tally->n,       tally->bad,     tally->client_errors,
                              tally->origins, tally->retries, tally->recovered,
                              tally->sum_ns};
    for (int i = 0; i < 7; i++)
        sqlite3_bind_int64(statement, 3 + i, values[i]);
    buf_reset(&r->blob);
    histogram_encode(&tally->histogram, &r->blob);
    sqlite3_bind_blob(statement, 10, r->blob.len ? r->blob.p : "", (int)r->blob.len, SQLITE_STATIC);
    return statement_run(statement);
}

int minute_touch(struct store *store, uint64_t minute, uint64_t now_s, bool tallies)
{
    struct rollups *r = &store->rollups;
    size_t at = minute % (sizeof(r->touched) / sizeof(r->touched[0]));
    bool same = r->touched[at].minute == minute && r->touched[at].touched_s == now_s;
    if (same && r->touched[at].tallies >= tallies)
        return 0;
    r->touched[at].minute = minute;
    r->touched[at].touched_s = now_s;
    r->touched[at].tallies = tallies;
    sqlite3_bind_int64(r->touch, 1, (int64_t)minute);
    sqlite3_bind_int64(r->touch, 2, (int64_t)now_s);
    sqlite3_bind_int64(r->touch, 3, tallies);
    return statement_run(r->touch);
}

bool rollups_are_many(const struct store *store)
{
    return store->rollups.rows.n > MAX_ROWS / 2;
}

/* Rows that rest leave, and all of them when they are many; the bag is built anew when some did. */
static bool leave(struct rollups *r, uint64_t now_s)
{
    uint32_t n_resting = 0, kept = 0;
    uint64_t before_s = r->rows.n > MAX_ROWS / 2 ? UINT64_MAX : now_s - KEEP_S;
    for (uint32_t i = 0; i < r->rows.n; i++)
        n_resting += r->states[i].touched_s < before_s;
    if (n_resting < r->rows.n / 4 + 1)
        return true;
    struct rollup fresh;
    rollup_init(&fresh, MAX_ROWS);
    for (uint32_t i = 0; i < r->rows.n; i++) {
        struct tally *old = &r->rows.items[i];
        struct tally *moved =
            r->states[i].touched_s < before_s ? NULL : rollup_tally(&fresh, &old->key, old->step);
        if (!moved) {
            histogram_fini(&old->histogram);
            continue;
        }
        *moved = *old;
        r->states[kept++] = r->states[i];
    }
    r->rows.n = 0;
    rollup_fini(&r->rows);
    r->rows = fresh;
    return true;
}

int rollups_write(struct store *store)
{
    struct rollups *r = &store->rollups;
    uint64_t now_s = clock_wall_ns() / NS_PER_S;
    int code = 0;
    for (uint32_t i = 0; i < r->rows.n && !code; i++) {
        const struct tally *tally = &r->rows.items[i];
        if (!r->states[i].dirty)
            continue;
        r->states[i].dirty = false;
        r->states[i].touched_s = now_s;
        code = put(store, tally, &r->states[i]);
        code = code ? code : minute_touch(store, tally->step, now_s, true);
    }
    return code || leave(r, now_s) ? code : SQLITE_NOMEM;
}
