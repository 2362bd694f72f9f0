/* fuzz_inbox.c - any bytes as a segment: records lie within it, and what is cut behind them is a
 * torn tail. The first byte chooses one to flip in a segment that is written here from the rest. */
#include <string.h>

#include "collector/model/body.h"
#include "collector/store/inbox.h"
#include "collector/store/inbox_segment.h"
#include "tests/fuzz/fuzz.h"

#define FIRST_SEQ 41

struct seen {
    struct str bytes;
    size_t n;
    uint64_t next_seq;
};

static void visit(uint64_t seq, uint64_t received_ns, unsigned format, unsigned transport,
                  unsigned encoding, struct str body, void *ctx)
{
    struct seen *seen = ctx;
    (void)received_ns;
    FUZZ_CHECK(body.p >= seen->bytes.p && body.p + body.len <= seen->bytes.p + seen->bytes.len,
               "a body outside the segment");
    FUZZ_CHECK(format < N_FORMATS && transport < N_TRANSPORTS && encoding < N_ENCODINGS, "a word");
    FUZZ_CHECK(!seen->n || seq == seen->next_seq, "numbers do not follow each other");
    seen->next_seq = seq + 1;
    seen->n++;
}

static size_t scan(struct str bytes, size_t *good)
{
    struct seen seen = {.bytes = bytes};
    size_t n = inbox_scan(bytes, good, visit, &seen);
    FUZZ_CHECK(n == seen.n && *good <= bytes.len, "%zu records, %zu seen", n, seen.n);
    size_t again;
    FUZZ_CHECK(inbox_scan((struct str){bytes.p, *good}, &again, NULL, NULL) == n && again == *good,
               "the good part alone says something else");
    return n;
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
    size_t good, len;
    scan((struct str){(const char *)data, size}, &good);
    if (size < 4 || size > 4096)
        return 0;
    char *segment = malloc(size * (INBOX_HEAD_BYTES + 1) + INBOX_HEAD_BYTES);
    FUZZ_CHECK(segment, "memory is short");
    size_t n = write_segment(data + 3, size - 3, segment, &len);
    FUZZ_CHECK(scan((struct str){segment, len}, &good) == n && good == len, "not read as written");
    size_t flipped = ((size_t)data[0] << 8 | data[1]) % len;
    segment[flipped] = (char)(segment[flipped] ^ (data[2] | 1));
    size_t left = scan((struct str){segment, len}, &good);
    FUZZ_CHECK(left < n && good <= flipped, "a flipped byte was read");
    free(segment);
    return 0;
}
