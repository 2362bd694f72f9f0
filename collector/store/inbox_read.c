/* inbox_read.c - reading bodies again, beside the thread that writes.
 *
 * A reader holds the descriptor of its segment, so a release may delete the file under it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/log.h"
#include "collector/store/inbox_internal.h"

struct inbox_reader {
    struct inbox *inbox;
    uint64_t next_seq; /* wanted */
    uint64_t at_seq;   /* of the record at `offset` */
    uint64_t offset, last_seq;
    int fd; /* −1: a segment is to be opened */
};

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

void inbox_read_close(struct inbox_reader *reader)
{
    if (reader && reader->fd >= 0)
        close(reader->fd);
    free(reader);
}

/* The first segment that holds the wanted number or a later one. False when there is none yet. */
enum step { STEP_BODY, STEP_PASSED, STEP_DAMAGED, STEP_FAILED };

/* STEP_PASSED when there is one; STEP_FAILED when it cannot be opened now. */
static enum step open_segment(struct inbox_reader *reader)
{
    struct inbox *inbox = reader->inbox;
    pthread_mutex_lock(&inbox->mutex);
    enum step step = STEP_DAMAGED;
    for (size_t i = 0; i < inbox->n_segments && step == STEP_DAMAGED; i++) {
        const struct segment *segment = &inbox->segments[i];
        bool last = i + 1 == inbox->n_segments;
        if (!segment->last_seq || (segment->last_seq < reader->next_seq && !last))
            continue;
        reader->fd = inbox_segment_open(inbox, segment->first_seq, O_RDONLY);
        if (reader->fd >= 0)
            step = STEP_PASSED;
        else if (errno != ENOENT)
            step = STEP_FAILED;
        reader->at_seq = segment->first_seq;
        reader->last_seq = last ? UINT64_MAX : segment->last_seq;
        reader->offset = 0;
        if (reader->next_seq < segment->first_seq)
            reader->next_seq = segment->first_seq;
    }
    pthread_mutex_unlock(&inbox->mutex);
    return step;
}

static void leave_segment(struct inbox_reader *reader)
{
    close(reader->fd);
    reader->fd = -1;
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

/* Damage in a segment: what stands behind it there is lost, the next segment is read. False when it
 * was the last. */
static bool skip_damage(struct inbox_reader *reader)
{
    log_event(LOG_ERROR, "inbox_damaged", "seq=%llu skipped_to=%llu",
              (unsigned long long)reader->at_seq,
              (unsigned long long)(reader->last_seq == UINT64_MAX ? 0 : reader->last_seq + 1));
    leave_segment(reader);
    if (reader->last_seq == UINT64_MAX)
        return false;
    reader->next_seq = reader->last_seq + 1;
    return true;
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
        /* The segment that was the last may have been followed by another meanwhile. */
        if (reader->at_seq > reader->last_seq) {
            leave_segment(reader);
            continue;
        }
        switch (read_record(reader, body)) {
        case STEP_BODY:
            return 0;
        case STEP_FAILED:
            return cannot_read(err);
        case STEP_DAMAGED:
            if (reader->last_seq == UINT64_MAX) {
                /* Perhaps it only ended: look again whether others follow now. */
                uint64_t at_seq = reader->at_seq;
                leave_segment(reader);
                reader->next_seq = at_seq > reader->next_seq ? at_seq : reader->next_seq;
                opened = open_segment(reader);
                if (opened == STEP_FAILED)
                    return cannot_read(err);
                if (opened != STEP_PASSED || reader->last_seq == UINT64_MAX)
                    return 0;
                continue;
            }
            if (!skip_damage(reader))
                return 0;
            break;
        case STEP_PASSED:
            break;
        }
    }
    return 0;
}
