/* buf.h - bytes that grow, up to a maximum given at the start.
 *
 * A buffer that could not grow remembers it: later additions change nothing, and buf_failed() tells
 * at the end, so writers need no check in between.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>

#include "collector/base/str.h"

struct buf {
    char *p;
    size_t len;
    size_t cap;
    size_t max;           /* len never passes it */
    bool failed;          /* something did not fit, or malloc failed */
    bool short_of_memory; /* malloc failed */
};

void buf_init(struct buf *buf, size_t max);
void buf_fini(struct buf *buf);
/* Empties it and forgets the failure; keeps the memory. */
void buf_reset(struct buf *buf);
/* Room for `size` more bytes; false (and failed) when there is none. */
bool buf_reserve(struct buf *buf, size_t size);
void buf_add(struct buf *buf, const void *bytes, size_t size);
void buf_add_str(struct buf *buf, struct str s);
void buf_add_c(struct buf *buf, const char *c_string);
void buf_add_char(struct buf *buf, char c);
void buf_add_u64(struct buf *buf, uint64_t number);
void buf_add_i64(struct buf *buf, int64_t number);
/* Shortest text that reads back as the same double; NaN, +Inf, -Inf as words. */
void buf_add_double(struct buf *buf, double number);
/* The same as JSON has it: "NaN", "Infinity", "-Infinity" are texts there. */
void buf_add_json_double(struct buf *buf, double number);
/* As SQL says a real: with a point or an exponent, so that it is not taken for an integer. */
void buf_add_sql_double(struct buf *buf, double number);
void buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_addv(struct buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* A JSON string with its quotes. What is not UTF-8 in the text is U+FFFD there, so JSON is JSON
 * whatever it tells of: parameters, blobs that SQL calls texts, messages cut in a character. */
void buf_add_json(struct buf *buf, struct str s);
/* The inside of a JSON string, without quotes. */
void buf_add_json_inner(struct buf *buf, struct str s);
/* Protobuf varint. */
void buf_add_varint(struct buf *buf, uint64_t number);
/* "2026-11-23T10:00:00.123456789Z", always nine digits. */
void buf_add_time(struct buf *buf, uint64_t unix_ns);
/* The same as JSON has it, with its quotes; null for 0. */
void buf_add_json_time(struct buf *buf, uint64_t unix_ns);
static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->p, buf->len};
}
static inline bool buf_failed(const struct buf *buf)
{
    return buf->failed;
}
/* Gives the bytes (malloc'd, NUL-terminated behind len) to the caller and empties the buffer. */
char *buf_detach(struct buf *buf, size_t *len);

#endif
