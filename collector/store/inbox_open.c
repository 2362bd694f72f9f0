/* inbox_open.c - finding what a crash left: segments in order, the torn tail of the last cut off.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/store/inbox_internal.h"

static struct stat_family bytes_family =
    STAT_GAUGE("faultline_inbox_bytes", "Bytes of bodies in the inbox that are not stored yet.");
static struct stat_family oldest_family = STAT_REAL_GAUGE(
    "faultline_inbox_oldest_seconds", "Age of the oldest body that is not stored yet.");
static struct stat_family replay_family = STAT_GAUGE(
    "faultline_inbox_replay_bytes", "Bytes of bodies that were read again from the inbox.");
static struct stat_family sync_family =
    STAT_HISTOGRAM("faultline_inbox_sync_seconds", "Time of one sync of the inbox.");

void inbox_segment_name(uint64_t first_seq, char name[32])
{
    snprintf(name, 32, "%016llx.seg", (unsigned long long)first_seq);
}

int inbox_segment_open(struct inbox *inbox, uint64_t first_seq, int flags)
{
    char name[32];
    inbox_segment_name(first_seq, name);
    return openat(inbox->folder_fd, name, flags | O_CLOEXEC, 0640);
}

bool inbox_segment_add(struct inbox *inbox, const struct segment *segment)
{
    if (inbox->n_segments == inbox->cap_segments) {
        size_t cap = inbox->cap_segments ? 2 * inbox->cap_segments : 16;
        struct segment *grown = realloc(inbox->segments, cap * sizeof(*grown));
        if (!grown)
            return false;
        inbox->segments = grown;
        inbox->cap_segments = cap;
    }
    inbox->segments[inbox->n_segments++] = *segment;
    return true;
}

void inbox_mark(struct inbox *inbox, uint64_t last_seq, uint64_t bytes, uint64_t records,
                uint64_t received_ns)
{
    inbox->bytes += bytes;
    inbox->records += records;
    if (inbox->n_marks == inbox->cap_marks) {
        size_t cap = inbox->cap_marks ? 2 * inbox->cap_marks : 256;
        struct mark *grown = realloc(inbox->marks, cap * sizeof(*grown));
        if (!grown)
            return; /* the figure is then coarser, nothing else */
        inbox->marks = grown;
        inbox->cap_marks = cap;
    }
    inbox->marks[inbox->n_marks++] =
        (struct mark){last_seq, inbox->bytes, inbox->records, received_ns};
}

static bool read_name(const char *name, uint64_t *first_seq)
{
    unsigned long long seq;
    int n = 0;
    if (strlen(name) != 20 || sscanf(name, "%16llx.seg%n", &seq, &n) != 1 || n != 20)
        return false;
    *first_seq = seq;
    return true;
}

static int by_first_seq(const void *a, const void *b)
{
    const struct segment *one = a, *other = b;
    return (one->first_seq > other->first_seq) - (one->first_seq < other->first_seq);
}

static int list_segments(struct inbox *inbox, struct err *err)
{
    int fd = dup(inbox->folder_fd);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    if (!folder)
        return err_set(err, ERR_IO, "%s: cannot be listed: %s", inbox->settings.folder,
                       strerror(errno));
    while ((entry = readdir(folder))) {
        struct segment segment = {0};
        struct stat info;
        if (!read_name(entry->d_name, &segment.first_seq) ||
            fstatat(inbox->folder_fd, entry->d_name, &info, 0) != 0)
            continue;
        segment.n_bytes = (uint64_t)info.st_size;
        if (!inbox_segment_add(inbox, &segment)) {
            closedir(folder);
            return err_set(err, ERR_BUSY, "memory is short");
        }
    }
    closedir(folder);
    if (inbox->n_segments)
        qsort(inbox->segments, inbox->n_segments, sizeof(*inbox->segments), by_first_seq);
    return 0;
}

static int scan(struct inbox *inbox, const struct segment *segment, struct inbox_scanned *scanned,
                struct err *err)
{
    int fd = inbox_segment_open(inbox, segment->first_seq, O_RDONLY);
    void *bytes = MAP_FAILED;
    *scanned = (struct inbox_scanned){0};
    if (fd >= 0 && segment->n_bytes)
        bytes = mmap(NULL, segment->n_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes != MAP_FAILED) {
        inbox_scan((struct str){bytes, segment->n_bytes}, segment->first_seq, scanned, NULL, NULL);
        munmap(bytes, segment->n_bytes);
    }
    int code = fd < 0 ? err_set(err, ERR_IO, "%s: a segment cannot be opened: %s",
                                inbox->settings.folder, strerror(errno))
                      : 0;
    if (fd >= 0)
        close(fd);
    return code;
}

