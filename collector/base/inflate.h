/* inflate.h - gzip, zlib ("deflate"), zstd and snappy (block format) bodies, all members, never
 * more than a ceiling. */
#ifndef BASE_INFLATE_H
#define BASE_INFLATE_H

#include "collector/base/err.h"
#include "collector/base/str.h"

enum inflate_kind { INFLATE_GZIP, INFLATE_ZLIB, INFLATE_ZSTD, INFLATE_SNAPPY };

/* Gives malloc'd bytes (NUL-terminated behind *n). ERR_INVALID: does not decompress whole, or bytes
 * behind the end; ERR_TOO_BIG: over `max`, or a zstd window over 8 MiB; ERR_BUSY: memory is short.
 */
int inflate_all(enum inflate_kind kind, struct str input, size_t max, char **bytes, size_t *n,
                struct err *err);

#endif
