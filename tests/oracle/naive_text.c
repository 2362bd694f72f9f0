/* naive_text.c - UTF-8 by its definition: decode, then check that it was the shortest form. */
#include "tests/oracle/naive_text.h"

#include <stdlib.h>

size_t naive_character(const unsigned char *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (n == 0 || n > left || at[0] >= 0xf8 || at[0] == 0)
        return 0;
    uint32_t code = n == 1 ? at[0] : at[0] & (0x7f >> n);
    for (size_t i = 1; i < n; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < least[n] || code > 0x10ffff || surrogate ? 0 : n;
}

char *naive_clean(struct str text)
{
    return naive_keep(text, SIZE_MAX / 4);
}

char *naive_keep(struct str text, size_t max)
{
    char *out = malloc(3 * text.len + 1);
    size_t to = 0;
    if (!out)
        abort();
    for (size_t i = 0; i < text.len;) {
        size_t n = naive_character((const unsigned char *)text.p + i, text.len - i);
        const char *from = n ? text.p + i : "\xef\xbf\xbd";
        size_t size = n ? n : 3;
        if (to + size > max)
            break;
        memcpy(out + to, from, size);
        to += size;
        i += n ? n : 1;
    }
    out[to] = '\0';
    return out;
}
