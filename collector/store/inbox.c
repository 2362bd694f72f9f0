/* inbox.c - what waits for the disk, the thread that writes it, and what is needed no more.
 *
 * The thread takes what waits, writes it, syncs it, answers all, hands on (inbox_write.c); there is
 * no timer. It alone writes.
 */
#include "collector/store/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/store/inbox_internal.h"

#define SPACE_CHECK_NS (200 * NS_PER_MS)
#define CRASH_SYNC_NS (500 * NS_PER_MS)
#define IDLE_NS NS_PER_S
#define RESERVE_IDLE_NS (10 * NS_PER_S) /* reserves of a load that is gone are given back */

/* ---- space ---- */

/* Looks at the disk, at most every 200 ms. Under the mutex. */
static void check_space(struct inbox *inbox)
{
    uint64_t now_ns = clock_mono_ns();
    uint64_t free_bytes;
    if (inbox->space_checked_ns && now_ns < inbox->space_checked_ns + SPACE_CHECK_NS)
        return;
    inbox->space_checked_ns = now_ns;
    if (inbox_os.free_bytes(inbox->folder_fd, &free_bytes) != 0)
        return;
    bool full = free_bytes < inbox->settings.min_free;
    if (full != inbox->disk_full)
        log_event(full ? LOG_ERROR : LOG_INFO, full ? "disk_full" : "disk_has_room",
                  "free_bytes=%llu", (unsigned long long)free_bytes);
    inbox->disk_full = full;
}

static int may_append(struct inbox *inbox, const struct body *body, struct err *err)
{
    if (inbox->failed || inbox->stopping)
        return err_set(err, ERR_IO,
                       inbox->failed ? "the inbox failed; the collector is leaving"
                                     : "the collector is stopping");
    check_space(inbox);
    if (inbox->disk_full)
        return err_set(err, ERR_IO, "the disk is full (store.min_free)");
    if (inbox->refusing)
        return err_set(err, ERR_IO, "the inbox cannot be written (%s)", inbox->refusing);
    if (inbox->bytes - inbox->released_bytes + body->n_bytes > inbox->settings.max_bytes)
        return err_set(err, ERR_IO, "the inbox is full (store.inbox_max)");
    if (inbox->first && inbox->waiting_bytes + body->n_bytes > 2 * inbox->settings.group_max)
        return err_set(err, ERR_BUSY, "too many bodies wait for the disk");
    return 0;
}

/* What is answered on receipt has no order to keep. Under the mutex. */
static bool is_blocked(const struct inbox *inbox, const struct body *body)
{
    return body->lane && body->lane->blocked && inbox->settings.durability != DURABILITY_QUEUE;
}

int inbox_append(struct inbox *inbox, struct body *body, struct err *err)
{
    if (body->n_bytes > UINT32_MAX)
        return err_set(err, ERR_TOO_BIG, "the body is too large for the inbox");
    body->next = NULL;
    pthread_mutex_lock(&inbox->mutex);
    int code = may_append(inbox, body, err);
    pthread_mutex_unlock(&inbox->mutex);
    if (code)
        return code;
    /* On receipt means before the thread can hand the body on. */
    if (inbox->settings.durability == DURABILITY_QUEUE && body->answered)
        body->answered(body, NULL);
    pthread_mutex_lock(&inbox->mutex);
    if (is_blocked(inbox, body)) {
        pthread_mutex_unlock(&inbox->mutex);
        return err_set(err, ERR_BUSY, "one before it was refused");
    }
    if (inbox->last)
        inbox->last->next = body;
    else
        inbox->first = body;
    inbox->last = body;
    inbox->waiting_bytes += body->n_bytes;
    pthread_cond_signal(&inbox->arrived);
    pthread_mutex_unlock(&inbox->mutex);
    return 0;
}

/* ---- the thread ---- */

static void wait_for_work(struct inbox *inbox)
{
    struct timespec until;
    uint64_t wait_ns = inbox->refusing            ? SPACE_CHECK_NS
                       : inbox->unsynced_since_ns ? CRASH_SYNC_NS
                                                  : IDLE_NS;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + wait_ns;
    until.tv_sec += (time_t)(ns / NS_PER_S);
    until.tv_nsec = (long)(ns % NS_PER_S);
    pthread_mutex_lock(&inbox->mutex);
    int late = 0;
    while (!inbox->first && !inbox->stopping && !late)
        late = pthread_cond_timedwait(&inbox->arrived, &inbox->mutex, &until);
    if (inbox->disk_full)
        check_space(inbox);
    pthread_mutex_unlock(&inbox->mutex);
}

void inbox_tell_backlog(struct inbox *inbox)
{
    uint64_t now_ns = clock_wall_ns(), oldest_ns = inbox->n_marks ? inbox->marks[0].received_ns : 0;
    stat_set(inbox->bytes_gauge, inbox->bytes - inbox->released_bytes);
    stat_set_real(inbox->oldest_gauge,
                  oldest_ns && now_ns > oldest_ns ? (double)(now_ns - oldest_ns) / 1e9 : 0);
}

static void tend(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    inbox_tell_backlog(inbox);
    pthread_mutex_unlock(&inbox->mutex);
    if (!inbox->refusing && !inbox_is_there(inbox))
        inbox_refuse(inbox, errno, 0);
    bool short_of_room = inbox->disk_full || inbox->refusing;
    if (!short_of_room)
        inbox_make_spare(inbox);
    if (short_of_room || clock_mono_ns() > inbox->wrote_ns + RESERVE_IDLE_NS)
        inbox_drop_reserves(inbox);
    if (!inbox->unsynced_since_ns || clock_mono_ns() < inbox->unsynced_since_ns + CRASH_SYNC_NS)
        return;
    if (!inbox_sync(inbox)) {
        struct err err;
        err_set(&err, ERR_IO, "the inbox could not be synced: %s", strerror(errno));
        inbox_set_failed(inbox, &err);
    }
}

