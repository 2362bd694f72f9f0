/* inflate_file.c - one buffer of what was read, one decompressor that is fed from it. */
#include "collector/base/inflate_file.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define INPUT_BYTES ((size_t)128 << 10)
#define ZSTD_WINDOW_LOG 27 /* 128 MiB: what `zstd --ultra` writes; a file is the user's own */

enum kind { PLAIN, GZIP, ZSTD };

struct inflate_file {
    FILE *file;
    enum kind kind;
    z_stream zlib;
    ZSTD_DCtx *zstd;
    bool open;       /* in the middle of a member */
    bool ended;      /* the file has nothing more */
    uint64_t passed; /* bytes of the file that are in `input` or were */
    size_t at, n;    /* of `input` */
    unsigned char input[INPUT_BYTES];
};

static int fill(struct inflate_file *file, struct err *err)
{
    if (file->at < file->n || file->ended)
        return 0;
    file->at = 0;
    file->n = fread(file->input, 1, INPUT_BYTES, file->file);
    if (ferror(file->file))
        return err_set(err, ERR_IO, "reading failed");
    file->passed += file->n;
    file->ended = file->n == 0;
    return 0;
}

static enum kind kind_of(const unsigned char *magic, size_t n)
{
    if (n > 2 && magic[0] == 0x1f && magic[1] == 0x8b)
        return GZIP;
    bool zstd =
        n > 4 && magic[0] == 0x28 && magic[1] == 0xb5 && magic[2] == 0x2f && magic[3] == 0xfd;
    return zstd ? ZSTD : PLAIN;
}

static int begin(struct inflate_file *file, struct err *err)
{
    if (fill(file, err))
        return err->code;
    file->kind = kind_of(file->input, file->n);
    if (file->kind == GZIP && inflateInit2(&file->zlib, 15 + 16) != Z_OK) {
        file->kind = PLAIN;
        return err_set(err, ERR_BUSY, "memory is short");
    }
    if (file->kind == ZSTD) {
        file->zstd = ZSTD_createDCtx();
        if (!file->zstd)
            return err_set(err, ERR_BUSY, "memory is short");
        ZSTD_DCtx_setParameter(file->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
    }
    return 0;
}

int inflate_file_open(const char *path, struct inflate_file **result, struct err *err)
{
    struct inflate_file *file = calloc(1, sizeof(*file));
    if (!file)
        return err_set(err, ERR_BUSY, "memory is short");
    file->file = fopen(path, "rb");
    if (!file->file)
        err_set(err, ERR_IO, "cannot be read");
    else if (begin(file, err) == 0) {
        *result = file;
        return 0;
    }
    inflate_file_close(file);
    return err->code;
}

void inflate_file_close(struct inflate_file *file)
{
    if (!file)
        return;
    if (file->kind == GZIP)
        inflateEnd(&file->zlib);
    ZSTD_freeDCtx(file->zstd);
    if (file->file)
        fclose(file->file);
    free(file);
}

static int gzip_step(struct inflate_file *file, char *bytes, size_t size, size_t *n,
                     struct err *err)
{
    if (!file->open)
        inflateReset(&file->zlib);
    file->open = true;
    file->zlib.next_in = file->input + file->at;
    file->zlib.avail_in = (uInt)(file->n - file->at);
    file->zlib.next_out = (Bytef *)bytes;
    file->zlib.avail_out = (uInt)size;
    int code = inflate(&file->zlib, Z_NO_FLUSH);
    file->at = file->n - file->zlib.avail_in;
    *n = size - file->zlib.avail_out;
    if (code == Z_STREAM_END)
        file->open = false;
    else if (code == Z_MEM_ERROR)
        return err_set(err, ERR_BUSY, "memory is short");
    else if (code != Z_OK && code != Z_BUF_ERROR)
        return err_set(err, ERR_INVALID, "the gzip data is damaged");
    return 0;
}

static int zstd_step(struct inflate_file *file, char *bytes, size_t size, size_t *n,
                     struct err *err)
{
    ZSTD_inBuffer in = {file->input, file->n, file->at};
    ZSTD_outBuffer out = {bytes, size, 0};
    size_t left = ZSTD_decompressStream(file->zstd, &out, &in);
    file->at = in.pos;
    *n = out.pos;
    file->open = left != 0;
    if (ZSTD_isError(left))
        return err_set(err, ERR_INVALID, "the zstd data is damaged: %s", ZSTD_getErrorName(left));
    return 0;
}

static void plain_step(struct inflate_file *file, char *bytes, size_t size, size_t *n)
{
    *n = file->n - file->at < size ? file->n - file->at : size;
    memcpy(bytes, file->input + file->at, *n);
    file->at += *n;
}

/* A decompressor may hold back bytes when its input has ended, so it is asked once more then. */
int inflate_file_read(struct inflate_file *file, char *bytes, size_t size, size_t *n,
                      struct err *err)
{
    size = size < UINT32_MAX ? size : UINT32_MAX;
    *n = 0;
    for (;;) {
        if (fill(file, err))
            return err->code;
        bool dry = file->at == file->n;
        if (dry && !file->open)
            return 0;
        if (file->kind == PLAIN)
            plain_step(file, bytes, size, n);
        else if (file->kind == GZIP ? gzip_step(file, bytes, size, n, err)
                                    : zstd_step(file, bytes, size, n, err))
            return err->code;
        if (*n)
            return 0;
        if (dry && file->open)
            return err_set(err, ERR_INVALID, "the compressed data ends in the middle");
    }
}

uint64_t inflate_file_passed(const struct inflate_file *file)
{
    return file->passed - (file->n - file->at);
}
