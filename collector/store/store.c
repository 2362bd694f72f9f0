/* store.c - the one connection that writes and checkpoints, and the thread that owns it. */
#include "collector/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/model/ingest_stats.h"
#include "collector/store/damage.h"
#include "collector/store/store_internal.h"

#define QUEUE_TURNS 16
#define CHECKPOINT_BYTES ((int64_t)32 << 20)
#define REST_NS (2 * NS_PER_S) /* without a commit: what is in the log goes into the file */
#define TRUNCATE_BYTES ((int64_t)256 << 20)
#define VACUUM_NAP_NS (20 * NS_PER_MS)
#define TRUNCATE_AGAIN_NS (30 * NS_PER_S)
#define RETRY_NS NS_PER_S
#define DAMAGED_TIMES 4
#define TICK_NS (50 * NS_PER_MS)

enum { STATE_GOOD, STATE_DISK_FULL, STATE_DAMAGED, STATE_FAILED };

static struct stat_family bytes_family =
    STAT_GAUGE("faultline_store_bytes", "Bytes of the database file.");
static struct stat_family wal_family =
    STAT_GAUGE("faultline_store_wal_bytes", "Bytes of the database's write-ahead log.");
static struct stat_family commit_family =
    STAT_HISTOGRAM("faultline_store_commit_seconds", "Time of one commit of the database.");
static struct stat_family spans_family =
    STAT_GAUGE("faultline_store_spans", "Spans in the database.");
static struct stat_family oldest_family = STAT_REAL_GAUGE(
    "faultline_store_oldest_seconds", "Age of the oldest trace since it was stored.");
static struct stat_family deleted_family =
    STAT_COUNTER("faultline_store_deleted_spans_total", "Spans that retention deleted.");

int store_prepare(struct store *store, const char *sql, sqlite3_stmt **statement)
{
    return sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

int64_t store_number(struct store *store, const char *sql, int64_t argument)
{
    sqlite3_stmt *select;
    int64_t number = 0;
    if (sqlite3_prepare_v2(store->db, sql, -1, &select, NULL) != SQLITE_OK)
        return 0;
    sqlite3_bind_int64(select, 1, argument);
    if (sqlite3_step(select) == SQLITE_ROW)
        number = sqlite3_column_int64(select, 0);
    sqlite3_finalize(select);
    return number;
}

int store_run(struct store *store, const char *sql, int64_t one, int64_t two)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (code)
        return code;
    sqlite3_bind_int64(statement, 1, one);
    sqlite3_bind_int64(statement, 2, two);
    code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? 0 : code;
}

int statement_run(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? 0 : code;
}

void statement_bind_ns(sqlite3_stmt *statement, int at, uint64_t ns)
{
    if (ns == DURATION_UNKNOWN)
        sqlite3_bind_null(statement, at);
    else
        sqlite3_bind_int64(statement, at, (int64_t)ns);
}

int statement_bind_percentiles(sqlite3_stmt *statement, int at, const struct histogram *histogram)
{
    statement_bind_ns(statement, at, histogram_quantile(histogram, 0.5));
    statement_bind_ns(statement, at + 1, histogram_quantile(histogram, 0.95));
    statement_bind_ns(statement, at + 2, histogram_quantile(histogram, 0.99));
    return at + 3;
}

void statement_bind_histogram(sqlite3_stmt *statement, int at, const struct histogram *histogram,
                              struct buf *blob)
{
    buf_reset(blob);
    histogram_encode(histogram, blob);
    sqlite3_bind_blob(statement, at, blob->len ? blob->p : "", (int)blob->len, SQLITE_STATIC);
}

void statement_read_histogram(sqlite3_stmt *statement, int column, struct histogram *histogram)
{
    struct str blob = {sqlite3_column_blob(statement, column),
                       (size_t)sqlite3_column_bytes(statement, column)};
    histogram_decode(histogram, blob);
}

static int execute(struct store *store, const char *sql)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL);
}

/* ---- opening ---- */

static int make_stats(struct store *store)
{
    store->bytes = stat_get(&bytes_family, NULL);
    store->wal_bytes = stat_get(&wal_family, NULL);
    store->commit_seconds = stat_get(&commit_family, NULL);
    store->n_spans = stat_get(&spans_family, NULL);
    store->oldest_seconds = stat_get(&oldest_family, NULL);
    store->n_deleted = stat_get(&deleted_family, NULL);
    return 0;
}

