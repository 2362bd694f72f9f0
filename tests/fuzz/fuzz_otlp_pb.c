/* fuzz_otlp_pb.c - any bytes as an OTLP protobuf body, and what protobuf-c reads in them. */
#include "tests/fuzz/decoders.h"
#include "tests/fuzz/fuzz.h"
#include "tests/oracle/batch_text.h"
#include "tests/oracle/otlp_oracle.h"

static bool dropped_something(const struct batch *batch)
{
    const struct batch_counts *counts = &batch->counts;
    return counts->n_rejected || counts->n_dropped_attributes || counts->n_dropped_events ||
           counts->n_dropped_links;
}

static void compare(struct str body, const struct limits *limits, const struct batch *batch,
                    int code)
{
    struct buf theirs, ours;
    buf_init(&theirs, SIZE_MAX / 2);
    buf_init(&ours, SIZE_MAX / 2);
    enum oracle_answer answer = otlp_oracle(body, limits, &theirs);
    if (answer == ORACLE_TAKES && code != ERR_TOO_BIG) {
        FUZZ_CHECK(batch, "refused with %d, taken by the oracle", code);
        batch_text_said(&ours, batch);
        FUZZ_CHECK(str_eq(buf_str(&ours), buf_str(&theirs)), "ours:\n%.*s\ntheirs:\n%.*s",
                   STR_ARG(buf_str(&ours)), STR_ARG(buf_str(&theirs)));
    }
    FUZZ_CHECK(!batch || answer != ORACLE_REFUSES, "taken, refused by the oracle");
    FUZZ_CHECK(!batch || answer != ORACLE_REFUSES_WHAT_IS_READ || dropped_something(batch),
               "taken whole, refused by the oracle");
    buf_fini(&theirs);
    buf_fini(&ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct limits *const limits[] = {&limits_default, &decoders_tight};
    struct str body = {(const char *)data, size};
    for (int i = 0; i < 2; i++) {
        int code;
        struct batch *batch =
            decoders_try(FORMAT_OTLP_PB, ENCODING_IDENTITY, body, limits[i], &code);
        compare(body, limits[i], batch, code);
        batch_free(batch);
    }
    return 0;
}
