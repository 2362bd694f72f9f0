/* formats.c - the table that joins formats and decoders. */
#include <stdlib.h>

#include "collector/base/inflate.h"
#include "collector/decode/decode.h"
#include "collector/decode/redact.h"

static decode_f *const decoders[N_SIGNALS][N_FORMATS] = {
    [SIGNAL_TRACES] =
        {
            [FORMAT_OTLP_PB] = decode_otlp_pb,
            [FORMAT_OTLP_JSON] = decode_otlp_json,
            [FORMAT_ZIPKIN_JSON] = decode_zipkin_json,
            [FORMAT_ZIPKIN_PB] = decode_zipkin_pb,
            [FORMAT_JAEGER_JSON] = decode_jaeger_json,
            [FORMAT_ENVOY_ALS] = decode_envoy_als,
            [FORMAT_ALB] = decode_alb,
            [FORMAT_NLB] = decode_nlb,
            [FORMAT_APIGW] = decode_apigw,
            [FORMAT_NGINX] = decode_nginx,
            [FORMAT_HAPROXY] = decode_haproxy,
            [FORMAT_ENVOY_LOG] = decode_envoy_log,
        },
    [SIGNAL_METRICS] =
        {
            [FORMAT_OTLP_PB] = decode_otlp_metrics_pb,
            [FORMAT_OTLP_JSON] = decode_otlp_metrics_json,
            [FORMAT_REMOTE_WRITE] = decode_remote_write,
        },
    [SIGNAL_LOGS] =
        {
            [FORMAT_OTLP_PB] = decode_otlp_logs_pb,
            [FORMAT_OTLP_JSON] = decode_otlp_logs_json,
        },
};

/* A batch's memory per byte of its body: an empty attribute is two bytes on the wire and 48 in
 * memory; a line of 60 bytes is a span. */
#define MEMORY_PER_BYTE 24
#define MEMORY_PER_BYTE_OF_LINES 64
#define MEMORY_LEAST ((size_t)4 << 20)
#define MEMORY_MOST ((size_t)256 << 20)

decode_f *decode_for(struct content content)
{
    bool known = content.signal < N_SIGNALS && content.format < N_FORMATS;
    return known ? decoders[content.signal][content.format] : NULL;
}

bool format_is_lines(enum format format)
{
    return format >= FORMAT_ALB && format <= FORMAT_ENVOY_LOG;
}

int decode_decompress(enum encoding encoding, struct str *bytes, const struct limits *limits,
                      char **owned, struct err *err)
{
    static const int kinds[N_ENCODINGS] = {[ENCODING_GZIP] = INFLATE_GZIP,
                                           [ENCODING_DEFLATE] = INFLATE_ZLIB,
                                           [ENCODING_ZSTD] = INFLATE_ZSTD,
                                           [ENCODING_SNAPPY] = INFLATE_SNAPPY};
    if (encoding == ENCODING_IDENTITY) {
        if (bytes->len > limits->max_decoded)
            return err_set(err, ERR_TOO_BIG,
                           "the body is larger than receive.max_decoded (%zu bytes)",
                           limits->max_decoded);
        return 0;
    }
    if (encoding >= N_ENCODINGS)
        return err_set(err, ERR_UNSUPPORTED, "this content encoding is not taken here");
    size_t n;
    int code = inflate_all((enum inflate_kind)kinds[encoding], *bytes, limits->max_decoded, owned,
                           &n, err);
    if (code == 0)
        *bytes = (struct str){*owned, n};
    return code;
}

int decode_content(struct content content, struct str bytes, const struct limits *limits,
                   struct batch **result, struct err *err)
{
    decode_f *decoder = decode_for(content);
    char *owned = NULL;
    if (!decoder)
        return err_set(err, ERR_UNSUPPORTED, "this format is not taken here");
    if (decode_decompress((enum encoding)content.encoding, &bytes, limits, &owned, err))
        return err->code;
    size_t per_byte =
        format_is_lines((enum format)content.format) ? MEMORY_PER_BYTE_OF_LINES : MEMORY_PER_BYTE;
    size_t ceiling = bytes.len * per_byte + MEMORY_LEAST;
    struct batch *batch = batch_new(ceiling < MEMORY_MOST ? ceiling : MEMORY_MOST);
    if (!batch) {
        free(owned);
        return err_set(err, ERR_BUSY, "memory is short");
    }
    batch->bytes = owned;
    batch->n_bytes = bytes.len;
    batch->redaction = limits->redaction ? *limits->redaction : NULL;
    if (decoder(bytes, limits, batch, err) == 0 && !redact_batch(batch))
        err_set(err, ERR_TOO_BIG, "the body takes more memory than a request may");
    /* Whatever was said behind a failed allocation may not be true of the body. */
    if (err->code && batch->arena.short_of_memory)
        err_set(err, ERR_BUSY, "memory is short; try again");
    if (err->code) {
        batch_free(batch);
        return err->code;
    }
    *result = batch;
    return 0;
}
