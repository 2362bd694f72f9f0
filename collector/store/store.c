/* store.c - the one connection that writes and checkpoints, and the thread that owns it. */
#include "collector/store/store.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "collector/base/clock.h"
#include "collector/store/damage.h"
#include "collector/store/file.h"
#include "collector/store/minutes.h"
#include "collector/store/parts.h"
#include "collector/store/relations.h"
#include "collector/store/retention.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"
#include "collector/store/traces.h"

#define QUEUE_TURNS 16
#define VACUUM_NAP_NS (20 * NS_PER_MS)
#define TICK_NS (50 * NS_PER_MS)
#define LOOK_NS NS_PER_S /* for the file, while nothing is committed */

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
    int code = parts_open(store);
    return code ? code
                : store_prepare(store,
                                "UPDATE position SET booked_to = ?, needed_from = ?, next_trace_no "
                                "= ?, n_spans = ?, kept_to = ?",
                                &store->put_position);
}

int store_open(const struct store_settings *settings, struct store **result, struct err *err)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return err_set(err, ERR_BUSY, "memory is short");
    store->settings = *settings;
    store->lock_fd = -1;
    jumps_look(&store->jumps, clock_wall_ns(), clock_boot_ns());
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
    code = code ? code : transaction_read_position(store);
    store->first_of_run = (int64_t)store->position.next_trace_no;
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

/* ---- the thread ---- */

/* Somebody waits for it: all that is known is in it. */
static void commit_all(struct store *store)
{
    store->dictionary.write_all = true;
    if (store->in_transaction || (dictionary_waits(store) && transaction_begin(store) == 0))
        transaction_commit(store);
    store->dictionary.write_all = false;
}

static void take_turn(struct store *store, struct turn *turn)
{
    turn->next = NULL;
    bool flush = turn->flush;
    int code = transaction_apply(store, turn);
    if (store->applied_last)
        store->applied_last->next = turn;
    else
        store->applied_first = turn;
    store->applied_last = turn;
    if (code)
        transaction_start_over(store, code);
    if (flush)
        commit_all(store);
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
    if (transaction_begin(store))
        return;
    bool worked = retention_step(store, clock_wall_ns(), &code);
    if (code && store->applied_first) {
        transaction_start_over(store, code);
    } else if (code || (own && !worked)) {
        transaction_drop(store, code);
    }
}

/* Somebody waits for the disk: free pages go, then the log, so that the file gets shorter. */
static void vacuum(struct store *store)
{
    store->shrinking = store_number(store, "PRAGMA freelist_count", 0) > 0;
    if (store->shrinking)
        return;
    if (store->in_transaction)
        transaction_commit(store);
    transaction_note_sync(store, sqlite3_wal_checkpoint_v2(store->db, "main",
                                                           SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
    atomic_store(&store->vacuuming, false);
}

static void tend(struct store *store)
{
    if (atomic_load(&store->vacuuming))
        vacuum(store);
    if (clock_mono_ns() >= store->looked_ns + LOOK_NS)
        transaction_has_file(store);
    /* What has to be told although no turn came. */
    bool told = !store->in_transaction &&
                (plaintext_is_due(store) || relations_are_due(store) || incidents_wait(store));
    if (is_due(store) || (told && transaction_begin(store) == 0))
        transaction_commit(store);
    if (retention_is_due(store))
        retain(store);
    if (store->in_log && !store->in_transaction && clock_mono_ns() >= store->committed_ns + REST_NS)
        transaction_checkpoint(store);
    keys_build_filter(store);
    atomic_store_explicit(&store->progress_ns, clock_mono_ns(), memory_order_relaxed);
}

static void *run(void *arg)
{
    struct store *store = arg;
    pthread_setname_np(pthread_self(), "writer");
    transaction_tell_sizes(store);
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
    commit_all(store);
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
    commit_all(store);
    return store->state == STATE_FAILED ? err_set(err, ERR_IO, "the database failed") : 0;
}

void store_join(struct store *store)
{
    if (!store->running)
        return;
    queue_close(store->queue);
    pthread_join(store->thread, NULL);
    store->running = false;
    transaction_has_file(store);
    transaction_note_sync(store, sqlite3_wal_checkpoint_v2(store->db, "main",
                                                           SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
}

/* What the last looks found, behind the last turn. */
static void write_last_incidents(struct store *store)
{
    if (!incidents_wait(store) || store->state == STATE_FAILED || transaction_begin(store))
        return;
    int code = transaction_try(store);
    if (code)
        transaction_roll_back(store, code);
    sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    if (store->db) {
        write_last_incidents(store);
        parts_close(store);
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

void store_tell_web(struct store *store, const struct store_web *web)
{
    store_file_note(store->lock_fd, web);
}

const char *store_sqlite_version(void)
{
    return sqlite3_libversion();
}

uint64_t store_progress_ns(struct store *store)
{
    return atomic_load_explicit(&store->progress_ns, memory_order_relaxed);
}