static int open_statements(struct store *store)
{
    int code = dictionary_open(store);
    code = code ? code : minutes_open(store);
    code = code ? code : hops_open(store);
    code = code ? code : relations_open(store);
    code = code ? code : clocks_open(store);
    code = code ? code : gaps_open(store);
    code = code ? code : rollups_open(store);
    code = code ? code : metrics_open(store);
    code = code ? code : logs_open(store);
    code = code ? code : traces_open(store);
    code = code ? code : trace_minutes_open(store);
    code = code ? code : keep_open(store);
    code = code ? code : kafka_open(store);
    return code ? code
                : store_prepare(store,
                                "UPDATE position SET booked_to = ?, needed_from = ?, next_trace_no "
                                "= ?, n_spans = ?, kept_to = ?",
                                &store->put_position);
}

static int read_position(struct store *store)
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

int store_open(const struct store_settings *settings, struct store **result, struct err *err)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return err_set(err, ERR_BUSY, "memory is short");
    store->settings = *settings;
    store->lock_fd = -1;
    pthread_mutex_init(&store->incidents_mutex, NULL);
    store->queue = queue_new(QUEUE_TURNS, 0);
    make_stats(store);
    if (!store->queue) {
        err_set(err, ERR_BUSY, "memory is short");
        goto failed;
    }
    if (store_file_open(settings, &store->lock_fd, &store->db, err))
        goto failed;
    int code = open_statements(store);
    code = code ? code : read_position(store);
    code = code ? code : keys_open(store);
    if (damage_is(code) && !damage_is_marked(settings->path)) {
        damage_mark(settings->path); /* sets it aside */
        store_close(store);
        return store_open(settings, result, err);
    }
    if (code) {
        err_set(err, ERR_IO, "%s: cannot be read: %s", settings->path, sqlite3_errmsg(store->db));
        goto failed;
    }
    store->progress_ns = clock_mono_ns();
    *result = store;
    return 0;
failed:
    store_close(store);
    return err->code;
}

void store_look_for_damage(struct store *store)
{
    if (damage_is(damage_check_whole(store->db)))
        damage_mark(store->settings.path);
}

uint64_t store_booked_to(struct store *store)
{
    return store->committed_booked_to;
}

uint64_t store_needed_from(struct store *store)
{
    return store->committed_needed_from;
}

uint64_t store_next_trace_no(struct store *store)
{
    return store->committed_next_trace_no;
}

/* ---- transactions ---- */

static int begin(struct store *store)
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

/* Nothing may be committed behind a sync that failed. */
static void note_failed_sync(struct store *store, int code)
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

/* Back to the last commit: what is in memory of this transaction is forgotten, the turns are
 * applied again. */
static void roll_back(struct store *store, int code)
{
    static struct log_limit limit;
    log_limited(&limit, LOG_ERROR, "store_rolled_back", "reason=\"%s\" extended=%d",
                sqlite3_errmsg(store->db), sqlite3_extended_errcode(store->db));
    if (sqlite3_extended_errcode(store->db) == SQLITE_IOERR_FSYNC)
        failed_for_good(store, "the database could not be synced", code);
    else if (damage_is(code))
        note_damage(store, code);
    else
        atomic_store(&store->state, STATE_DISK_FULL);
    execute(store, "ROLLBACK");
    store->in_transaction = false;
    dictionary_forget(store);
    minutes_forget(store);
    hops_forget(store);
    relations_forget(store);
    store->gaps.n = 0;
    rollups_forget(store);
    metrics_forget(store);
    store->logs.n_beyond = 0;
    trace_minutes_forget(store);
    read_position(store);
}

static int apply(struct store *store, const struct turn *turn)
{
    int code = begin(store);
    return code ? code : traces_apply(store, turn);
}

