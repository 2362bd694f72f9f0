/* http_chunk.h - a chunked body, read strictly, in whatever pieces it comes. Pure. */
#ifndef BASE_HTTP_CHUNK_H
#define BASE_HTTP_CHUNK_H

#include "collector/base/str.h"

enum chunk_state {
    CHUNK_SIZE, /* in a line with a size */
    CHUNK_SIZE_LF,
    CHUNK_EXTENSION,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER, /* at the beginning of a line behind the last chunk */
    CHUNK_TRAILER_NAME,
    CHUNK_TRAILER_LINE, /* behind its colon */
    CHUNK_TRAILER_LF,
    CHUNK_END_LF,
    CHUNK_END,
    CHUNK_BAD
};

/* All zero at first. */
struct chunk_reader {
    enum chunk_state state;
    unsigned n_digits;  /* of the size that is read: at most 16 */
    unsigned n_skipped; /* bytes of extensions and trailers: at most 4096 in all */
    uint64_t left;      /* of the chunk */
};

/* Takes bytes from the front of *input; gives the next run of the body's bytes, which point into
 * the input. Empty when the input is used up, or at the end (CHUNK_END: what is left of the input
 * is not the body's), or for CHUNK_BAD. */
struct str chunk_next(struct chunk_reader *reader, struct str *input);

#endif
