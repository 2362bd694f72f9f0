/* fuzz_grpc_message.c - a message's frame, as its bytes come one by one, against what it says; and
 * timeouts. */
#include "collector/base/grpc_message.h"
#include "tests/fuzz/fuzz.h"

#define MAX_MESSAGE 300

static enum grpc_message plainly(const uint8_t *data, size_t size)
{
    uint64_t length = 0;
    if (size > 0 && data[0] != 0 && data[0] != 1)
        return GRPC_BAD_FLAG;
    for (size_t i = 1; i < GRPC_FRAME_BYTES; i++) {
        if (i >= size)
            return GRPC_PART;
        length = length * 256 + data[i];
    }
    if (size < GRPC_FRAME_BYTES)
        return GRPC_PART;
    if (length > MAX_MESSAGE)
        return GRPC_TOO_BIG;
    if (size - GRPC_FRAME_BYTES < length)
        return GRPC_PART;
    return size - GRPC_FRAME_BYTES == length ? GRPC_WHOLE : GRPC_BEHIND;
}

static void check_timeout(struct str text)
{
    uint64_t ns = 0;
    if (!grpc_timeout_read(text, &ns))
        return;
    FUZZ_CHECK(text.len >= 2 && text.len <= 9, "%zu bytes", text.len);
    FUZZ_CHECK(ns <= UINT64_C(1) << 62, "%llu ns", (unsigned long long)ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t most = size < MAX_MESSAGE + 50 ? size : MAX_MESSAGE + 50;
    for (size_t n = 0; n <= most; n++) {
        struct str message = STR_NONE;
        bool compressed = false;
        enum grpc_message got = grpc_message_read((struct str){(const char *)data, n}, MAX_MESSAGE,
                                                  &message, &compressed);
        FUZZ_CHECK(got == plainly(data, n), "%zu bytes: %d, plainly %d", n, got, plainly(data, n));
        if (got != GRPC_WHOLE)
            continue;
        FUZZ_CHECK(message.p == (const char *)data + GRPC_FRAME_BYTES, "another place");
        FUZZ_CHECK(message.len == n - GRPC_FRAME_BYTES && compressed == (data[0] == 1), "other");
    }
    check_timeout((struct str){(const char *)data, size});
    return 0;
}