/* Applies the turns of the transaction that was rolled back once more. */
static int apply_again(struct store *store)
{
    int code = 0;
    for (const struct turn *turn = store->applied_first; turn && !code; turn = turn->next)
        code = apply(store, turn);
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

static void checkpoint(struct store *store)
{
    int n_log = 0, n_done = 0;
    int64_t size = wal_size(store);
    sqlite3_file *file = NULL;
    sqlite3_int64 db_size = 0;
    stat_set(store->wal_bytes, (uint64_t)size);
    if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK &&
        file && file->pMethods && file->pMethods->xFileSize(file, &db_size) == SQLITE_OK)
        stat_set(store->bytes, (uint64_t)db_size);
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
    note_failed_sync(store, code);
    store->in_log = !resting;
}

static int commit(struct store *store)
{
    uint64_t begin_ns = clock_mono_ns();
    unsigned n_incidents = 0;
    int code = dictionary_write_seen(store);
    code = code ? code : minutes_write(store);
    code = code ? code : hops_write(store);
    code = code ? code : relations_write(store);
    code = code ? code : clocks_write(store);
    code = code ? code : plaintext_write(store);
    code = code ? code : rollups_write(store);
    code = code ? code : metrics_write(store);
    code = code ? code : trace_minutes_write(store);
    code = code ? code : incidents_write(store, &n_incidents);
    code = code ? code : write_position(store);
    code = code ? code : execute(store, "COMMIT");
    if (code)
        return code;
    store->in_transaction = false;
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
    checkpoint(store);
    return 0;
}

/* Until it is through: a full disk is waited for, retention may make room meanwhile. */
static void retry(struct store *store, int code)
{
    while (code && store->state != STATE_FAILED) {
        roll_back(store, code);
        if (store->state == STATE_FAILED)
            return;
        struct timespec pause = {.tv_sec = RETRY_NS / NS_PER_S};
        nanosleep(&pause, NULL);
        atomic_store(&store->progress_ns, clock_mono_ns());
        code = begin(store);
        if (!code && retention_step(store, clock_wall_ns(), &code) && !code)
            code = execute(store, "COMMIT");
        store->in_transaction = store->in_transaction && !sqlite3_get_autocommit(store->db);
        code = code ? code : apply_again(store);
        code = code ? code : commit(store);
    }
}

static void commit_or_retry(struct store *store)
{
    retry(store, commit(store));
}

/* What was applied since the last commit is applied once more, behind a roll back. Half a turn is
 * never committed. */
static void start_over(struct store *store, int code)
{
    roll_back(store, code);
    retry(store, apply_again(store));
}

static void take_turn(struct store *store, struct turn *turn)
{
    turn->next = NULL;
    bool flush = turn->flush;
    int code = apply(store, turn);
    if (store->applied_last)
        store->applied_last->next = turn;
    else
        store->applied_first = turn;
    store->applied_last = turn;
    if (code)
        start_over(store, code);
    if (flush && store->in_transaction)
        commit_or_retry(store);
}

static bool is_due(const struct store *store)
{
    return store->in_transaction &&
           (clock_mono_ns() - store->begun_ns >= store->settings.commit_interval_ns ||
            rollups_are_many(store));
}

/* A slice of retention goes into the transaction that is open; what it opens itself is committed
 * when it is due, or taken back when there was nothing to do. */
static void retain(struct store *store)
{
    int code;
    bool own = !store->in_transaction;
    if (begin(store))
        return;
    bool worked = retention_step(store, clock_wall_ns(), &code);
    if (code && store->applied_first) {
        start_over(store, code);
    } else if (code || (own && !worked)) {
        execute(store, "ROLLBACK");
        store->in_transaction = false;
    }
}

/* Somebody waits for the disk: free pages go, then the log, so that the file gets shorter. */
static void vacuum(struct store *store)
{
    store->shrinking = store_number(store, "PRAGMA freelist_count", 0) > 0;
    if (store->shrinking)
        return;
    if (store->in_transaction)
        commit_or_retry(store);
    note_failed_sync(store, sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE,
                                                      NULL, NULL));
    atomic_store(&store->vacuuming, false);
}

static void tend(struct store *store)
{
    if (atomic_load(&store->vacuuming))
        vacuum(store);
    /* What has to be told although no turn came. */
    bool told = !store->in_transaction &&
                (plaintext_is_due(store) || relations_are_due(store) || incidents_wait(store));
    if (is_due(store) || (told && begin(store) == 0))
        commit_or_retry(store);
    if (retention_is_due(store))
        retain(store);
    if (store->in_log && !store->in_transaction && clock_mono_ns() >= store->committed_ns + REST_NS)
        checkpoint(store);
    keys_build_filter(store);
    atomic_store_explicit(&store->progress_ns, clock_mono_ns(), memory_order_relaxed);
}

