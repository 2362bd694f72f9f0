/* inbox_segment.c - heads, checks, and walking over a segment's bytes. */
#include "collector/store/inbox_segment.h"

#include <string.h>

#include "collector/base/crc.h"
#include "collector/store/inbox.h"

#define MAGIC 0x31494c46u /* "FLI1" */
#define HEAD_VERSION 1

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

size_t inbox_scan(struct str bytes, size_t *good_bytes,
                  void (*visit)(uint64_t seq, uint64_t received_ns, unsigned format,
                                unsigned transport, unsigned encoding, struct str body, void *ctx),
                  void *ctx)
{
    size_t at = 0, n = 0;
    uint64_t expected = 0;
    struct inbox_head head;
    while (bytes.len - at >= INBOX_HEAD_BYTES && inbox_head_read(bytes.p + at, &head)) {
        struct str body = {bytes.p + at + INBOX_HEAD_BYTES, head.n_bytes};
        if (head.n_bytes > bytes.len - at - INBOX_HEAD_BYTES || (n && head.seq != expected) ||
            !inbox_record_checks(bytes.p + at, body))
            break;
        if (visit)
            visit(head.seq, head.received_ns, head.format, head.transport, head.encoding, body,
                  ctx);
        expected = head.seq + 1;
        at += INBOX_HEAD_BYTES + head.n_bytes;
        n++;
    }
    *good_bytes = at;
    return n;
}