static void drop_last(struct inbox *inbox)
{
    char name[32];
    inbox_segment_name(inbox->segments[--inbox->n_segments].first_seq, name);
    unlinkat(inbox->folder_fd, name, 0);
}

/* Ends the torn tail of the last segment, and goes on writing behind what is good. A damaged one
 * stays as it is, for its reader to set aside: the next record begins another. */
static int end_tail(struct inbox *inbox, const struct segment *last,
                    const struct inbox_scanned *scanned, struct err *err)
{
    size_t end = scanned->damaged ? last->n_bytes : scanned->end;
    inbox->fd = inbox_segment_open(inbox, last->first_seq, O_RDWR);
    if (inbox->fd < 0 || (!scanned->damaged && ftruncate(inbox->fd, (off_t)end) != 0))
        return err_set(err, ERR_IO, "%s: cannot be written: %s", inbox->settings.folder,
                       strerror(errno));
    inbox->offset = end;
    inbox->size = last->n_bytes;
    if (end < inbox->settings.segment_bytes && !scanned->damaged &&
        inbox_os.allocate(inbox->fd, (off_t)inbox->settings.segment_bytes) != 0)
        inbox_refuse(inbox, errno, 0);
    return 0;
}

/* A segment without any record of its own number or a later one was begun and not written: what
 * stands in it is of its past. */
static int find_end(struct inbox *inbox, struct err *err)
{
    while (inbox->n_segments) {
        struct segment *last = &inbox->segments[inbox->n_segments - 1];
        struct inbox_scanned scanned;
        if (scan(inbox, last, &scanned, err))
            return err->code;
        if (scanned.torn)
            log_event(LOG_WARN, "inbox_torn", "seq=%llu segment=%016llx.seg offset=%zu",
                      (unsigned long long)(scanned.n ? scanned.last_seq + 1 : last->first_seq),
                      (unsigned long long)last->first_seq, scanned.end);
        if (!scanned.n) {
            drop_last(inbox);
            continue;
        }
        last->last_seq = scanned.last_seq;
        return end_tail(inbox, last, &scanned, err);
    }
    return 0;
}

static void count_found(struct inbox *inbox)
{
    for (size_t i = 0; i < inbox->n_segments; i++) {
        struct segment *segment = &inbox->segments[i];
        if (i + 1 < inbox->n_segments)
            segment->last_seq = inbox->segments[i + 1].first_seq - 1;
        uint64_t n = segment->last_seq - segment->first_seq + 1;
        uint64_t bytes = i + 1 < inbox->n_segments ? segment->n_bytes : inbox->offset;
        inbox_mark(inbox, segment->last_seq, bytes, n, clock_wall_ns());
    }
}

int inbox_open(const struct inbox_settings *settings, uint64_t first_seq, struct inbox **result,
               struct err *err)
{
    struct inbox *inbox = calloc(1, sizeof(*inbox));
    if (!inbox)
        return err_set(err, ERR_BUSY, "memory is short");
    inbox->settings = *settings;
    inbox->fd = -1;
    inbox->ballast = settings->gave_room ? GAVE_ROOM : HAS_BALLAST;
    pthread_mutex_init(&inbox->mutex, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&inbox->arrived, &attr);
    pthread_condattr_destroy(&attr);
    if (mkdir(settings->folder, 0750) != 0 && errno != EEXIST) {
        err_set(err, ERR_IO, "%s: cannot be made: %s", settings->folder, strerror(errno));
        inbox->folder_fd = -1;
        goto failed;
    }
    inbox->folder_fd = open(settings->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (inbox->folder_fd < 0) {
        err_set(err, ERR_IO, "%s: cannot be opened: %s", settings->folder, strerror(errno));
        goto failed;
    }
    fstat(inbox->folder_fd, &inbox->folder);
    if (list_segments(inbox, err) || find_end(inbox, err))
        goto failed;
    count_found(inbox);
    inbox->next_seq =
        inbox->n_segments ? inbox->segments[inbox->n_segments - 1].last_seq + 1 : first_seq;
    if (inbox->next_seq < first_seq)
        inbox->next_seq = first_seq;
    inbox->synced_seq = inbox->next_seq - 1;
    inbox->last_seq = inbox->synced_seq;
    inbox->bytes_gauge = stat_get(&bytes_family, NULL);
    inbox->oldest_gauge = stat_get(&oldest_family, NULL);
    inbox->replayed = stat_get(&replay_family, NULL);
    inbox->sync_seconds = stat_get(&sync_family, NULL);
    inbox->progress_ns = clock_mono_ns();
    *result = inbox;
    return 0;
failed:
    inbox_close(inbox, false);
    return err->code;
}
