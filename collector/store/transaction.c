/* transaction.c - what the writer applies becomes one transaction, which is committed, or taken
 * back and done once more.
 *
 *   nothing open --apply--> open --commit--> nothing open, turns handed on
 *                             \__ failed: roll back, wait, apply the same turns again __/
 */
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/model/ingest_stats.h"
#include "collector/store/damage.h"
#include "collector/store/file.h"
#include "collector/store/parts.h"
#include "collector/store/retention.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"
#include "collector/store/traces.h"

#define CHECKPOINT_BYTES ((int64_t)32 << 20)
#define TRUNCATE_BYTES ((int64_t)256 << 20)
#define TRUNCATE_AGAIN_NS (30 * NS_PER_S)
#define RETRY_NS NS_PER_S
#define DAMAGED_TIMES 4

static int execute(struct store *store, const char *sql)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL);
}

int transaction_read_position(struct store *store)
{
    sqlite3_stmt *select;
    int code = store_prepare(
        store, "SELECT booked_to, needed_from, next_trace_no, n_spans, kept_to FROM position",
        &select);
    if (!code && sqlite3_step(select) == SQLITE_ROW)
        store->position = (struct position){
            (uint64_t)sqlite3_column_int64(select, 0), (uint64_t)sqlite3_column_int64(select, 1),
            (uint64_t)sqlite3_column_int64(select, 2), (uint64_t)sqlite3_column_int64(select, 3),
            (uint64_t)sqlite3_column_int64(select, 4)};
    else
        code = code ? code : SQLITE_CORRUPT;
    sqlite3_finalize(select);
    store->committed_booked_to = store->position.booked_to;
    store->committed_needed_from = store->position.needed_from;
    store->committed_next_trace_no = store->position.next_trace_no;
    return code;
}

int transaction_begin(struct store *store)
{
    if (store->in_transaction)
        return 0;
    int code = execute(store, "BEGIN IMMEDIATE");
    store->in_transaction = code == 0;
    store->begun_ns = clock_mono_ns();
    return code;
}

static void failed_for_good(struct store *store, const char *what, int code)
{
    struct err err;
    err_set(&err, ERR_IO, "%s: %s", what, sqlite3_errstr(code));
    if (atomic_exchange(&store->state, STATE_FAILED) != STATE_FAILED && store->settings.failed)
        store->settings.failed(&err, store->settings.ctx);
}

