/* plain.h - plain text: printable ASCII without '"' and '\'. Nearly every text from the wire is,
 * and may be kept and copied into JSON as it is; sixteen bytes (where the processor can) or eight
 * are looked at in one step.
 */
#ifndef BASE_PLAIN_H
#define BASE_PLAIN_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "collector/base/str.h"

#define PLAIN_ONES UINT64_C(0x0101010101010101)
#define PLAIN_HIGHS UINT64_C(0x8080808080808080)

static inline bool plain_byte(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* High bits where one of eight bytes is not plain. The lowest is exact (a borrow only runs upwards,
 * from a byte that is not plain itself); 0 only when all are plain. */
static inline uint64_t plain_not8(uint64_t word)
{
    uint64_t quote = word ^ PLAIN_ONES * '"', slash = word ^ PLAIN_ONES * '\\',
             del = word ^ PLAIN_ONES * 0x7f;
    return ((word - PLAIN_ONES * 0x20) | word | (quote - PLAIN_ONES) | (slash - PLAIN_ONES) |
            (del - PLAIN_ONES)) &
           PLAIN_HIGHS;
}

#ifdef __SSE2__
/* A bit for each of sixteen bytes that is not plain. */
static inline unsigned plain_not16(const char *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)at);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
            slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')),
            del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)),
            low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)); /* signed: those above 127 too */
    return (unsigned)_mm_movemask_epi8(
        _mm_or_si128(_mm_or_si128(quote, slash), _mm_or_si128(del, low)));
}
#endif

/* The first byte from `at` on that is not plain; `end` when there is none. */
static inline const char *plain_end(const char *at, const char *end)
{
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        unsigned odd = plain_not16(at);
        if (odd)
            return at + __builtin_ctz(odd);
    }
#endif
    for (; end - at >= 8; at += 8) {
        uint64_t odd = plain_not8(str_load8(at));
        if (odd)
            return at + (__builtin_ctzll(odd) >> 3);
    }
    while (at < end && plain_byte(*at))
        at++;
    return at;
}

/* Are all bytes plain? The last look overlaps the one before it. */
static inline bool plain_text(struct str s)
{
#ifdef __SSE2__
    if (s.len >= 16) {
        unsigned odd = plain_not16(s.p + s.len - 16);
        for (size_t i = 0; i + 16 < s.len; i += 16)
            odd |= plain_not16(s.p + i);
        return odd == 0;
    }
#endif
    if (s.len >= 8) {
        uint64_t odd = plain_not8(str_load8(s.p + s.len - 8));
        for (size_t i = 0; i + 8 < s.len; i += 8)
            odd |= plain_not8(str_load8(s.p + i));
        return odd == 0;
    }
    if (s.len >= 4) {
        uint32_t ends[2];
        memcpy(&ends[0], s.p, 4);
        memcpy(&ends[1], s.p + s.len - 4, 4);
        return plain_not8(ends[0] | (uint64_t)ends[1] << 32) == 0;
    }
    bool plain = true;
    for (size_t i = 0; i < s.len; i++)
        plain = plain && plain_byte(s.p[i]);
    return plain;
}

#endif
