/* inbox.c - group commit: take what waits, write it, sync it, answer all, hand on; no timer.
 *
 * The thread alone writes. A group that could not be written is refused and the file is cut back to
 * where it was; after a failed sync nothing is acknowledged any more.
 */
#include "collector/store/inbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/store/inbox_internal.h"

#define SPACE_CHECK_NS (200 * NS_PER_MS)
#define CRASH_SYNC_NS (500 * NS_PER_MS)
#define IDLE_NS NS_PER_S
#define MAX_GROUP 512 /* bodies in one write: two parts each, IOV_MAX is 1024 */
#define SPARE "spare"
#define RESERVE_IDLE_NS (10 * NS_PER_S) /* reserves of a load that is gone are given back */

/* Segments that are needed no more and will be written again. */
static const char *const reserves[] = {"reserve0", "reserve1", "reserve2"};
#define N_RESERVES (sizeof(reserves) / sizeof(reserves[0]))

static ssize_t real_writev(int fd, const struct iovec *parts, int n, off_t offset)
{
    return pwritev(fd, parts, n, offset);
}

static int real_allocate(int fd, off_t size)
{
    int code = posix_fallocate(fd, 0, size);
    if (code)
        errno = code;
    return code ? -1 : 0;
}

struct inbox_os inbox_os = {real_writev, fdatasync, real_allocate};

/* ---- segments ---- */

/* A reserve or the spare becomes the segment; without one it is made now. −1 when the disk has no
 * room. */
static int new_segment_file(struct inbox *inbox, uint64_t first_seq, uint64_t size)
{
    char name[32];
    inbox_segment_name(first_seq, name);
    if (size == inbox->settings.segment_bytes) {
        for (size_t i = 0; i < N_RESERVES; i++) {
            if (renameat(inbox->folder_fd, reserves[i], inbox->folder_fd, name) == 0)
                return openat(inbox->folder_fd, name, O_RDWR | O_CLOEXEC);
        }
        if (renameat(inbox->folder_fd, SPARE, inbox->folder_fd, name) == 0)
            return openat(inbox->folder_fd, name, O_RDWR | O_CLOEXEC);
    }
    int fd = openat(inbox->folder_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd >= 0 && inbox_os.allocate(fd, (off_t)size) != 0) {
        close(fd);
        unlinkat(inbox->folder_fd, name, 0);
        return -1;
    }
    return fd;
}

/* A segment that is needed no more becomes a reserve: its blocks and its pages in memory are there
 * already, so writing it again is cheaper than a new file. What it held has smaller numbers than
 * what comes, and numbers must follow each other: old records are never read as new ones. Under the
 * mutex. */
static void retire_segment(struct inbox *inbox, const struct segment *segment)
{
    char name[32];
    struct stat info;
    inbox_segment_name(segment->first_seq, name);
    bool whole = fstatat(inbox->folder_fd, name, &info, 0) == 0 &&
                 (uint64_t)info.st_size == inbox->settings.segment_bytes;
    for (size_t i = 0; whole && !inbox->disk_full && i < N_RESERVES; i++) {
        if (renameat2(inbox->folder_fd, name, inbox->folder_fd, reserves[i], RENAME_NOREPLACE) == 0)
            return;
    }
    unlinkat(inbox->folder_fd, name, 0);
}

static void drop_reserves(struct inbox *inbox)
{
    for (size_t i = 0; i < N_RESERVES; i++)
        unlinkat(inbox->folder_fd, reserves[i], 0);
}