/* Beside another file of that name the log would be taken for that one's. */
static void empty_log(struct store *store)
{
    sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

bool transaction_has_file(struct store *store)
{
    int moved = 0;
    bool was_there = atomic_load(&store->state) != STATE_TAKEN_AWAY;
    store->looked_ns = clock_mono_ns();
    sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (moved && was_there)
        log_event(LOG_ERROR, "database_taken_away",
                  "file=%s reason=\"it was removed or replaced while it was in use; restart the "
                  "collector: what is not stored is in the inbox\"",
                  store->settings.path);
    if (moved)
        atomic_store(&store->state, STATE_TAKEN_AWAY);
    if (moved && !store->in_transaction)
        empty_log(store);
    /* Nobody brings it back before the end. */
    if (moved && queue_closed(store->queue))
        failed_for_good(store, "the database was removed or replaced", SQLITE_READONLY_DBMOVED);
    else if (!moved && !was_there)
        atomic_store(&store->state, STATE_GOOD);
    return !moved;
}

/* Nothing may be committed behind a sync that failed. */
void transaction_note_sync(struct store *store, int code)
{
    if (code && sqlite3_extended_errcode(store->db) == SQLITE_IOERR_FSYNC)
        failed_for_good(store, "the database could not be synced", code);
}

/* It may be the disk, for a moment. Then the process ends, and the next start sets the file aside:
 * what is not stored is in the inbox. */
static void note_damage(struct store *store, int code)
{
    atomic_store(&store->state, STATE_DAMAGED);
    if (++store->n_damaged < DAMAGED_TIMES)
        return;
    damage_mark(store->settings.path);
    failed_for_good(store, "the database is damaged; the next start sets it aside", code);
}

/* What keeps the writer from going on, until it can. */
static enum store_state state_of(struct store *store, int code)
{
    if (store_file_is_full(store->db, code))
        return STATE_DISK_FULL;
    return (code & 0xff) == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM ? STATE_MEMORY
                                                                       : STATE_UNWRITTEN;
}

/* Back to the last commit: what is in memory of this transaction is forgotten, the turns are
 * applied again. */
void transaction_roll_back(struct store *store, int code)
{
    static struct log_limit limit;
    if (code != SQLITE_READONLY_DBMOVED)
        log_limited(&limit, LOG_ERROR, "store_rolled_back", "reason=\"%s\" extended=%d",
                    sqlite3_errmsg(store->db), sqlite3_extended_errcode(store->db));
    if (sqlite3_extended_errcode(store->db) == SQLITE_IOERR_FSYNC)
        failed_for_good(store, "the database could not be synced", code);
    else if (damage_is(code))
        note_damage(store, code);
    else if (code != SQLITE_READONLY_DBMOVED)
        atomic_store(&store->state, state_of(store, code));
    transaction_drop(store, code);
    parts_forget(store);
}

void transaction_drop(struct store *store, int code)
{
    bool full = store_file_is_full(store->db, code);
    execute(store, "ROLLBACK");
    if (full && store->settings.no_room)
        store->settings.no_room(store->settings.ctx);
    store->in_transaction = false;
    store->n_gone = 0;
    transaction_read_position(store);
}

static void count_gone(struct store *store)
{
    stat_add(store->n_deleted, store->n_gone);
    store->n_gone = 0;
}

int transaction_apply(struct store *store, const struct turn *turn)
{
    int code = transaction_begin(store);
    return code ? code : traces_apply(store, turn);
}

/* Applies the turns of the transaction that was rolled back once more. */
static int apply_again(struct store *store)
{
    int code = 0;
    for (const struct turn *turn = store->applied_first; turn && !code; turn = turn->next)
        code = transaction_apply(store, turn);
    return code;
}

static int write_position(struct store *store)
{
    sqlite3_stmt *put = store->put_position;
    sqlite3_bind_int64(put, 1, (int64_t)store->position.booked_to);
    sqlite3_bind_int64(put, 2, (int64_t)store->position.needed_from);
    sqlite3_bind_int64(put, 3, (int64_t)store->position.next_trace_no);
    sqlite3_bind_int64(put, 4, (int64_t)store->position.n_spans);
    sqlite3_bind_int64(put, 5, (int64_t)store->position.kept_to);
    return statement_run(put);
}

/* What became of metric points and logs is known now: it is counted once. */
static void count_bodies(struct store *store, const struct turn *turn)
{
    for (const struct body *body = turn->bodies; body; body = body->next) {
        ingest_count(body->format, body->transport, INGEST_ACCEPTED, body->n_stored);
        ingest_count(body->format, body->transport, INGEST_DUPLICATE, body->n_duplicate);
    }
    if (store->logs.n_beyond)
        stat_add(store->logs.dropped, store->logs.n_beyond);
    store->logs.n_beyond = 0;
}

static void hand_on(struct store *store)
{
    struct turn *turn = store->applied_first;
    store->applied_first = store->applied_last = NULL;
    while (turn) {
        struct turn *next = turn->next;
        turn->next = NULL;
        kafka_committed(store, turn);
        count_bodies(store, turn);
        store->settings.committed(turn, store->settings.ctx);
        turn = next;
    }
}

static int64_t wal_size(struct store *store)
{
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) == SQLITE_OK &&
        file && file->pMethods && file->pMethods->xFileSize(file, &size) == SQLITE_OK)
        return size;
    return 0;
}

void transaction_tell_sizes(struct store *store)
{
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    stat_set(store->wal_bytes, (uint64_t)wal_size(store));
    if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK &&
        file && file->pMethods && file->pMethods->xFileSize(file, &size) == SQLITE_OK)
        stat_set(store->bytes, (uint64_t)size);
}

