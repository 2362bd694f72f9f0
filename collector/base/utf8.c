/* utf8.c - plain bytes many at a time, the rest by the table of well-formed sequences (Unicode,
 * table 3-7). */
#include "collector/base/utf8.h"

#include "collector/base/plain.h"

static size_t sequence(const unsigned char *at, size_t left)
{
    unsigned char c = at[0];
    if (c < 0x80)
        return c ? 1 : 0;
    if (c >= 0xc2 && c <= 0xdf)
        return left >= 2 && (at[1] & 0xc0) == 0x80 ? 2 : 0;
    if (c >= 0xe0 && c <= 0xef) {
        unsigned char low = c == 0xe0 ? 0xa0 : 0x80, high = c == 0xed ? 0x9f : 0xbf;
        return left >= 3 && at[1] >= low && at[1] <= high && (at[2] & 0xc0) == 0x80 ? 3 : 0;
    }
    if (c >= 0xf0 && c <= 0xf4) {
        unsigned char low = c == 0xf0 ? 0x90 : 0x80, high = c == 0xf4 ? 0x8f : 0xbf;
        return left >= 4 && at[1] >= low && at[1] <= high && (at[2] & 0xc0) == 0x80 &&
                       (at[3] & 0xc0) == 0x80
                   ? 4
                   : 0;
    }
    return 0;
}

size_t utf8_character(const char *at, size_t left)
{
    return sequence((const unsigned char *)at, left);
}

enum text_class utf8_classify(struct str s)
{
    const char *at = s.p, *end = str_behind(s);
    bool plain = true;
    while ((at = plain_end(at, end)) < end) {
        size_t n = *at >= 0x20 && *at < 0x7f ? 1 : utf8_character(at, (size_t)(end - at));
        if (!n)
            return TEXT_BAD;
        plain = false;
        at += n;
    }
    return plain ? TEXT_PLAIN : TEXT_VALID;
}

struct str utf8_clean(struct arena *arena, struct str s)
{
    const unsigned char *at = (const unsigned char *)s.p;
    char *copy = arena_alloc_aligned(arena, 3 * s.len + 1, 1);
    size_t n = 0;
    for (size_t i = 0; copy && i < s.len;) {
        size_t good = sequence(at + i, s.len - i);
        if (good)
            memcpy(copy + n, at + i, good);
        else
            memcpy(copy + n, "\xef\xbf\xbd", 3);
        n += good ? good : 3;
        i += good ? good : 1;
    }
    return (struct str){copy, n};
}

struct str utf8_cut(struct str s, size_t max)
{
    if (s.len <= max)
        return s;
    while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
        max--;
    return (struct str){s.p, max};
}