/* Ballast: a full disk is met here and not by a body; made after the answers, never before. */
static void make_spare(struct inbox *inbox)
{
    int fd = openat(inbox->folder_fd, SPARE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return; /* it is there */
    if (inbox_os.allocate(fd, (off_t)inbox->settings.segment_bytes) != 0)
        unlinkat(inbox->folder_fd, SPARE, 0);
    close(fd);
}

static bool begin_segment(struct inbox *inbox, uint64_t record_bytes)
{
    uint64_t size =
        inbox->settings.segment_bytes > record_bytes ? inbox->settings.segment_bytes : record_bytes;
    int fd = new_segment_file(inbox, inbox->next_seq, size);
    if (fd < 0)
        return false;
    struct segment segment = {.first_seq = inbox->next_seq, .n_bytes = size};
    pthread_mutex_lock(&inbox->mutex);
    bool added = inbox_segment_add(inbox, &segment);
    pthread_mutex_unlock(&inbox->mutex);
    if (!added || inbox_os.sync(inbox->folder_fd) != 0) {
        char name[32];
        inbox_segment_name(segment.first_seq, name);
        pthread_mutex_lock(&inbox->mutex);
        inbox->n_segments -= added;
        pthread_mutex_unlock(&inbox->mutex);
        unlinkat(inbox->folder_fd, name, 0);
        close(fd);
        return false;
    }
    if (inbox->fd >= 0)
        close(inbox->fd);
    inbox->fd = fd;
    inbox->size = size;
    inbox->offset = 0;
    return true;
}

/* ---- writing a group ---- */

struct group {
    struct body *first; /* linked by next */
    struct body *at;    /* first not written yet */
    uint64_t bytes, n;
    uint64_t first_seq;
    size_t n_begun; /* segments that were begun for it */
};

static bool write_all(struct inbox *inbox, struct iovec *parts, int n, uint64_t total)
{
    uint64_t written = 0;
    while (written < total) {
        ssize_t size = inbox_os.writev(inbox->fd, parts, n, (off_t)(inbox->offset + written));
        if (size <= 0) {
            if (size < 0 && errno == EINTR)
                continue;
            return false;
        }
        written += (uint64_t)size;
        while (n > 0 && (size_t)size >= parts[0].iov_len) {
            size -= (ssize_t)parts[0].iov_len;
            parts++;
            n--;
        }
        if (n > 0) {
            parts[0].iov_base = (char *)parts[0].iov_base + size;
            parts[0].iov_len -= (size_t)size;
        }
    }
    return true;
}

/* Writes the bodies that still fit into the segment, at most MAX_GROUP. False when the write
 * failed. */
static bool write_part(struct inbox *inbox, struct group *group)
{
    static __thread char heads[MAX_GROUP][INBOX_HEAD_BYTES];
    static __thread struct iovec parts[2 * MAX_GROUP];
    uint64_t total = 0, seq = inbox->next_seq;
    int n = 0;
    struct body *body = group->at;
    for (; body && n < MAX_GROUP; body = body->next, n++) {
        uint64_t record = INBOX_HEAD_BYTES + body->n_bytes;
        if (inbox->offset + total + record > inbox->size)
            break;
        body->seq = seq++;
        inbox_head_write(body, heads[n]);
        parts[2 * n] = (struct iovec){heads[n], INBOX_HEAD_BYTES};
        parts[2 * n + 1] = (struct iovec){body->bytes, body->n_bytes};
        total += record;
    }
    if (n && !write_all(inbox, parts, 2 * n, total))
        return false;
    inbox->offset += total;
    inbox->next_seq = seq;
    group->at = body;
    return true;
}

static bool sync_segment(struct inbox *inbox)
{
    uint64_t begin_ns = clock_mono_ns();
    if (inbox->fd >= 0 && inbox_os.sync(inbox->fd) != 0)
        return false;
    stat_observe_ns(inbox->sync_seconds, clock_mono_ns() - begin_ns);
    inbox->unsynced_since_ns = 0;
    return true;
}

enum outcome { WRITTEN, REFUSED, SYNC_FAILED };

static enum outcome write_group(struct inbox *inbox, struct group *group)
{
    bool power = inbox->settings.durability == DURABILITY_POWER;
    while (group->at) {
        uint64_t record = INBOX_HEAD_BYTES + group->at->n_bytes;
        if (inbox->fd < 0 || inbox->offset + record > inbox->size) {
            if (power && group->at != group->first && !sync_segment(inbox))
                return SYNC_FAILED;
            if (!begin_segment(inbox, record))
                return REFUSED;
            group->n_begun++;
        }
        if (!write_part(inbox, group))
            return REFUSED;
    }
    if (!power) {
        if (!inbox->unsynced_since_ns)
            inbox->unsynced_since_ns = clock_mono_ns();
        return WRITTEN;
    }
    return sync_segment(inbox) ? WRITTEN : SYNC_FAILED;
}

/* What of a group was written before it failed is cut off again: it was never acknowledged. */
static void undo_group(struct inbox *inbox, const struct group *group, uint64_t offset)
{
    struct segment last = {0};
    pthread_mutex_lock(&inbox->mutex);
    for (size_t i = 0; i < group->n_begun; i++) {
        char name[32];
        inbox_segment_name(inbox->segments[--inbox->n_segments].first_seq, name);
        unlinkat(inbox->folder_fd, name, 0);
    }
    if (inbox->n_segments)
        last = inbox->segments[inbox->n_segments - 1];
    pthread_mutex_unlock(&inbox->mutex);
    if (group->n_begun && inbox->fd >= 0) {
        close(inbox->fd);
        inbox->fd = last.n_bytes ? inbox_segment_open(inbox, last.first_seq, O_RDWR) : -1;
        inbox->size = last.n_bytes;
    }
    inbox->offset = offset;
    inbox->next_seq = group->first_seq;
    if (inbox->fd >= 0 && ftruncate(inbox->fd, (off_t)offset) != 0)
        inbox->offset = inbox->size; /* nothing more goes into this one */
}

static void publish_group(struct inbox *inbox, const struct group *group)
{
    pthread_mutex_lock(&inbox->mutex);
    inbox->synced_seq = inbox->next_seq - 1;
    inbox->segments[inbox->n_segments - 1].last_seq = inbox->synced_seq;
    for (size_t i = inbox->n_segments - 1; i > 0 && !inbox->segments[i - 1].last_seq; i--)
        inbox->segments[i - 1].last_seq = inbox->segments[i].first_seq - 1;
    if (inbox->n_segments > 1)
        inbox->segments[inbox->n_segments - 2].last_seq =
            inbox->segments[inbox->n_segments - 1].first_seq - 1;
    inbox_mark(inbox, inbox->synced_seq, group->bytes, group->n, group->first->received_ns);
    stat_set(inbox->bytes_gauge, inbox->bytes - inbox->released_bytes);
    pthread_mutex_unlock(&inbox->mutex);
    atomic_store(&inbox->last_seq, inbox->synced_seq);
}

static void answer(struct inbox *inbox, struct body *body, const struct err *err)
{
    if (inbox->settings.durability != DURABILITY_QUEUE && body->answered)
        body->answered(body, err);
}

static void answer_group(struct inbox *inbox, const struct group *group, const struct err *err)
{
    struct body *next;
    for (struct body *body = group->first; body; body = next) {
        next = body->next;
        answer(inbox, body, err);
        if (err)
            body_free(body);
        else
            inbox->settings.synced(body, inbox->settings.ctx);
    }
}

static void set_failed(struct inbox *inbox, const struct err *err)
{
    pthread_mutex_lock(&inbox->mutex);
    bool first = !inbox->failed;
    inbox->failed = true;
    pthread_mutex_unlock(&inbox->mutex);
    if (first && inbox->settings.failed)
        inbox->settings.failed(err, inbox->settings.ctx);
}

static void commit_group(struct inbox *inbox, struct group *group)
{
    struct err err = {0};
    uint64_t offset = inbox->offset;
    group->first_seq = inbox->next_seq;
    enum outcome outcome = inbox->failed ? SYNC_FAILED : write_group(inbox, group);
    if (outcome == WRITTEN) {
        publish_group(inbox, group);
        answer_group(inbox, group, NULL);
        return;
    }
    int reason = errno;
    if (outcome == SYNC_FAILED) {
        err_set(&err, ERR_IO, "the inbox could not be synced: %s", strerror(reason));
        set_failed(inbox, &err);
    } else {
        undo_group(inbox, group, offset);
        err_set(&err, ERR_IO, "the inbox could not be written: %s", strerror(reason));
        pthread_mutex_lock(&inbox->mutex);
        inbox->disk_full = true;
        inbox->space_checked_ns = clock_mono_ns();
        pthread_mutex_unlock(&inbox->mutex);
        static struct log_limit limit;
        log_limited(&limit, LOG_ERROR, "inbox_refuses", "reason=\"%s\"", err.text);
    }
    answer_group(inbox, group, &err);
}

/* Takes what waits, up to group_max bytes (one body at least). Under the mutex. */
static struct group take_group(struct inbox *inbox)
{
    struct group group = {.first = inbox->first, .at = inbox->first};
    struct body *last = NULL;
    while (inbox->first &&
           (!last || group.bytes + inbox->first->n_bytes <= inbox->settings.group_max)) {
        last = inbox->first;
        inbox->first = last->next;
        group.bytes += last->n_bytes;
        group.n++;
    }
    if (last)
        last->next = NULL;
    if (!inbox->first)
        inbox->last = NULL;
    inbox->waiting_bytes -= group.bytes;
    return group;
}

size_t inbox_step(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    struct group group = take_group(inbox);
    pthread_mutex_unlock(&inbox->mutex);
    uint64_t now_ns = clock_mono_ns();
    atomic_store_explicit(&inbox->progress_ns, now_ns, memory_order_relaxed);
    if (group.first) {
        inbox->wrote_ns = now_ns;
        commit_group(inbox, &group);
    }
    return group.n;
}

/* ---- space ---- */

/* Looks at the disk, at most every 200 ms. Under the mutex. */
static void check_space(struct inbox *inbox)
{
    uint64_t now_ns = clock_mono_ns();
    struct statvfs info;
    if (inbox->space_checked_ns && now_ns < inbox->space_checked_ns + SPACE_CHECK_NS)
        return;
    inbox->space_checked_ns = now_ns;
    if (fstatvfs(inbox->folder_fd, &info) != 0)
        return;
    uint64_t free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
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
    if (inbox->bytes - inbox->released_bytes + body->n_bytes > inbox->settings.max_bytes)
        return err_set(err, ERR_IO, "the inbox is full (store.inbox_max)");
    if (inbox->first && inbox->waiting_bytes + body->n_bytes > 2 * inbox->settings.group_max)
        return err_set(err, ERR_BUSY, "too many bodies wait for the disk");
    return 0;
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
    uint64_t wait_ns = inbox->unsynced_since_ns ? CRASH_SYNC_NS : IDLE_NS;
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

static void tend(struct inbox *inbox)
{
    uint64_t oldest_ns = inbox_oldest_ns(inbox), now_ns = clock_wall_ns();
    stat_set(inbox->bytes_gauge, inbox_bytes(inbox));
    stat_set_real(inbox->oldest_gauge,
                  oldest_ns && now_ns > oldest_ns ? (double)(now_ns - oldest_ns) / 1e9 : 0);
    if (!inbox->disk_full)
        make_spare(inbox);
    if (inbox->disk_full || clock_mono_ns() > inbox->wrote_ns + RESERVE_IDLE_NS)
        drop_reserves(inbox);
    if (!inbox->unsynced_since_ns || clock_mono_ns() < inbox->unsynced_since_ns + CRASH_SYNC_NS)
        return;
    if (!sync_segment(inbox)) {
        struct err err;
        err_set(&err, ERR_IO, "the inbox could not be synced: %s", strerror(errno));
        set_failed(inbox, &err);
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
        sync_segment(inbox);
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
    unlinkat(inbox->folder_fd, SPARE, 0);
    drop_reserves(inbox);
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
        unlinkat(inbox->folder_fd, SPARE, 0);
        drop_reserves(inbox);
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
    size_t n = 0;
    while (n + 1 < inbox->n_segments && inbox->segments[n].last_seq &&
           inbox->segments[n].last_seq < inbox->needed_from)
        retire_segment(inbox, &inbox->segments[n++]);
    inbox->n_segments -= n;
    if (n)
        memmove(inbox->segments, inbox->segments + n, inbox->n_segments * sizeof(*inbox->segments));
    pthread_mutex_unlock(&inbox->mutex);
}

const char *inbox_state(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    check_space(inbox);
    const char *state = inbox->failed ? "store_failed" : inbox->disk_full ? "disk_full" : "";
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
