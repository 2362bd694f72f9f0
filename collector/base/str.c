/* str.c - looking at text that somebody else owns. */
#include "collector/base/str.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

int str_cmp(struct str a, struct str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.p, b.p, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (tolower((unsigned char)a.p[i]) != tolower((unsigned char)b.p[i]))
            return false;
    }
    return true;
}

ptrdiff_t str_find(struct str s, char c)
{
    const char *at = s.len ? memchr(s.p, c, s.len) : NULL;
    return at ? at - s.p : -1;
}

bool str_contains(struct str s, struct str needle)
{
    if (!needle.len)
        return true;
    return s.len && memmem(s.p, s.len, needle.p, needle.len) != NULL;
}

bool str_cut(struct str s, char separator, struct str *head, struct str *tail)
{
    ptrdiff_t at = str_find(s, separator);
    *head = at < 0 ? s : (struct str){s.p, (size_t)at};
    *tail = at < 0 ? STR_NONE : str_skip(s, (size_t)at + 1);
    return at >= 0;
}

struct str str_trim(struct str s)
{
    while (s.len && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\n' || s.p[0] == '\r'))
        s = (struct str){s.p + 1, s.len - 1};
    while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t' || s.p[s.len - 1] == '\n' ||
                     s.p[s.len - 1] == '\r'))
        s.len--;
    return s;
}

bool str_to_u64(struct str s, uint64_t *result)
{
    uint64_t number = 0;
    if (!s.len)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(s.p[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number))
            return false;
    }
    *result = number;
    return true;
}

bool str_to_i64(struct str s, int64_t *result)
{
    bool negative = s.len && s.p[0] == '-';
    uint64_t number;
    if (!str_to_u64(negative ? str_skip(s, 1) : s, &number) ||
        number > (uint64_t)INT64_MAX + negative)
        return false;
    *result = negative ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

bool str_to_double(struct str s, double *result)
{
    char usual[64], *end;
    if (!s.len || isspace((unsigned char)s.p[0]))
        return false;
    char *text = s.len < sizeof(usual) ? usual : malloc(s.len + 1); /* many digits are rare */
    if (!text)
        return false;
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    *result = strtod(text, &end);
    bool good = end == text + s.len && isfinite(*result);
    if (text != usual)
        free(text);
    return good;
}

bool str_glob(struct str pattern, struct str s)
{
    size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;
    while (i < s.len) {
        if (p < pattern.len && pattern.p[p] == '*') {
            star = p++;
            mark = i;
        } else if (p < pattern.len && pattern.p[p] == s.p[i]) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.p[p] == '*')
        p++;
    return p == pattern.len;
}
