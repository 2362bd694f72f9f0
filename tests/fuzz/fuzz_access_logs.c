/* fuzz_access_logs.c - any bytes as a body of each kind of access log: what is taken keeps every
 * promise of a batch, and a body that comes again has the same ids.
 */
#include "collector/decode/repeats.h"
#include "tests/fuzz/decoders.h"
#include "tests/fuzz/fuzz.h"

static void check_ids(const struct batch *a, const struct batch *b)
{
    FUZZ_CHECK(a->n_spans == b->n_spans, "%u and %u records", a->n_spans, b->n_spans);
    for (uint32_t i = 0; i < a->n_spans; i++) {
        const struct span *x = &a->spans[i], *y = &b->spans[i];
        FUZZ_CHECK(trace_id_eq(x->trace_id, y->trace_id) && x->span_id == y->span_id,
                   "record %u has other ids", i);
        FUZZ_CHECK(x->facts.log != LOG_NONE && x->facts.log < N_LOG_IDS, "log %u", x->facts.log);
    }
}

/* Each line is a record, taken or rejected; blank ones and those that tell of others are none. */
static void check_counts(struct str body, const struct batch *batch)
{
    struct str line;
    uint32_t n = 0, before;
    while (body.len) {
        str_cut(body, '\n', &line, &body);
        n += str_trim(line).len > 0 && !repeats_line(str_trim(line), &before);
    }
    FUZZ_CHECK(n == batch->n_spans + batch->counts.n_rejected, "%u lines, %u taken, %u rejected", n,
               batch->n_spans, batch->counts.n_rejected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct limits *const limits[] = {&limits_default, &decoders_tight};
    struct str body = {(const char *)data, size};
    for (int format = FORMAT_ALB; format <= FORMAT_ENVOY_LOG; format++) {
        for (int i = 0; i < 2; i++) {
            int code;
            struct batch *again = NULL;
            struct err err = {0};
            struct batch *batch =
                decoders_try((enum format)format, ENCODING_IDENTITY, body, limits[i], &code);
            if (batch && decode_body((enum format)format, ENCODING_IDENTITY, body, limits[i],
                                     &again, &err) == 0)
                check_ids(batch, again);
            if (batch)
                check_counts(body, batch);
            batch_free(again);
            batch_free(batch);
        }
    }
    access_guess(body);
    return 0;
}
