/* inbox_read.c - reading bodies again, beside the thread that writes.
 *
 * A reader holds the descriptor of its segment, so a release may delete the file under it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/log.h"
#include "collector/store/inbox_internal.h"

struct inbox_reader {
    struct inbox *inbox;
    uint64_t next_seq;  /* wanted */
    uint64_t first_seq; /* of the segment */
    uint64_t last_seq;  /* of the segment, as far as it is synced */
    uint64_t at_seq;    /* of the record at `offset` */
    uint64_t offset;
    uint64_t checked; /* up to here everything was whole; records that are not wanted are not
                         checked */
    int fd;           /* −1: a segment is to be opened */

    /* Once damage was met in this segment. */
    char *bytes; /* all of it */
    size_t n_bytes;
    uint64_t loaded_to; /* last_seq when it was read */
    uint64_t budget;
    unsigned n_damages;
};

#define DAMAGES_TOLD 1000 /* lines of the log for one segment */

int inbox_read_open(struct inbox *inbox, uint64_t from_seq, struct inbox_reader **result,
                    struct err *err)
{
    struct inbox_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return err_set(err, ERR_BUSY, "memory is short");
    *reader = (struct inbox_reader){.inbox = inbox, .next_seq = from_seq, .fd = -1};
    *result = reader;
    return 0;
}

static void leave_segment(struct inbox_reader *reader)
{
    close(reader->fd);
    reader->fd = -1;
    free(reader->bytes);
    reader->bytes = NULL;
}

void inbox_read_close(struct inbox_reader *reader)
{
    if (reader && reader->fd >= 0)
        leave_segment(reader);
    free(reader);
}

enum step { STEP_BODY, STEP_PASSED, STEP_DAMAGED, STEP_FAILED };

/* The first segment that holds the wanted number or a later one: STEP_PASSED when there is one;
 * STEP_FAILED when it cannot be opened now. */
static enum step open_segment(struct inbox_reader *reader)
{
    struct inbox *inbox = reader->inbox;
    pthread_mutex_lock(&inbox->mutex);
    enum step step = STEP_DAMAGED;
    for (size_t i = 0; i < inbox->n_segments && step == STEP_DAMAGED; i++) {
        const struct segment *segment = &inbox->segments[i];
        if (segment->last_seq < reader->next_seq)
            continue;
        reader->fd = inbox_segment_open(inbox, segment->first_seq, O_RDONLY);
        if (reader->fd >= 0)
            step = STEP_PASSED;
        else if (errno != ENOENT)
            step = STEP_FAILED;
        else /* what is released is on the list no more */
            log_event(LOG_ERROR, "inbox_damaged", "seq=%llu skipped_to=%llu copy=none",
                      (unsigned long long)reader->next_seq,
                      (unsigned long long)segment->last_seq + 1);
        reader->first_seq = reader->at_seq = segment->first_seq;
        reader->last_seq = segment->last_seq;
        reader->offset = reader->checked = 0;
        reader->n_damages = 0;
        if (reader->next_seq < segment->first_seq)
            reader->next_seq = segment->first_seq;
    }
    pthread_mutex_unlock(&inbox->mutex);
    return step;
}

/* The segment that is written grows while it is read: is there more in it now? */
static bool has_grown(struct inbox_reader *reader)
{
    struct inbox *inbox = reader->inbox;
    uint64_t before = reader->last_seq;
    pthread_mutex_lock(&inbox->mutex);
    for (size_t i = 0; i < inbox->n_segments; i++) {
        if (inbox->segments[i].first_seq == reader->first_seq)
            reader->last_seq = inbox->segments[i].last_seq;
    }
    pthread_mutex_unlock(&inbox->mutex);
    return reader->last_seq > before;
}

/* STEP_PASSED when it was read; damaged is a file that ends too soon, and failed a disk that cannot
 * be read now: what stands there may be good. */
static enum step read_at(int fd, char *bytes, size_t n, uint64_t offset)
{
    while (n > 0) {
        ssize_t size = pread(fd, bytes, n, (off_t)offset);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return size < 0 ? STEP_FAILED : STEP_DAMAGED;
        bytes += size;
        n -= (size_t)size;
        offset += (uint64_t)size;
    }
    return STEP_PASSED;
}

/* All of a damaged segment, which is read once however often it is damaged. */
static enum step load(struct inbox_reader *reader)
{
    struct stat info;
    if (reader->bytes && reader->loaded_to == reader->last_seq)
        return STEP_PASSED;
    if (fstat(reader->fd, &info) != 0)
        return STEP_FAILED;
    char *bytes = realloc(reader->bytes, (size_t)info.st_size + 1);
    if (!bytes)
        return STEP_FAILED;
    reader->bytes = bytes;
    reader->n_bytes = (size_t)info.st_size;
    reader->loaded_to = 0;
    reader->budget = inbox_find_budget(reader->n_bytes);
    enum step step = read_at(reader->fd, bytes, reader->n_bytes, 0);
    if (step == STEP_PASSED)
        reader->loaded_to = reader->last_seq;
    return step == STEP_PASSED ? STEP_PASSED : STEP_FAILED;
}

/* A damaged segment keeps a second name beside the database: what it holds is still read, and is
 * there when the segment is not needed any more. Its date is that of its last write, so that it has
 * one such name however often it is read. The name, or "none". */
