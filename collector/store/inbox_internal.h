/* inbox_internal.h - what the files of the inbox share:
 *
 *   inbox.c          what waits, the thread, space, release
 *   inbox_write.c    a group: written, synced, answered
 *   inbox_files.c    segments, reserves, the spare
 *   inbox_open.c     the folder, the scan after a start
 *   inbox_read.c     bodies again
 *   inbox_segment.c  records as bytes
 */
#ifndef STORE_INBOX_INTERNAL_H
#define STORE_INBOX_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "collector/base/stats.h"
#include "collector/store/inbox.h"
#include "collector/store/inbox_segment.h"

/* The calls that can fail, so that tests can make them fail. */
struct inbox_os {
    ssize_t (*writev)(int fd, const struct iovec *parts, int n, off_t offset);
    int (*sync)(int fd);
    int (*allocate)(int fd, off_t size);
    int (*free_bytes)(int fd, uint64_t *n); /* of the disk */
};
extern struct inbox_os inbox_os;

struct segment {
    uint64_t first_seq;
    uint64_t last_seq; /* 0 while nothing is in it */
    uint64_t n_bytes;  /* of the file */
};

/* How much lay in the inbox when this number was written. */
struct mark {
    uint64_t last_seq, bytes, records, received_ns;
};

struct inbox {
    struct inbox_settings settings;
    int folder_fd;
    struct stat folder; /* which it is */

    pthread_t thread;
    bool running;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t arrived;
    struct body *first, *last; /* waiting */
    uint64_t waiting_bytes;
    struct segment *segments; /* in order; the last is written */
    size_t n_segments, cap_segments;
    uint64_t synced_seq; /* greatest number that readers may read */
    uint64_t needed_from;
    struct mark *marks; /* of what is not released, in order */
    size_t n_marks, cap_marks;
    uint64_t bytes, records; /* ever written since the start, and what was found then */
    uint64_t released_bytes, released_records;
    uint64_t space_checked_ns;
    bool disk_full;       /* less free than store.min_free */
    const char *refusing; /* what could not be written last: a word for /-/ready; NULL: it could */
    bool failed, stopping;
    /* The database had no room, and got what could be given; until it was written again, and there
     * is room for it. */
    enum { HAS_BALLAST, GAVE_ROOM, WAS_WRITTEN } ballast;

    /* The thread's own. */
    int fd;          /* of the segment that is written; −1: none */
    uint64_t size;   /* of its file */
    uint64_t offset; /* where the next record goes */
    uint64_t next_seq;
    uint64_t wrote_ns;                /* monotonic time of the last group */
    uint64_t refused_bytes, retry_ns; /* while refusing: of the record, and of the next try */
    uint64_t
        unsynced_since_ns; /* durability crash: when the oldest unsynced write was made; 0: none */

    _Atomic uint64_t progress_ns, last_seq;
    struct stat_series *bytes_gauge, *oldest_gauge, *replayed, *sync_seconds;
};

void inbox_segment_name(uint64_t first_seq, char name[32]);
/* Opens a segment for reading; −1 when it is gone. */
int inbox_segment_open(struct inbox *inbox, uint64_t first_seq, int flags);
/* Appends to the list; false when memory is short. Under the mutex. */
bool inbox_segment_add(struct inbox *inbox, const struct segment *segment);
void inbox_mark(struct inbox *inbox, uint64_t last_seq, uint64_t bytes, uint64_t records,
                uint64_t received_ns);

/* inbox_files.c */
/* The next record begins a segment that has room for it. False when the disk has none. */
bool inbox_begin_segment(struct inbox *inbox, uint64_t record_bytes);
/* A segment that is needed no more becomes a reserve: its blocks and its pages in memory are there
 * already, so writing it again is cheaper than a new file. What it held has smaller numbers than
 * what comes, and numbers must follow each other: old records are never read as new ones. Under the
 * mutex. One that was set aside is not written again. */
void inbox_retire_segment(struct inbox *inbox, const struct segment *segment);
void inbox_drop_reserves(struct inbox *inbox);
/* Ballast: a full disk is met here and not by a body; made after the answers, never before. */
void inbox_make_spare(struct inbox *inbox);
void inbox_drop_spare(struct inbox *inbox);

/* inbox.c */
/* To the gauges of what is not released; under the mutex. */
void inbox_tell_backlog(struct inbox *inbox);

/* inbox_write.c */
/* Syncs the segment that is written; false with errno. */
bool inbox_sync(struct inbox *inbox);
/* Until a write succeeds, which inbox_step() tries: a record of `record_bytes` could not be
 * written, by `reason` of errno. */
void inbox_refuse(struct inbox *inbox, int reason, uint64_t record_bytes);
/* Would the next start find what is written here? Else errno is ESTALE: the folder or the segment
 * was taken away. */
bool inbox_is_there(struct inbox *inbox);
/* For good: says so to settings.failed, once. */
void inbox_set_failed(struct inbox *inbox, const struct err *err);

#endif
