/* fuzz_otlp_json.c - any bytes as a body of this format: what is taken keeps every promise of a
 * batch. */
#include "tests/fuzz/decoders.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct limits *const limits[] = {&limits_default, &decoders_tight};
    struct str body = {(const char *)data, size};
    for (int i = 0; i < 2; i++) {
        int code;
        batch_free(decoders_try(FORMAT_OTLP_JSON, ENCODING_IDENTITY, body, limits[i], &code));
    }
    return 0;
}
