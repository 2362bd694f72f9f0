/* inbox_files.c - the files of the folder: segments, reserves, the spare. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

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

struct inbox_os inbox_os = {real_writev, fdatasync, real_allocate};

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

void inbox_retire_segment(struct inbox *inbox, const struct segment *segment)
{
    char name[32];
    struct stat info;
    inbox_segment_name(segment->first_seq, name);
    bool whole = fstatat(inbox->folder_fd, name, &info, 0) == 0 && info.st_nlink == 1 &&
                 (uint64_t)info.st_size == inbox->settings.segment_bytes;
    for (size_t i = 0; whole && !inbox->disk_full && !inbox->refusing && i < N_RESERVES; i++) {
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

void inbox_make_spare(struct inbox *inbox)
{
    int fd = openat(inbox->folder_fd, SPARE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return; /* it is there */
    if (inbox_os.allocate(fd, (off_t)inbox->settings.segment_bytes) != 0)
        unlinkat(inbox->folder_fd, SPARE, 0);
    close(fd);
}

bool inbox_begin_segment(struct inbox *inbox, uint64_t record_bytes)
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

void inbox_drop_spare(struct inbox *inbox)
{
    unlinkat(inbox->folder_fd, SPARE, 0);
}
