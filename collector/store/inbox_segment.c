/* inbox_segment.c - heads, checks, and walking over a segment's bytes. */
#include "collector/store/inbox_segment.h"

#include <string.h>

#include "collector/base/crc.h"
#include "collector/store/inbox.h"

#define MAGIC 0x31494c46u /* "FLI1" */
#define HEAD_VERSION 1
#define FIND_TIMES 16 /* what a search may check, in sizes of its segment */

static void put(char *at, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (char)(number >> (8 * i));
}

static uint64_t get(const char *at, size_t size)
{
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++)
        number |= (uint64_t)(unsigned char)at[i] << (8 * i);
    return number;
}

static uint32_t checksum(const char head[INBOX_HEAD_BYTES], struct str body)
{
    uint32_t crc = crc32c(0, head + 8, INBOX_HEAD_BYTES - 8);
    return crc32c(crc, body.p, body.len);
}

void inbox_head_write(const struct body *body, char head[INBOX_HEAD_BYTES])
{
    memset(head, 0, INBOX_HEAD_BYTES);
    put(head, MAGIC, 4);
    put(head + 8, body->seq, 8);
    put(head + 16, body->received_ns, 8);
    put(head + 24, body->n_bytes, 4);
    head[28] = (char)body->format;
    head[29] = (char)body->transport;
    head[30] = (char)body->encoding;
    head[31] = HEAD_VERSION;
    put(head + 32, body->place.topic, 8);
    put(head + 40, (uint64_t)body->place.offset, 8);
    put(head + 48, (uint32_t)body->place.partition, 4);
    head[56] = (char)body->signal;
    put(head + 4, checksum(head, (struct str){body->bytes, body->n_bytes}), 4);
}

bool inbox_head_read(const char head[INBOX_HEAD_BYTES], struct inbox_head *fields)
{
    if (get(head, 4) != MAGIC || head[31] != HEAD_VERSION)
        return false;
    *fields = (struct inbox_head){
        .seq = get(head + 8, 8),
        .received_ns = get(head + 16, 8),
        .n_bytes = (uint32_t)get(head + 24, 4),
        .format = (uint8_t)head[28],
        .transport = (uint8_t)head[29],
        .encoding = (uint8_t)head[30],
        .place = {get(head + 32, 8), (int64_t)get(head + 40, 8), (int32_t)get(head + 48, 4)},
        .signal = (uint8_t)head[56],
    };
    return fields->format < N_FORMATS && fields->transport < N_TRANSPORTS &&
           fields->encoding < N_ENCODINGS && fields->signal < N_SIGNALS;
}

bool inbox_record_checks(const char head[INBOX_HEAD_BYTES], struct str body)
{
    return get(head + 4, 4) == checksum(head, body);
}

/* A whole record at `at`, with one of these numbers? What a CRC was made of is taken off the
 * budget. */
static bool record_at(struct str bytes, size_t at, uint64_t from_seq, uint64_t to_seq,
                      uint64_t *budget, struct inbox_head *head)
{
    if (bytes.len - at < INBOX_HEAD_BYTES || !inbox_head_read(bytes.p + at, head) ||
        head->seq < from_seq || head->seq > to_seq ||
        head->n_bytes > bytes.len - at - INBOX_HEAD_BYTES || head->n_bytes > *budget)
        return false;
    *budget -= head->n_bytes;
    return inbox_record_checks(bytes.p + at,
                               (struct str){bytes.p + at + INBOX_HEAD_BYTES, head->n_bytes});
}

uint64_t inbox_find_budget(uint64_t segment_bytes)
{
    return FIND_TIMES * segment_bytes;
}

size_t inbox_find(struct str bytes, size_t at, uint64_t from_seq, uint64_t to_seq, uint64_t *budget,
                  struct inbox_head *head)
{
    char magic[4];
    put(magic, MAGIC, sizeof(magic));
    while (at < bytes.len) {
        const char *found = memmem(bytes.p + at, bytes.len - at, magic, sizeof(magic));
        if (!found)
            break;
        at = (size_t)(found - bytes.p);
        if (record_at(bytes, at, from_seq, to_seq, budget, head))
            return at;
        at++;
    }
    return bytes.len;
}

/* The record that a write left unfinished, or whose damage nothing whole follows. */
static bool begins_record(struct str bytes, size_t at, uint64_t seq)
{
    struct inbox_head head;
    return bytes.len - at >= INBOX_HEAD_BYTES && inbox_head_read(bytes.p + at, &head) &&
           head.seq == seq;
}

void inbox_scan(struct str bytes, uint64_t first_seq, struct inbox_scanned *scanned,
                void (*visit)(const struct inbox_head *head, struct str body, void *ctx), void *ctx)
{
    size_t at = 0;
    uint64_t next_seq = first_seq, budget = inbox_find_budget(bytes.len);
    struct inbox_head head;
    *scanned = (struct inbox_scanned){0};
    for (;;) {
        uint64_t enough = UINT64_MAX;
        if (!record_at(bytes, at, next_seq, next_seq, &enough, &head)) {
            uint64_t most = next_seq + (bytes.len - at) / INBOX_HEAD_BYTES;
            size_t found = inbox_find(bytes, at, next_seq, most, &budget, &head);
            if (found == bytes.len)
                break;
            scanned->damaged = true;
            at = found;
        }
        if (visit)
            visit(&head, (struct str){bytes.p + at + INBOX_HEAD_BYTES, head.n_bytes}, ctx);
        at += INBOX_HEAD_BYTES + head.n_bytes;
        scanned->n++;
        scanned->end = at;
        scanned->last_seq = head.seq;
        next_seq = head.seq + 1;
    }
    scanned->torn = begins_record(bytes, at, next_seq);
}
