/* fuzz_writers.c - whatever OTLP (JSON, protobuf), Zipkin or Jaeger JSON was read as is written as
 * each of the four, and read again: every span, under its ids, with its kind and status.
 */
#include "exporters/jaeger.h"
#include "exporters/otlp.h"
#include "exporters/zipkin.h"
#include "tests/fuzz/decoders.h"
#include "tests/fuzz/fuzz.h"

static const struct way {
    enum format format;
    void (*write)(struct buf *out, const struct batch *batch);
} ways[] = {
    {FORMAT_OTLP_JSON, otlp_json_write},
    {FORMAT_OTLP_PB, otlp_pb_write},
    {FORMAT_ZIPKIN_JSON, zipkin_json_write},
    {FORMAT_JAEGER_JSON, jaeger_json_write},
};
#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

static bool has(const struct span *span, struct str key)
{
    for (uint32_t i = 0; i < span->n_attrs; i++) {
        if (str_eq(span->attrs[i].key, key))
            return true;
    }
    return false;
}

/* Of Jaeger's answer a span without a trace's other spans beside it stands in a trace of its own,
 * so the order is the same in all. */
static void check_same(const struct batch *was, const struct batch *now, enum format format)
{
    FUZZ_CHECK(now->n_spans == was->n_spans && !now->counts.n_rejected,
               "format %d: %u of %u spans, %u rejected: %s", format, now->n_spans, was->n_spans,
               now->counts.n_rejected, now->first_reason);
    for (uint32_t i = 0; i < was->n_spans; i++) {
        const struct span *a = &was->spans[i], *b = &now->spans[i];
        bool same = trace_id_eq(a->trace_id, b->trace_id) && a->span_id == b->span_id &&
                    (a->parent_id == b->parent_id || a->parent_id == a->span_id);
        FUZZ_CHECK(same, "format %d: span %u has other ids", format, i);
        /* Attributes may have the names of the tags that carry these. */
        FUZZ_CHECK(a->kind == b->kind || has(a, STR("span.kind")),
                   "format %d: span %u is of kind %u, was %u", format, i, b->kind, a->kind);
        FUZZ_CHECK(a->status == b->status || has(a, STR("error")) ||
                       has(a, STR("otel.status_code")),
                   "format %d: span %u has status %u, had %u", format, i, b->status, a->status);
    }
}

static void write_and_read(const struct batch *batch)
{
    struct limits wide = limits_default;
    wide.attributes = wide.events = wide.links = 100000;
    wide.attribute_bytes = wide.name_bytes = wide.max_decoded = (size_t)64 << 20;
    for (size_t i = 0; i < N_WAYS; i++) {
        struct buf out;
        struct err err = {0};
        struct batch *again = NULL;
        buf_init(&out, (size_t)64 << 20);
        ways[i].write(&out, batch);
        if (!buf_failed(&out)) {
            int code =
                decode_body(ways[i].format, ENCODING_IDENTITY, buf_str(&out), &wide, &again, &err);
            FUZZ_CHECK(!code || err.code == ERR_TOO_BIG || err.code == ERR_BUSY,
                       "format %d cannot be read: %s\n%.*s", ways[i].format, err.text,
                       (int)(out.len < 2000 ? out.len : 2000), out.p);
            if (!code)
                check_same(batch, again, ways[i].format);
        }
        batch_free(again);
        buf_fini(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = {(const char *)data, size};
    for (size_t i = 0; i < N_WAYS; i++) {
        struct err err = {0};
        struct batch *batch = NULL;
        if (decode_body(ways[i].format, ENCODING_IDENTITY, body, &limits_default, &batch, &err) ==
            0)
            write_and_read(batch);
        batch_free(batch);
    }
    return 0;
}
