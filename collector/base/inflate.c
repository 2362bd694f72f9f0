/* inflate.c - decompression with a ceiling; the output grows as it comes. Only snappy's claims its
 * size, and is believed as far as its bytes can give it. */
#include "collector/base/inflate.h"

#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define FIRST_BYTES ((size_t)64 << 10)
#define ZSTD_WINDOW_LOG 23 /* 8 MiB */
#define SNAPPY_MOST 22     /* a copy of 64 bytes takes 3: no byte gives more than 21.3 */

struct output {
    char *bytes;
    size_t n, cap, max;
};

/* Room for more, at most max + 1 bytes in all: the one beyond shows that there was too much. */
static int output_grow(struct output *out, struct err *err)
{
    if (out->n > out->max)
        return err_set(err, ERR_TOO_BIG, "the body is larger than %zu bytes when decompressed",
                       out->max);
    if (out->n < out->cap)
        return 0;
    size_t cap = out->cap ? 2 * out->cap : FIRST_BYTES;
    if (cap > out->max + 1)
        cap = out->max + 1;
    char *grown = realloc(out->bytes, cap + 1);
    if (!grown)
        return err_set(err, ERR_BUSY, "memory is short");
    out->bytes = grown;
    out->cap = cap;
    return 0;
}

/* One member from *input on. */
static int zlib_member(z_stream *stream, struct output *out, struct err *err)
{
    for (;;) {
        if (output_grow(out, err))
            return err->code;
        stream->next_out = (Bytef *)out->bytes + out->n;
        stream->avail_out = (uInt)(out->cap - out->n);
        int code = inflate(stream, Z_NO_FLUSH);
        out->n = out->cap - stream->avail_out;
        if (code == Z_STREAM_END)
            return out->n > out->max ? output_grow(out, err) : 0;
        if (code == Z_MEM_ERROR)
            return err_set(err, ERR_BUSY, "memory is short");
        bool stuck = code == Z_BUF_ERROR && stream->avail_out > 0;
        if ((code != Z_OK && code != Z_BUF_ERROR) || stuck)
            return err_set(err, ERR_INVALID, "the compressed body %s",
                           stuck ? "ends in the middle" : "is damaged");
    }
}

static int zlib_all(bool gzip, struct str input, struct output *out, struct err *err)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)input.p, .avail_in = (uInt)input.len};
    if (input.len > UINT32_MAX)
        return err_set(err, ERR_TOO_BIG, "the compressed body is larger than 4 GiB");
    if (inflateInit2(&stream, gzip ? 15 + 16 : 15) != Z_OK)
        return err_set(err, ERR_BUSY, "memory is short");
    int code = zlib_member(&stream, out, err);
    while (code == 0 && stream.avail_in > 0) {
        if (!gzip) {
            code = err_set(err, ERR_INVALID, "bytes follow the compressed body");
            break;
        }
        inflateReset(&stream);
        code = zlib_member(&stream, out, err);
    }
    inflateEnd(&stream);
    return code;
}

static int zstd_failed(size_t result, struct err *err)
{
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_frameParameter_windowTooLarge:
        return err_set(err, ERR_TOO_BIG, "the zstd body needs a window over 8 MiB");
    case ZSTD_error_memory_allocation:
        return err_set(err, ERR_BUSY, "memory is short");
    default:
        return err_set(err, ERR_INVALID, "the compressed body is damaged: %s",
                       ZSTD_getErrorName(result));
    }
}

static int zstd_all(struct str input, struct output *out, struct err *err)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    ZSTD_inBuffer in = {input.p, input.len, 0};
    size_t left = 1;
    int code = 0;
    if (!context)
        return err_set(err, ERR_BUSY, "memory is short");
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
    while (code == 0 && (in.pos < in.size || left > 0)) {
        code = output_grow(out, err);
        if (code)
            break;
        size_t was_in = in.pos, was_out = out->n;
        ZSTD_outBuffer to = {out->bytes, out->cap, out->n};
        left = ZSTD_decompressStream(context, &to, &in);
        out->n = to.pos;
        if (ZSTD_isError(left))
            code = zstd_failed(left, err);
        else if (in.pos == was_in && out->n == was_out && out->n < out->cap)
            code = err_set(err, ERR_INVALID, "the compressed body ends in the middle");
    }
    ZSTD_freeDCtx(context);
    return code || out->n <= out->max ? code : output_grow(out, err);
}

static int snappy_all(struct str input, struct output *out, struct err *err)
{
    size_t n;
    if (snappy_uncompressed_length(input.p, input.len, &n) != SNAPPY_OK)
        return err_set(err, ERR_INVALID, "the compressed body is damaged: it has no snappy length");
    if (n > out->max)
        return err_set(err, ERR_TOO_BIG, "the body is larger than %zu bytes when decompressed",
                       out->max);
    if (n / SNAPPY_MOST > input.len)
        return err_set(err, ERR_INVALID,
                       "the compressed body is damaged: it claims more than its bytes can give");
    char *bytes = malloc(n + 1);
    if (!bytes)
        return err_set(err, ERR_BUSY, "memory is short");
    if (snappy_uncompress(input.p, input.len, bytes, &n) != SNAPPY_OK) {
        free(bytes);
        return err_set(err, ERR_INVALID,
                       "the compressed body is damaged, or not of snappy's block format");
    }
    *out = (struct output){.bytes = bytes, .n = n, .cap = n, .max = out->max};
    return 0;
}

int inflate_all(enum inflate_kind kind, struct str input, size_t max, char **bytes, size_t *n,
                struct err *err)
{
    struct err local;
    struct output out = {.max = max};
    err = err ? err : &local;
    int code = input.len == 0           ? err_set(err, ERR_INVALID, "the compressed body is empty")
               : kind == INFLATE_ZSTD   ? zstd_all(input, &out, err)
               : kind == INFLATE_SNAPPY ? snappy_all(input, &out, err)
                                        : zlib_all(kind == INFLATE_GZIP, input, &out, err);
    if (code) {
        free(out.bytes);
        return code;
    }
    out.bytes[out.n] = '\0';
    *bytes = out.bytes;
    *n = out.n;
    return 0;
}
