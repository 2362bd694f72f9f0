/* fuzz_inbox.c - any bytes as a segment: records lie within it, and what is cut behind them is a
 * torn tail. The first bytes choose one to flip in a segment that is written here from the rest: it
 * takes its record, and no other. */
#include <string.h>

#include "collector/model/body.h"
#include "collector/store/inbox.h"
#include "collector/store/inbox_segment.h"
#include "tests/fuzz/fuzz.h"

#define FIRST_SEQ 41

struct seen {
    struct str bytes;
    size_t n, jumped;
    uint64_t next_seq;
};

static void visit(const struct inbox_head *head, struct str body, void *ctx)
{
    struct seen *seen = ctx;
    FUZZ_CHECK(body.p >= seen->bytes.p && body.p + body.len <= seen->bytes.p + seen->bytes.len,
               "a body outside the segment");
    FUZZ_CHECK(head->format < N_FORMATS && head->transport < N_TRANSPORTS &&
                   head->encoding < N_ENCODINGS,
               "a word");
    FUZZ_CHECK(head->seq >= seen->next_seq, "numbers go back");
    seen->jumped += head->seq > seen->next_seq;
    seen->next_seq = head->seq + 1;
    seen->n++;
}

static struct inbox_scanned scan(struct str bytes, uint64_t first_seq)
{
    struct seen seen = {.bytes = bytes, .next_seq = first_seq};
    struct inbox_scanned scanned, again;
    inbox_scan(bytes, first_seq, &scanned, visit, &seen);
    FUZZ_CHECK(scanned.n == seen.n && scanned.end <= bytes.len, "%zu records, %zu seen", scanned.n,
               seen.n);
    FUZZ_CHECK(!seen.jumped || scanned.damaged, "numbers are missing, and no damage");
    FUZZ_CHECK(!scanned.n || scanned.last_seq == seen.next_seq - 1, "another last number");
    inbox_scan((struct str){bytes.p, scanned.end}, first_seq, &again, NULL, NULL);
    /* A shorter segment may hold fewer numbers, and what is searched in it has a smaller limit. */
    FUZZ_CHECK(scanned.damaged || (again.n == scanned.n && again.end == scanned.end),
               "the good part alone says something else");
    return scanned;
}

/* Bodies of the input's bytes, each as long as its first byte says. */
static size_t write_segment(const uint8_t *data, size_t size, char *segment, size_t *len)
{
    size_t n = 0;
    *len = 0;
    for (size_t at = 0; at < size; n++) {
        size_t body_len = data[at] < size - at ? data[at] : size - at;
        struct body body = {.seq = FIRST_SEQ + n,
                            .received_ns = n,
                            .bytes = (char *)(uintptr_t)data + at,
                            .n_bytes = (uint32_t)body_len,
                            .format = (uint8_t)(n % N_FORMATS)};
        inbox_head_write(&body, segment + *len);
        memcpy(segment + *len + INBOX_HEAD_BYTES, data + at, body_len);
        *len += INBOX_HEAD_BYTES + body_len;
        at += body_len ? body_len : 1;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t len;
    struct inbox_head head = {.seq = FIRST_SEQ};
    if (size >= INBOX_HEAD_BYTES)
        inbox_head_read((const char *)data, &head);
    scan((struct str){(const char *)data, size}, head.seq);
    if (size < 4 || size > 4096)
        return 0;
    char *segment = malloc(size * (INBOX_HEAD_BYTES + 1) + INBOX_HEAD_BYTES);
    FUZZ_CHECK(segment, "memory is short");
    size_t n = write_segment(data + 3, size - 3, segment, &len);
    struct inbox_scanned scanned = scan((struct str){segment, len}, FIRST_SEQ);
    FUZZ_CHECK(scanned.n == n && scanned.end == len && !scanned.damaged && !scanned.torn,
               "not read as written");
    size_t flipped = ((size_t)data[0] << 8 | data[1]) % len;
    segment[flipped] = (char)(segment[flipped] ^ (data[2] | 1));
    scanned = scan((struct str){segment, len}, FIRST_SEQ);
    FUZZ_CHECK(scanned.n == n - 1, "%zu of %zu whole records were read", scanned.n, n - 1);
    FUZZ_CHECK(scanned.damaged == (scanned.end > flipped), "damage is damage when more follows");
    free(segment);
    return 0;
}
