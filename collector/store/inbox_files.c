/* inbox_files.c - the files of the folder: segments, reserves, the spare. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "collector/base/log.h"
#include "collector/store/inbox_internal.h"

#define SPARE "spare"

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

static int real_free_bytes(int fd, uint64_t *n)
{
    struct statvfs info;
    int code = fstatvfs(fd, &info);
    *n = code ? 0 : (uint64_t)info.f_bavail * info.f_frsize;
    return code;
}

struct inbox_os inbox_os = {real_writev, fdatasync, real_allocate, real_free_bytes};

/* Would a file of this size leave what is to stay free? If not it would be of no use: nothing is
 * taken below store.min_free. */
static bool leaves_room(const struct inbox *inbox, uint64_t n_bytes)
{
    uint64_t free_bytes;
    return inbox_os.free_bytes(inbox->folder_fd, &free_bytes) != 0 ||
           free_bytes >= n_bytes + inbox->settings.min_free;
}

/* Is there room for one more? What is behind it is the database's, for what the inbox holds has to
 * go there: of a full disk the ballast, a segment of it. Where nothing before is needed any more
 * the new one only takes a place; but without ballast there must be room for one. */
static bool may_add(struct inbox *inbox, uint64_t n_bytes)
{
    pthread_mutex_lock(&inbox->mutex);
    bool stored = !inbox->n_segments || inbox->needed_from > inbox->synced_seq;
    bool takes_place = stored && inbox->ballast == HAS_BALLAST;
    pthread_mutex_unlock(&inbox->mutex);
    return leaves_room(inbox, n_bytes + (takes_place ? 0 : inbox->settings.segment_bytes));
}

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
        if (may_add(inbox, 0) && renameat(inbox->folder_fd, SPARE, inbox->folder_fd, name) == 0)
            return openat(inbox->folder_fd, name, O_RDWR | O_CLOEXEC);
    }
    if (!may_add(inbox, size)) {
        errno = ENOSPC;
        return -1;
    }
    int fd = openat(inbox->folder_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd >= 0 && inbox_os.allocate(fd, (off_t)size) != 0) {
        close(fd);
        unlinkat(inbox->folder_fd, name, 0);
        return -1;
    }
    return fd;
}

void inbox_retire_segment(struct inbox *inbox, const struct segment *segment)
{
    char name[32];
    struct stat info;
    inbox_segment_name(segment->first_seq, name);
    bool whole = fstatat(inbox->folder_fd, name, &info, 0) == 0 && info.st_nlink == 1 &&
                 (uint64_t)info.st_size == inbox->settings.segment_bytes;
    bool short_of_room = inbox->disk_full || inbox->refusing || inbox->ballast != HAS_BALLAST;
    for (size_t i = 0; whole && !short_of_room && i < N_RESERVES; i++) {
        if (renameat2(inbox->folder_fd, name, inbox->folder_fd, reserves[i], RENAME_NOREPLACE) == 0)
            return;
    }
    unlinkat(inbox->folder_fd, name, 0);
}

void inbox_drop_reserves(struct inbox *inbox)
{
    for (size_t i = 0; i < N_RESERVES; i++)
        unlinkat(inbox->folder_fd, reserves[i], 0);
}

/* What was given to the database is not taken back before it has written with it. */
static bool may_have_spare(struct inbox *inbox)
{
    bool fits = leaves_room(inbox, inbox->settings.segment_bytes);
    pthread_mutex_lock(&inbox->mutex);
    if (inbox->ballast == WAS_WRITTEN && fits)
        inbox->ballast = HAS_BALLAST;
    bool may = inbox->ballast == HAS_BALLAST;
    pthread_mutex_unlock(&inbox->mutex);
    return may && fits;
}

void inbox_make_spare(struct inbox *inbox)
{
    if (!may_have_spare(inbox))
        return;
    int fd = openat(inbox->folder_fd, SPARE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return; /* it is there */
    if (inbox_os.allocate(fd, (off_t)inbox->settings.segment_bytes) != 0)
        unlinkat(inbox->folder_fd, SPARE, 0);
    close(fd);
}

/* On a full disk the last segment goes too once nothing in it is needed: the next takes its place.
 * False when it is. */
static bool drop_stored(struct inbox *inbox)
{
    char name[32];
    pthread_mutex_lock(&inbox->mutex);
    bool stored = inbox->n_segments == 1 && inbox->needed_from > inbox->synced_seq &&
                  inbox->next_seq == inbox->synced_seq + 1;
    if (stored) {
        inbox_segment_name(inbox->segments[--inbox->n_segments].first_seq, name);
        unlinkat(inbox->folder_fd, name, 0);
    }
    pthread_mutex_unlock(&inbox->mutex);
    if (stored && inbox->fd >= 0) {
        close(inbox->fd);
        inbox->fd = -1;
    }
    return stored;
}

bool inbox_begin_segment(struct inbox *inbox, uint64_t record_bytes)
{
    uint64_t size =
        inbox->settings.segment_bytes > record_bytes ? inbox->settings.segment_bytes : record_bytes;
    int fd = new_segment_file(inbox, inbox->next_seq, size);
    if (fd < 0 && drop_stored(inbox))
        fd = new_segment_file(inbox, inbox->next_seq, size);
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

void inbox_drop_spare(struct inbox *inbox)
{
    unlinkat(inbox->folder_fd, SPARE, 0);
}

bool inbox_drop_ballast(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool dropped = fd >= 0 && unlinkat(fd, SPARE, 0) == 0;
    for (size_t i = 0; fd >= 0 && i < N_RESERVES; i++)
        dropped |= unlinkat(fd, reserves[i], 0) == 0;
    if (fd >= 0)
        close(fd);
    if (dropped)
        log_event(LOG_WARN, "inbox_gives_room", "reason=\"the disk has none for the database\"");
    return dropped;
}
