/* inbox_segment.h - the bytes of a segment: records one after the other; behind the last zeros, or
 * what the file held before (its numbers are smaller, so it is not read).
 *
 *   offset  bytes  what (little-endian)
 *        0      4  magic 'FLI1'
 *        4      4  CRC-32C of everything behind it: the rest of the head, then the body
 *        8      8  sequence number; one more than the record's before it
 *       16      8  time of receipt, Unix ns
 *       24      4  bytes of the body
 *       28      4  format, transport, encoding (one byte each), version of this head (1)
 *       32     24  Kafka position: hash of the topic (8), offset (8), partition (4), zero (4)
 *       56      1  signal
 *       57      7  zero
 *       64         the body as it came
 */
#ifndef STORE_INBOX_SEGMENT_H
#define STORE_INBOX_SEGMENT_H

#include "collector/model/body.h"

#define INBOX_HEAD_BYTES 64

/* Writes the head of a body's record. */
void inbox_head_write(const struct body *body, char head[INBOX_HEAD_BYTES]);

struct inbox_head {
    uint64_t seq, received_ns;
    uint32_t n_bytes;
    uint8_t format, transport, encoding, signal;
    struct kafka_place place;
};
/* Reads a head's fields; false when it is none. The CRC is not checked. */
bool inbox_head_read(const char head[INBOX_HEAD_BYTES], struct inbox_head *fields);
/* Does the CRC fit head and body? */
bool inbox_record_checks(const char head[INBOX_HEAD_BYTES], struct str body);

/* Where the first whole record stands, at `at` or behind it, whose number is one of these;
 * bytes.len when there is none. Bodies may hold what looks like heads: `budget` is how many bytes
 * of such are still checked. */
size_t inbox_find(struct str bytes, size_t at, uint64_t from_seq, uint64_t to_seq, uint64_t *budget,
                  struct inbox_head *head);
/* The budget of one segment. */
uint64_t inbox_find_budget(uint64_t segment_bytes);

struct inbox_scanned {
    size_t n;   /* whole records */
    size_t end; /* of the last of them */
    uint64_t last_seq;
    bool damaged; /* something that is not whole stands before one that is */
    bool torn;    /* a record begins behind the last, and is not whole */
};
/* All whole records of a segment that begins with this number. `visit` may be NULL; its bodies
 * borrow from `bytes`. */
void inbox_scan(struct str bytes, uint64_t first_seq, struct inbox_scanned *scanned,
                void (*visit)(const struct inbox_head *head, struct str body, void *ctx),
                void *ctx);

#endif
