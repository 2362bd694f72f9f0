/* buf.c - bytes that grow by doubling, up to their maximum. */
#include "collector/base/buf.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/plain.h"
#include "collector/base/utf8.h"

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_fini(struct buf *buf)
{
    free(buf->p);
    buf_init(buf, buf->max);
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->failed = buf->short_of_memory = false;
}

bool buf_reserve(struct buf *buf, size_t size)
{
    if (buf->failed)
        return false;
    if (size > buf->max || buf->len > buf->max - size) {
        buf->failed = true;
        return false;
    }
    if (size <= buf->cap - buf->len)
        return true;
    size_t cap = buf->cap ? buf->cap : 64;
    while (cap < buf->len + size)
        cap *= 2;
    char *grown = realloc(buf->p, cap);
    if (!grown) {
        buf->failed = buf->short_of_memory = true;
        return false;
    }
    buf->p = grown;
    buf->cap = cap;
    return true;
}

void buf_add(struct buf *buf, const void *bytes, size_t size)
{
    if (!size || !buf_reserve(buf, size))
        return;
    memcpy(buf->p + buf->len, bytes, size);
    buf->len += size;
}

void buf_add_str(struct buf *buf, struct str s)
{
    buf_add(buf, s.p, s.len);
}

void buf_add_c(struct buf *buf, const char *c_string)
{
    buf_add(buf, c_string, strlen(c_string));
}

void buf_add_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_add_u64(struct buf *buf, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    buf_add(buf, digits + at, sizeof(digits) - at);
}

void buf_add_i64(struct buf *buf, int64_t number)
{
    if (number < 0)
        buf_add_char(buf, '-');
    buf_add_u64(buf, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

void buf_add_double(struct buf *buf, double number)
{
    char text[40];
    if (isnan(number) || isinf(number)) {
        buf_add_c(buf, isnan(number) ? "NaN" : number > 0 ? "+Inf" : "-Inf");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    buf_add_c(buf, text);
}

void buf_add_json_double(struct buf *buf, double number)
{
    if (isfinite(number))
        buf_add_double(buf, number);
    else
        buf_add_c(buf, isnan(number) ? "\"NaN\"" : number < 0 ? "\"-Infinity\"" : "\"Infinity\"");
}

void buf_add_sql_double(struct buf *buf, double number)
{
    size_t from = buf->len;
    if (!isfinite(number)) {
        buf_add_c(buf, number < 0 ? "-Inf" : "Inf");
        return;
    }
    buf_add_double(buf, number);
    if (!buf_failed(buf) && !memchr(buf->p + from, '.', buf->len - from) &&
        !memchr(buf->p + from, 'e', buf->len - from))
        buf_add_c(buf, ".0");
}

void buf_addv(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    if (size >= 0 && buf_reserve(buf, (size_t)size + 1)) {
        vsnprintf(buf->p + buf->len, (size_t)size + 1, format, again);
        buf->len += (size_t)size;
    }
    va_end(again);
}

void buf_addf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_addv(buf, format, args);
    va_end(args);
}

void buf_add_json_inner(struct buf *buf, struct str s)
{
    const char *from = s.p, *at = s.p, *end = str_behind(s);
    while ((at = plain_end(at, end)) < end) {
        unsigned char c = (unsigned char)*at;
        size_t good = c < 0x80 ? 0 : utf8_character(at, (size_t)(end - at));
        if (good) {
            at += good;
            continue;
        }
        buf_add(buf, from, (size_t)(at - from));
        from = ++at;
        if (c >= 0x80)
            buf_add(buf, "\xef\xbf\xbd", 3);
        else if (c == '"' || c == '\\')
            buf_addf(buf, "\\%c", c);
        else if (c == '\n')
            buf_add(buf, "\\n", 2);
        else if (c == '\t')
            buf_add(buf, "\\t", 2);
        else
            buf_addf(buf, "\\u%04x", c);
    }
    if (from < end)
        buf_add(buf, from, (size_t)(end - from));
}

void buf_add_json(struct buf *buf, struct str s)
{
    buf_add_char(buf, '"');
    buf_add_json_inner(buf, s);
    buf_add_char(buf, '"');
}

void buf_add_varint(struct buf *buf, uint64_t number)
{
    unsigned char bytes[10];
    size_t n = 0;
    do {
        bytes[n] = (unsigned char)(number & 0x7f);
        number >>= 7;
        bytes[n++] |= number ? 0x80 : 0;
    } while (number);
    buf_add(buf, bytes, n);
}

void buf_add_time(struct buf *buf, uint64_t unix_ns)
{
    time_t seconds = (time_t)(unix_ns / NS_PER_S);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    buf_addf(buf, "%04d-%02d-%02dT%02d:%02d:%02d.%09lluZ", parts.tm_year + 1900, parts.tm_mon + 1,
             parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
             (unsigned long long)(unix_ns % NS_PER_S));
}

void buf_add_json_time(struct buf *buf, uint64_t unix_ns)
{
    if (!unix_ns) {
        buf_add_c(buf, "null");
        return;
    }
    buf_add_char(buf, '"');
    buf_add_time(buf, unix_ns);
    buf_add_char(buf, '"');
}

/* The NUL stands behind what the buffer may hold: a full one has room for it too. */
char *buf_detach(struct buf *buf, size_t *len)
{
    char *bytes = buf->failed            ? NULL
                  : buf->len == buf->cap ? realloc(buf->p, buf->len + 1)
                                         : buf->p;
    if (bytes) {
        bytes[buf->len] = '\0';
        if (len)
            *len = buf->len;
        buf->p = NULL;
    }
    buf_fini(buf);
    return bytes;
}