static void *run(void *arg)
{
    struct store *store = arg;
    pthread_setname_np(pthread_self(), "writer");
    for (;;) {
        struct turn *turn = queue_pop(store->queue, TICK_NS);
        if (turn)
            take_turn(store, turn);
        else if (queue_closed(store->queue) && !queue_length(store->queue))
            break;
        if (!turn || is_due(store) || store->deleting_to || store->metrics.deleting ||
            store->dropping_to || store->shrinking)
            tend(store);
    }
    if (store->in_transaction)
        commit_or_retry(store);
    return NULL;
}

int store_start(struct store *store, struct err *err)
{
    if (pthread_create(&store->thread, NULL, run, store) != 0)
        return err_set(err, ERR_BUSY, "cannot start the writer's thread");
    store->running = true;
    return 0;
}

bool store_push(struct store *store, struct turn *turn)
{
    return queue_push(store->queue, turn, 0);
}

int store_step(struct store *store, struct err *err)
{
    struct turn *turn;
    while ((turn = queue_pop(store->queue, 0)))
        take_turn(store, turn);
    if (store->in_transaction)
        commit_or_retry(store);
    return store->state == STATE_FAILED ? err_set(err, ERR_IO, "the database failed") : 0;
}

void store_join(struct store *store)
{
    if (!store->running)
        return;
    queue_close(store->queue);
    pthread_join(store->thread, NULL);
    store->running = false;
    note_failed_sync(store, sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE,
                                                      NULL, NULL));
}

/* What the last looks found, behind the last turn. */
static void write_last_incidents(struct store *store)
{
    if (!incidents_wait(store) || store->state == STATE_FAILED || begin(store))
        return;
    int code = commit(store);
    if (code)
        roll_back(store, code);
    sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    if (store->db) {
        write_last_incidents(store);
        dictionary_close(store);
        minutes_close(store);
        hops_close(store);
        relations_close(store);
        clocks_close(store);
        gaps_close(store);
        rollups_close(store);
        metrics_close(store);
        logs_close(store);
        traces_close(store);
        trace_minutes_close(store);
        keep_close(store);
        kafka_close(store);
        if (store->keys.ids)
            keys_close(store);
        sqlite3_finalize(store->put_position);
        sqlite3_close(store->db);
    }
    if (store->lock_fd >= 0)
        store_file_unlock(store->settings.path, store->lock_fd);
    queue_free(store->queue);
    free(store->new_rules);
    while (store->incidents)
        incidents_forget(store, 1);
    pthread_mutex_destroy(&store->incidents_mutex);
    free(store);
}

static uint64_t file_bytes(const struct store *store)
{
    struct stat info;
    return stat(store->settings.path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

int store_vacuum(struct store *store, uint64_t deadline_ns, uint64_t bytes[2], struct err *err)
{
    struct timespec nap = {.tv_nsec = (long)VACUUM_NAP_NS};
    bytes[0] = file_bytes(store);
    atomic_store(&store->vacuuming, true);
    while (atomic_load(&store->vacuuming)) {
        if (store_state(store)[0] || clock_wall_ns() > deadline_ns) {
            atomic_store(&store->vacuuming, false);
            return err_set(err, ERR_BUSY, "the file could not be made smaller: %s",
                           store_state(store)[0] ? store_state(store) : "it took too long");
        }
        nanosleep(&nap, NULL);
    }
    bytes[1] = file_bytes(store);
    return 0;
}

void store_tell_web(struct store *store, const char *url)
{
    store_file_note(store->lock_fd, url);
}

const char *store_sqlite_version(void)
{
    return sqlite3_libversion();
}

uint64_t store_progress_ns(struct store *store)
{
    return atomic_load_explicit(&store->progress_ns, memory_order_relaxed);
}

const char *store_state(struct store *store)
{
    int state = atomic_load(&store->state);
    return state == STATE_GOOD ? "" : state == STATE_DISK_FULL ? "disk_full" : "store_failed";
}
