/* times.c - one reader for every place where a person types a time. */
#include "collector/base/times.h"

#include <time.h>

#include "collector/base/clock.h"

static const struct {
    struct str text;
    uint64_t ns;
} units[] = {{{"ns", 2}, 1},
             {{"us", 2}, 1000},
             {{"ms", 2}, NS_PER_MS},
             {{"s", 1}, NS_PER_S},
             {{"m", 1}, NS_PER_MINUTE},
             {{"h", 1}, 60 * NS_PER_MINUTE},
             {{"d", 1}, 1440 * NS_PER_MINUTE}};

/* Cuts a number off the text; false when there is none. */
static bool take_number(struct str *text, double *number)
{
    size_t n = 0;
    while (n < text->len && ((text->p[n] >= '0' && text->p[n] <= '9') || text->p[n] == '.'))
        n++;
    bool good = n && str_to_double((struct str){text->p, n}, number);
    *text = str_skip(*text, n);
    return good;
}

/* So many of a unit, in ns. */
static bool count_unit(struct str unit, double number, uint64_t *ns)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (str_eq(unit, units[i].text) && number * (double)units[i].ns < 9e18) {
            *ns = (uint64_t)(number * (double)units[i].ns);
            return true;
        }
    }
    return false;
}

bool duration_parse(struct str text, uint64_t *ns)
{
    double number;
    *ns = 0;
    if (!take_number(&text, &number))
        return false;
    return (!text.len && number == 0) || count_unit(text, number, ns);
}

bool go_duration_parse(struct str text, uint64_t *ns)
{
    uint64_t part;
    double number;
    *ns = 0;
    if (text.len && text.p[0] == '+')
        text = str_skip(text, 1);
    if (str_eq(text, STR("0")))
        return true;
    bool any = text.len > 0;
    while (text.len) {
        size_t n = 0;
        if (!take_number(&text, &number))
            return false;
        while (n < text.len && !(text.p[n] >= '0' && text.p[n] <= '9') && text.p[n] != '.')
            n++;
        struct str unit = {text.p, n};
        if (str_eq(unit, STR("\xc2\xb5s")) ||
            str_eq(unit, STR("\xce\xbcs"))) /* µ as the sign, and as the letter */
            unit = STR("us");
        if (str_eq(unit, STR("d")) || !count_unit(unit, number, &part) ||
            __builtin_add_overflow(*ns, part, ns) || *ns > INT64_MAX)
            return false;
        text = str_skip(text, n);
    }
    return any;
}

static bool digits(struct str text, size_t at, size_t n, int *number)
{
    uint64_t value;
    if (at + n > text.len || !str_to_u64((struct str){text.p + at, n}, &value))
        return false;
    *number = (int)value;
    return true;
}

/* The digits behind a point as ns; what is finer is cut. False when there are others than digits.
 */
static bool read_fraction(struct str text, uint64_t *ns)
{
    uint64_t scale = NS_PER_S;
    *ns = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        scale /= 10;
        *ns += (uint64_t)(text.p[i] - '0') * scale;
    }
    return text.len > 0;
}

/* 1700000000[.25], to the nanosecond: a double would not hold it. */
static bool unix_seconds(struct str text, uint64_t *ns)
{
    struct str whole, rest;
    uint64_t seconds, fraction = 0;
    bool point = str_cut(text, '.', &whole, &rest);
    if (!str_to_u64(whole, &seconds) || seconds >= 9000000000 ||
        (point && !read_fraction(rest, &fraction)))
        return false;
    *ns = seconds * NS_PER_S + fraction;
    return true;
}

/* 2026-11-23T10:00:00[.fraction]Z */
static bool rfc3339(struct str text, uint64_t *ns)
{
    struct tm parts = {0};
    if (text.len < 20 || text.p[text.len - 1] != 'Z' || text.p[4] != '-' || text.p[7] != '-' ||
        (text.p[10] != 'T' && text.p[10] != ' ') || text.p[13] != ':' || text.p[16] != ':' ||
        !digits(text, 0, 4, &parts.tm_year) || !digits(text, 5, 2, &parts.tm_mon) ||
        !digits(text, 8, 2, &parts.tm_mday) || !digits(text, 11, 2, &parts.tm_hour) ||
        !digits(text, 14, 2, &parts.tm_min) || !digits(text, 17, 2, &parts.tm_sec))
        return false;
    uint64_t fraction = 0;
    if (text.p[19] == '.' ? !read_fraction((struct str){text.p + 20, text.len - 21}, &fraction)
                          : text.len != 20)
        return false;
    if (parts.tm_mon < 1 || parts.tm_mon > 12 || parts.tm_mday < 1 || parts.tm_mday > 31 ||
        parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60)
        return false;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    int day = parts.tm_mday, second = parts.tm_sec;
    time_t seconds = timegm(&parts);
    if (seconds < 0 || (parts.tm_mday != day && second < 60)) /* there is no 30th of February */
        return false;
    *ns = (uint64_t)seconds * NS_PER_S + fraction;
    return true;
}

bool time_parse(struct str text, uint64_t now_ns, uint64_t *ns)
{
    uint64_t ago;
    text = str_trim(text);
    if (str_eq(text, STR("now"))) {
        *ns = now_ns;
        return true;
    }
    struct str duration = str_starts(text, STR("-")) ? str_skip(text, 1) : text;
    bool has_unit =
        duration.len && (duration.p[duration.len - 1] < '0' || duration.p[duration.len - 1] > '9');
    if (has_unit && duration_parse(duration, &ago)) {
        *ns = ago < now_ns ? now_ns - ago : 0;
        return true;
    }
    return unix_seconds(text, ns) || rfc3339(text, ns);
}

bool window_parse(struct str text, uint64_t now_ns, uint64_t *from_ns, uint64_t *to_ns)
{
    const char *dots = text.len ? memmem(text.p, text.len, "..", 2) : NULL;
    if (!dots)
        return false;
    struct str from = {text.p, (size_t)(dots - text.p)}, to = str_skip(text, from.len + 2);
    return time_parse(from, now_ns, from_ns) && time_parse(to, now_ns, to_ns) && *from_ns <= *to_ns;
}