static bool is_done(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    bool done = inbox->stopping && !inbox->first;
    pthread_mutex_unlock(&inbox->mutex);
    return done;
}

static void *run(void *arg)
{
    struct inbox *inbox = arg;
    uint64_t next_tend_ns = 0;
    pthread_setname_np(pthread_self(), "inbox");
    while (!is_done(inbox)) {
        wait_for_work(inbox);
        while (inbox_step(inbox) > 0) {
        }
        uint64_t now_ns = clock_mono_ns();
        if (now_ns < next_tend_ns)
            continue;
        tend(inbox);
        next_tend_ns = now_ns + SPACE_CHECK_NS;
    }
    if (inbox->unsynced_since_ns)
        inbox_sync(inbox);
    return NULL;
}

int inbox_start(struct inbox *inbox, struct err *err)
{
    if (pthread_create(&inbox->thread, NULL, run, inbox) != 0)
        return err_set(err, ERR_BUSY, "cannot start the inbox's thread");
    inbox->running = true;
    return 0;
}

void inbox_join(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    inbox->stopping = true;
    pthread_cond_signal(&inbox->arrived);
    pthread_mutex_unlock(&inbox->mutex);
    if (inbox->running)
        pthread_join(inbox->thread, NULL);
    inbox->running = false;
}

static void remove_folder(struct inbox *inbox)
{
    for (size_t i = 0; i < inbox->n_segments; i++) {
        char name[32];
        inbox_segment_name(inbox->segments[i].first_seq, name);
        unlinkat(inbox->folder_fd, name, 0);
    }
    inbox_drop_spare(inbox);
    inbox_drop_reserves(inbox);
    rmdir(inbox->settings.folder);
}

void inbox_close(struct inbox *inbox, bool remove)
{
    if (!inbox)
        return;
    if (inbox->fd >= 0)
        close(inbox->fd);
    if (remove && inbox->needed_from > inbox->synced_seq)
        remove_folder(inbox);
    else if (inbox->folder_fd >= 0) {
        inbox_drop_spare(inbox);
        inbox_drop_reserves(inbox);
    }
    if (inbox->folder_fd >= 0)
        close(inbox->folder_fd);
    for (struct body *body = inbox->first; body;) {
        struct body *next = body->next;
        body_free(body);
        body = next;
    }
    free(inbox->segments);
    free(inbox->marks);
    pthread_cond_destroy(&inbox->arrived);
    pthread_mutex_destroy(&inbox->mutex);
    free(inbox);
}

/* ---- what is needed no more ---- */

static void release_marks(struct inbox *inbox)
{
    size_t n = 0;
    while (n < inbox->n_marks && inbox->marks[n].last_seq < inbox->needed_from)
        n++;
    if (!n)
        return;
    inbox->released_bytes = inbox->marks[n - 1].bytes;
    inbox->released_records = inbox->marks[n - 1].records;
    inbox->n_marks -= n;
    memmove(inbox->marks, inbox->marks + n, inbox->n_marks * sizeof(*inbox->marks));
}

void inbox_release(struct inbox *inbox, uint64_t needed_from)
{
    pthread_mutex_lock(&inbox->mutex);
    if (needed_from > inbox->needed_from)
        inbox->needed_from = needed_from;
    release_marks(inbox);
    inbox_tell_backlog(inbox);
    if (inbox->ballast == GAVE_ROOM)
        inbox->ballast = WAS_WRITTEN;
    size_t n = 0;
    while (n + 1 < inbox->n_segments && inbox->segments[n].last_seq &&
           inbox->segments[n].last_seq < inbox->needed_from)
        inbox_retire_segment(inbox, &inbox->segments[n++]);
    inbox->n_segments -= n;
    if (n)
        memmove(inbox->segments, inbox->segments + n, inbox->n_segments * sizeof(*inbox->segments));
    pthread_mutex_unlock(&inbox->mutex);
}

void inbox_give_room(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    bool first = inbox->ballast == HAS_BALLAST;
    inbox->ballast = GAVE_ROOM;
    pthread_mutex_unlock(&inbox->mutex);
    inbox_drop_spare(inbox);
    inbox_drop_reserves(inbox);
    if (first)
        log_event(LOG_WARN, "inbox_gives_room", "reason=\"the disk has none for the database\"");
}

const char *inbox_state(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    check_space(inbox);
    bool full =
        inbox->disk_full || inbox->bytes - inbox->released_bytes >= inbox->settings.max_bytes;
    const char *state = inbox->failed     ? "store_failed"
                        : full            ? "disk_full"
                        : inbox->refusing ? inbox->refusing
                                          : "";
    pthread_mutex_unlock(&inbox->mutex);
    return state;
}

uint64_t inbox_last_seq(struct inbox *inbox)
{
    return atomic_load(&inbox->last_seq);
}

uint64_t inbox_bytes(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    uint64_t bytes = inbox->bytes - inbox->released_bytes;
    pthread_mutex_unlock(&inbox->mutex);
    return bytes;
}

uint64_t inbox_records(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    uint64_t records = inbox->records - inbox->released_records;
    pthread_mutex_unlock(&inbox->mutex);
    return records;
}

uint64_t inbox_oldest_ns(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    uint64_t oldest_ns = inbox->n_marks ? inbox->marks[0].received_ns : 0;
    pthread_mutex_unlock(&inbox->mutex);
    return oldest_ns;
}

uint64_t inbox_progress_ns(struct inbox *inbox)
{
    return atomic_load_explicit(&inbox->progress_ns, memory_order_relaxed);
}
