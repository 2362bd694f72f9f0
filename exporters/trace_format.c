/* trace_format.c - from the store to a writer. */
#include "exporters/trace_format.h"

#include "collector/store/spans.h"
#include "exporters/jaeger.h"
#include "exporters/otlp.h"
#include "exporters/zipkin.h"

#define BATCH_BYTES ((size_t)512 << 20)

static const struct {
    const char *word;
    void (*write)(struct buf *out, const struct batch *batch);
} formats[] = {
    [TRACE_FORMAT_OTLP] = {"otlp", otlp_json_write},
    [TRACE_FORMAT_JAEGER] = {"jaeger", jaeger_json_write},
    [TRACE_FORMAT_ZIPKIN] = {"zipkin", zipkin_json_write},
};

int trace_format_from_word(struct str word)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (str_eq(word, str_of(formats[i].word)))
            return (int)i;
    }
    return -1;
}

/* Takes the batch. */
static int write_batch(struct batch *batch, enum trace_format format, struct buf *out,
                       struct err *err)
{
    if (!err->code)
        formats[format].write(out, batch);
    if (!err->code && buf_failed(out))
        err_set(err, ERR_TOO_BIG, "the answer is too large; ask for fewer traces");
    batch_free(batch);
    return err->code;
}

int trace_format_trace(struct query *query, struct str id, enum trace_format format,
                       struct buf *out, struct err *err)
{
    struct batch *batch = batch_new(BATCH_BYTES);
    if (!batch)
        return err_set(err, ERR_BUSY, "memory is short");
    spans_of_trace(query, id, batch, err);
    return write_batch(batch, format, out, err);
}

int trace_format_traces(struct query *query, const struct query_filter *filter,
                        enum trace_format format, struct buf *out, struct err *err)
{
    struct batch *batch = batch_new(BATCH_BYTES);
    if (!batch)
        return err_set(err, ERR_BUSY, "memory is short");
    spans_of_traces(query, filter, batch, err);
    return write_batch(batch, format, out, err);
}