static void checkpoint(struct store *store)
{
    int n_log = 0, n_done = 0;
    int64_t size = wal_size(store);
    bool resting = clock_mono_ns() >= store->committed_ns + REST_NS;
    if (size < CHECKPOINT_BYTES && !resting)
        return;
    /* Truncating waits for readers. One that stays long, a backup, is not waited for at each
     * commit.
     */
    bool truncate = size >= TRUNCATE_BYTES && clock_mono_ns() >= store->truncate_ns;
    int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    int code = sqlite3_wal_checkpoint_v2(store->db, "main", mode, &n_log, &n_done);
    if (truncate && code == SQLITE_BUSY)
        store->truncate_ns = clock_mono_ns() + TRUNCATE_AGAIN_NS;
    transaction_note_sync(store, code);
    store->in_log = !resting;
}

void transaction_checkpoint(struct store *store)
{
    checkpoint(store);
    transaction_tell_sizes(store); /* the file grows at checkpoints */
}

int transaction_try(struct store *store)
{
    uint64_t begin_ns = clock_mono_ns();
    unsigned n_incidents = 0;
    int code = parts_write(store);
    code = code ? code : incidents_write(store, &n_incidents);
    code = code ? code : write_position(store);
    if (!code && !transaction_has_file(store))
        code = SQLITE_READONLY_DBMOVED;
    code = code ? code : execute(store, "COMMIT");
    if (code)
        return code;
    store->in_transaction = false;
    count_gone(store);
    incidents_forget(store, n_incidents);
    stat_observe_ns(store->commit_seconds, clock_mono_ns() - begin_ns);
    stat_set(store->n_spans, store->position.n_spans);
    store->committed_booked_to = store->position.booked_to;
    store->committed_needed_from = store->position.needed_from;
    store->committed_next_trace_no = store->position.next_trace_no;
    atomic_store(&store->state, STATE_GOOD);
    store->n_damaged = 0;
    store->committed_ns = clock_mono_ns();
    store->in_log = true;
    hand_on(store);
    transaction_checkpoint(store);
    return 0;
}

/* Until it is through: a full disk is waited for, retention may make room meanwhile. */
static void retry(struct store *store, int code)
{
    while (code && store->state != STATE_FAILED) {
        transaction_roll_back(store, code);
        if (store->state == STATE_FAILED)
            return;
        if (code == SQLITE_READONLY_DBMOVED)
            empty_log(store);
        struct timespec pause = {.tv_sec = RETRY_NS / NS_PER_S};
        nanosleep(&pause, NULL);
        code = transaction_begin(store);
        if (!code && retention_step(store, clock_wall_ns(), &code) && !code) {
            code = write_position(store);
            code = code ? code : execute(store, "COMMIT");
            if (!code) {
                count_gone(store);
                atomic_store(&store->progress_ns, clock_mono_ns());
            }
        }
        store->in_transaction = store->in_transaction && !sqlite3_get_autocommit(store->db);
        code = code ? code : apply_again(store);
        code = code ? code : transaction_try(store);
    }
}

void transaction_commit(struct store *store)
{
    retry(store, transaction_try(store));
}

/* What was applied since the last commit is applied once more, behind a roll back. Half a turn is
 * never committed. */
void transaction_start_over(struct store *store, int code)
{
    transaction_roll_back(store, code);
    retry(store, apply_again(store));
}

const char *store_state(struct store *store)
{
    static const char *const words[] = {[STATE_GOOD] = "",
                                        [STATE_DISK_FULL] = "disk_full",
                                        [STATE_MEMORY] = "memory",
                                        [STATE_UNWRITTEN] = "store_failed",
                                        [STATE_DAMAGED] = "store_failed",
                                        [STATE_TAKEN_AWAY] = "store_failed",
                                        [STATE_FAILED] = "store_failed"};
    return words[atomic_load(&store->state)];
}

bool store_is_taken_away(struct store *store)
{
    return atomic_load(&store->state) == STATE_TAKEN_AWAY;
}
