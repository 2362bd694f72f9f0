/* fuzz_envoy_als.c - any bytes as a message of Envoy's access log service: as it came, and with its
 * identity cut out and put before it again, which says the same of every entry.
 */
#include "collector/decode/envoy_als.h"
#include "tests/fuzz/decoders.h"
#include "tests/fuzz/fuzz.h"

#define MOST ((size_t)64 << 20)

static void try_body(struct str body)
{
    const struct limits *const limits[] = {&limits_default, &decoders_tight};
    for (int i = 0; i < 2; i++) {
        int code;
        batch_free(decoders_try(FORMAT_ENVOY_ALS, ENCODING_IDENTITY, body, limits[i], &code));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str message = {(const char *)data, size};
    struct buf identity, again, body;
    try_body(message);
    buf_init(&identity, MOST);
    buf_init(&again, MOST);
    buf_init(&body, MOST);
    if (als_identity(message, &identity) && als_body(message, buf_str(&identity), &body)) {
        FUZZ_CHECK(als_identity(buf_str(&body), &again), "an identity that cannot be read again");
        FUZZ_CHECK(str_eq(buf_str(&identity), buf_str(&again)), "another identity");
        FUZZ_CHECK(identity.len <= 2 * size + 64 && body.len <= 3 * size + 128, "it grew");
        try_body(buf_str(&body));
    }
    buf_fini(&identity);
    buf_fini(&again);
    buf_fini(&body);
    return 0;
}
