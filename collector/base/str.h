/* str.h - a piece of text somebody else owns: a pointer and a length, no terminating NUL promised.
 *
 * Every text that came from the network is a struct str until it is interned or copied. Print it
 * with "%.*s" and STR_ARG(s).
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p; /* may be NULL when len is 0 */
    size_t len;    /* bytes */
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_NONE ((struct str){NULL, 0})
#define STR_ARG(s) (int)(s).len, (s).p ? (s).p : ""

static inline struct str str_of(const char *c_string)
{
    return (struct str){c_string, c_string ? strlen(c_string) : 0};
}

/* The place behind the last byte; NULL when there is no text at all. */
static inline const char *str_behind(struct str s)
{
    return s.len ? s.p + s.len : s.p;
}

static inline uint64_t str_load8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* Most texts that are compared are names of a few words: a call of memcmp costs more than they do.
 */
static inline bool str_eq(struct str a, struct str b)
{
    size_t n = a.len;
    if (n != b.len)
        return false;
    if (n > 32)
        return memcmp(a.p, b.p, n) == 0;
    if (n >= 8) {
        uint64_t differs = str_load8(a.p + n - 8) ^ str_load8(b.p + n - 8);
        for (size_t i = 0; i + 8 < n; i += 8)
            differs |= str_load8(a.p + i) ^ str_load8(b.p + i);
        return differs == 0;
    }
    if (n >= 4) {
        uint32_t ends[4];
        memcpy(&ends[0], a.p, 4);
        memcpy(&ends[1], b.p, 4);
        memcpy(&ends[2], a.p + n - 4, 4);
        memcpy(&ends[3], b.p + n - 4, 4);
        return ((ends[0] ^ ends[1]) | (ends[2] ^ ends[3])) == 0;
    }
    return n == 0 || (a.p[0] == b.p[0] && a.p[n / 2] == b.p[n / 2] && a.p[n - 1] == b.p[n - 1]);
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.p, prefix.p, prefix.len) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.p + s.len - suffix.len, suffix.p, suffix.len) == 0);
}

/* The bytes from `from` on; empty when `from` is past the end. */
static inline struct str str_skip(struct str s, size_t from)
{
    return from >= s.len ? STR_NONE : (struct str){s.p + from, s.len - from};
}

/* Bytewise order, a prefix before what it begins: <0, 0, >0. */
int str_cmp(struct str a, struct str b);
/* Equal but for ASCII case. */
bool str_eq_nocase(struct str a, struct str b);
/* Index of the first `c`, or -1. */
ptrdiff_t str_find(struct str s, char c);
/* True when `needle` occurs in `s`. */
bool str_contains(struct str s, struct str needle);
/* Cuts `s` at the first `separator`: *head is what stands before it (all of `s` without one), *tail
 * what follows. False when there was no separator. */
bool str_cut(struct str s, char separator, struct str *head, struct str *tail);
/* Without ASCII blanks at either end. */
struct str str_trim(struct str s);
/* Whole decimal numbers only, no blanks; false on anything else and on overflow. */
bool str_to_u64(struct str s, uint64_t *result);
bool str_to_i64(struct str s, int64_t *result);
/* A finite decimal number as strtod reads it, whole text; false otherwise. */
bool str_to_double(struct str s, double *result);
/* Matches a pattern in which '*' stands for any run of characters. */
bool str_glob(struct str pattern, struct str s);

#endif
