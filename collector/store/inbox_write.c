/* inbox_write.c - a group: written, synced, answered, handed on.
 *
 * A group that could not be written is refused, the file is cut back to where it was, and bodies
 * are refused until a write succeeds; after a failed sync nothing is acknowledged any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/store/inbox_internal.h"

#define MAX_GROUP 512 /* bodies in one write: two parts each, IOV_MAX is 1024 */

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

bool inbox_sync(struct inbox *inbox)
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
            if (power && group->at != group->first && !inbox_sync(inbox))
                return SYNC_FAILED;
            if (!inbox_begin_segment(inbox, record))
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
    return inbox_sync(inbox) ? WRITTEN : SYNC_FAILED;
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

/* ---- while it cannot be written ---- */

#define RETRY_NS (200 * NS_PER_MS)

/* A path that cannot be looked at now says nothing. */
bool inbox_is_there(struct inbox *inbox)
{
    struct stat named, file;
    bool there = stat(inbox->settings.folder, &named) == 0
                     ? named.st_dev == inbox->folder.st_dev && named.st_ino == inbox->folder.st_ino
                     : errno != ENOENT && errno != ENOTDIR;
    if (there && inbox->fd >= 0 && fstat(inbox->fd, &file) == 0)
        there = file.st_nlink > 0;
    if (!there)
        errno = ESTALE;
    return there;
}

static const char *why(int reason)
{
    return reason == ESTALE ? "its folder was removed or replaced while it was in use; stop and "
                              "start the collector, which stores what it has taken"
                            : strerror(reason);
}

void inbox_refuse(struct inbox *inbox, int reason, uint64_t record_bytes)
{
    static struct log_limit limit;
    bool no_room = reason == ENOSPC || reason == EDQUOT || reason == EFBIG, first;
    pthread_mutex_lock(&inbox->mutex);
    first = !inbox->refusing;
    inbox->refusing = no_room ? "disk_full" : "store_failed";
    pthread_mutex_unlock(&inbox->mutex);
    inbox->retry_ns = clock_mono_ns() + RETRY_NS;
    inbox->refused_bytes = record_bytes;
    if (first)
        log_limited(&limit, LOG_ERROR, "inbox_refuses", "reason=\"%s\"", why(reason));
}

static void take_again(struct inbox *inbox)
{
    static struct log_limit limit;
    if (!inbox->refusing)
        return;
    pthread_mutex_lock(&inbox->mutex);
    inbox->refusing = NULL;
    pthread_mutex_unlock(&inbox->mutex);
    log_limited(&limit, LOG_INFO, "inbox_takes", "again=true");
}

/* Zeros end what is read: nothing is there until a record is written over them. */
static bool write_nothing(struct inbox *inbox)
{
    static char zeros[4096];
    struct iovec part = {zeros, sizeof(zeros)};
    return inbox_os.allocate(inbox->fd, (off_t)(inbox->offset + inbox->refused_bytes)) == 0 &&
           write_all(inbox, &part, 1, sizeof(zeros));
}

/* Who is not ready is sent nothing, so the inbox itself finds out when it can take bodies again:
 * what a record like the refused one needs is done, and undone. */
static void try_again(struct inbox *inbox, uint64_t now_ns)
{
    struct group nothing = {.first_seq = inbox->next_seq};
    uint64_t offset = inbox->offset;
    if (!inbox->refusing || inbox->disk_full || now_ns < inbox->retry_ns)
        return;
    bool fits = inbox->fd >= 0 && offset + inbox->refused_bytes <= inbox->size;
    if (!fits)
        nothing.n_begun = inbox_begin_segment(inbox, inbox->refused_bytes);
    bool good = (fits || nothing.n_begun) && write_nothing(inbox) && inbox_is_there(inbox);
    int reason = errno;
    undo_group(inbox, &nothing, offset);
    if (good)
        take_again(inbox);
    else
        inbox_refuse(inbox, reason, inbox->refused_bytes);
}

/* ---- a group ---- */

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
    inbox_tell_backlog(inbox);
    pthread_mutex_unlock(&inbox->mutex);
    atomic_store(&inbox->last_seq, inbox->synced_seq);
}

static void answer(struct inbox *inbox, struct body *body, const struct err *err)
{
    if (inbox->settings.durability != DURABILITY_QUEUE && body->answered)
        body->answered(body, err);
}

/* Gives what waits in the blocked lanes: it must not be written before what was refused. */
static struct body *take_blocked(struct inbox *inbox)
{
    struct body *taken = NULL, **end = &taken, **at = &inbox->first;
    pthread_mutex_lock(&inbox->mutex);
    inbox->last = NULL;
    while (*at) {
        struct body *body = *at;
        if (body->lane && body->lane->blocked) {
            *at = body->next;
            body->next = NULL;
            inbox->waiting_bytes -= body->n_bytes;
            *end = body;
            end = &body->next;
        } else {
            inbox->last = body;
            at = &body->next;
        }
    }
    pthread_mutex_unlock(&inbox->mutex);
    return taken;
}

static void refuse_group(struct inbox *inbox, struct body *first, const struct err *err)
{
    struct body *next;
    for (struct body *body = first; body; body = body->next) {
        if (body->lane)
            body->lane->blocked = true;
    }
    struct body *lists[] = {first, take_blocked(inbox)};
    for (int i = 0; i < 2; i++) {
        for (struct body *body = lists[i]; body; body = next) {
            next = body->next;
            answer(inbox, body, err);
            body_free(body);
        }
    }
}

static void answer_group(struct inbox *inbox, const struct group *group)
{
    struct body *next;
    for (struct body *body = group->first; body; body = next) {
        next = body->next;
        answer(inbox, body, NULL);
        inbox->settings.synced(body, inbox->settings.ctx);
    }
}

void inbox_set_failed(struct inbox *inbox, const struct err *err)
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
    if (outcome == WRITTEN && !inbox_is_there(inbox))
        outcome = REFUSED;
    if (outcome == WRITTEN) {
        take_again(inbox);
        publish_group(inbox, group);
        answer_group(inbox, group);
        return;
    }
    int reason = errno;
    if (outcome == SYNC_FAILED) {
        err_set(&err, ERR_IO, "the inbox could not be synced: %s", strerror(reason));
        inbox_set_failed(inbox, &err);
    } else {
        uint64_t record = INBOX_HEAD_BYTES + (group->at ? group->at : group->first)->n_bytes;
        undo_group(inbox, group, offset);
        err_set(&err, ERR_IO, "the inbox could not be written: %s", why(reason));
        inbox_refuse(inbox, reason, record);
    }
    refuse_group(inbox, group->first, &err);
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
    try_again(inbox, now_ns);
    if (group.first) {
        inbox->wrote_ns = now_ns;
        commit_group(inbox, &group);
    }
    return group.n;
}