static void set_aside(const struct inbox *inbox, uint64_t first_seq, char *copy, size_t size)
{
    char name[32], stamp[32];
    struct stat info;
    struct tm parts;
    inbox_segment_name(first_seq, name);
    if (fstatat(inbox->folder_fd, name, &info, 0) != 0) {
        snprintf(copy, size, "none");
        return;
    }
    gmtime_r(&info.st_mtime, &parts);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &parts);
    snprintf(copy, size, "%s.corrupt-%s-%s", inbox->settings.folder, stamp, name);
    if (linkat(inbox->folder_fd, name, AT_FDCWD, copy, 0) != 0 && errno != EEXIST)
        snprintf(copy, size, "none");
}

/* Goes to the next whole record behind damage, or behind the segment. */
static enum step pass_damage(struct inbox_reader *reader)
{
    char copy[4300];
    struct inbox_head head;
    enum step step = load(reader);
    if (step != STEP_PASSED)
        return step;
    size_t found = inbox_find((struct str){reader->bytes, reader->n_bytes}, reader->checked,
                              reader->next_seq, reader->last_seq, &reader->budget, &head);
    uint64_t lost_from = reader->next_seq;
    uint64_t skipped_to = found < reader->n_bytes ? head.seq : reader->last_seq + 1;
    set_aside(reader->inbox, reader->first_seq, copy, sizeof(copy));
    uint64_t begin = found > reader->offset ? reader->offset : reader->checked;
    if (reader->n_damages++ < DAMAGES_TOLD)
        log_event(skipped_to > lost_from ? LOG_ERROR : LOG_WARN, "inbox_damaged",
                  "seq=%llu skipped_to=%llu lost=%llu bytes=%llu copy=%s",
                  (unsigned long long)lost_from, (unsigned long long)skipped_to,
                  (unsigned long long)(skipped_to - lost_from), (unsigned long long)(found - begin),
                  copy);
    reader->next_seq = reader->at_seq = skipped_to;
    reader->offset = reader->checked = found;
    return STEP_PASSED;
}

static struct body *make_body(const struct inbox_head *head, char *bytes)
{
    struct body *body = body_new(bytes, head->n_bytes);
    if (!body)
        return NULL;
    body->seq = head->seq;
    body->received_ns = head->received_ns;
    body->signal = head->signal;
    body->format = head->format;
    body->transport = head->transport;
    body->encoding = head->encoding;
    body->place = head->place;
    return body;
}

static enum step read_body(struct inbox_reader *reader, const char *raw,
                           const struct inbox_head *head, struct body **body)
{
    struct stat info;
    if (fstat(reader->fd, &info) != 0)
        return STEP_FAILED;
    if (reader->offset + INBOX_HEAD_BYTES + head->n_bytes > (uint64_t)info.st_size)
        return STEP_DAMAGED;
    char *bytes = malloc((size_t)head->n_bytes + 1);
    if (!bytes)
        return STEP_FAILED;
    enum step step = read_at(reader->fd, bytes, head->n_bytes, reader->offset + INBOX_HEAD_BYTES);
    if (step == STEP_PASSED && !inbox_record_checks(raw, (struct str){bytes, head->n_bytes}))
        step = STEP_DAMAGED;
    if (step == STEP_PASSED && !(*body = make_body(head, bytes)))
        step = STEP_FAILED;
    if (step != STEP_PASSED) {
        free(bytes);
        return step;
    }
    stat_add(reader->inbox->replayed, head->n_bytes);
    reader->next_seq = head->seq + 1;
    return STEP_BODY;
}

static enum step read_record(struct inbox_reader *reader, struct body **body)
{
    char raw[INBOX_HEAD_BYTES];
    struct inbox_head head;
    enum step step = read_at(reader->fd, raw, sizeof(raw), reader->offset);
    if (step != STEP_PASSED)
        return step;
    if (!inbox_head_read(raw, &head) || head.seq != reader->at_seq)
        return STEP_DAMAGED;
    if (head.seq >= reader->next_seq)
        step = read_body(reader, raw, &head, body);
    if (step == STEP_BODY || step == STEP_PASSED) {
        reader->offset += INBOX_HEAD_BYTES + head.n_bytes;
        reader->at_seq = head.seq + 1;
        if (step == STEP_BODY)
            reader->checked = reader->offset;
    }
    return step;
}

static int cannot_read(struct err *err)
{
    return err_set(err, ERR_IO, "the inbox cannot be read now: %s", strerror(errno));
}

int inbox_read_next(struct inbox_reader *reader, struct body **body, struct err *err)
{
    *body = NULL;
    while (reader->next_seq <= inbox_last_seq(reader->inbox)) {
        enum step opened = reader->fd >= 0 ? STEP_PASSED : open_segment(reader);
        if (opened != STEP_PASSED)
            return opened == STEP_FAILED ? cannot_read(err) : 0;
        if (reader->at_seq > reader->last_seq && !has_grown(reader)) {
            leave_segment(reader);
            continue;
        }
        enum step step = read_record(reader, body);
        if (step == STEP_BODY)
            return 0;
        if (step == STEP_DAMAGED)
            step = pass_damage(reader);
        if (step == STEP_FAILED)
            return cannot_read(err);
    }
    return 0;
}
