/* access_time.c - the ways in which logs write a time. */
#include "collector/decode/access_log.h"

#define NS UINT64_C(1000000000)

static bool digits(struct str *text, size_t n, unsigned *number)
{
    unsigned value = 0;
    if (text->len < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text->p[i] < '0' || text->p[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text->p[i] - '0');
    }
    *text = str_skip(*text, n);
    *number = value;
    return true;
}

static bool mark(struct str *text, char wanted)
{
    if (!text->len || text->p[0] != wanted)
        return false;
    *text = str_skip(*text, 1);
    return true;
}

struct moment {
    unsigned year, month, day, hour, minute, second;
    uint64_t ns;
    int64_t zone_s; /* east of UTC */
};

/* Days since 1970, of the Gregorian calendar (years that begin in March make February's end easy).
 */
static int64_t days_of(unsigned year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month <= 2), era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (int64_t)(month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_date(const struct moment *moment)
{
    static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year = moment->year, month = moment->month;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month >= 1 && month <= 12 && moment->day >= 1 && moment->day <= days[month - 1] &&
           (month != 2 || moment->day < 29 || leap);
}

/* A time that the number cannot hold is one nobody meant, but a time: 0, which is unknown. */
static bool moment_ns(const struct moment *moment, uint64_t *ns)
{
    if (!is_date(moment) || moment->hour > 23 || moment->minute > 59 || moment->second > 60)
        return false;
    int64_t s = days_of(moment->year, moment->month, moment->day) * 86400 +
                (int64_t)moment->hour * 3600 + (int64_t)moment->minute * 60 + moment->second -
                moment->zone_s;
    *ns = s >= 0 && (uint64_t)s < UINT64_MAX / NS ? (uint64_t)s * NS + moment->ns : 0;
    return true;
}

static void fraction(struct str *text, uint64_t *ns)
{
    uint64_t unit = NS / 10;
    *ns = 0;
    if (!text->len || (text->p[0] != '.' && text->p[0] != ','))
        return;
    *text = str_skip(*text, 1);
    while (text->len && text->p[0] >= '0' && text->p[0] <= '9') {
        *ns += (uint64_t)(text->p[0] - '0') * unit;
        unit /= 10;
        *text = str_skip(*text, 1);
    }
}

/* Z, +01:00, -0700, or nothing at all. */
static bool zone(struct str *text, int64_t *s)
{
    unsigned hours, minutes;
    *s = 0;
    if (!text->len || mark(text, 'Z') || mark(text, 'z'))
        return true;
    bool west = text->p[0] == '-';
    if (!west && text->p[0] != '+')
        return false;
    *text = str_skip(*text, 1);
    if (!digits(text, 2, &hours) || (mark(text, ':'), !digits(text, 2, &minutes)))
        return false;
    *s = (int64_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

static bool clock_part(struct str *text, struct moment *moment)
{
    return digits(text, 2, &moment->hour) && mark(text, ':') && digits(text, 2, &moment->minute) &&
           mark(text, ':') && digits(text, 2, &moment->second);
}

static bool iso_time(struct str text, uint64_t *ns)
{
    struct moment moment = {0};
    if (!digits(&text, 4, &moment.year) || !mark(&text, '-') || !digits(&text, 2, &moment.month) ||
        !mark(&text, '-') || !digits(&text, 2, &moment.day) ||
        !(mark(&text, 'T') || mark(&text, 't') || mark(&text, ' ')) || !clock_part(&text, &moment))
        return false;
    fraction(&text, &moment.ns);
    return zone(&text, &moment.zone_s) && !text.len && moment_ns(&moment, ns);
}

static unsigned month_of(struct str name)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (unsigned i = 0; i < 12; i++) {
        if (str_eq(name, (struct str){names + (size_t)i * 3, 3}))
            return i + 1;
    }
    return 0;
}

static bool apache_time(struct str text, uint64_t *ns)
{
    struct moment moment = {0};
    if (!digits(&text, 2, &moment.day) || !mark(&text, '/') || text.len < 4)
        return false;
    moment.month = month_of((struct str){text.p, 3});
    text = str_skip(text, 3);
    if (!mark(&text, '/') || !digits(&text, 4, &moment.year) || !mark(&text, ':') ||
        !clock_part(&text, &moment))
        return false;
    fraction(&text, &moment.ns);
    mark(&text, ' ');
    return zone(&text, &moment.zone_s) && !text.len && moment_ns(&moment, ns);
}

/* 12 or 12.5 */
static bool number(struct str text, uint64_t *whole, uint64_t *billionths)
{
    size_t n = 0;
    while (n < text.len && text.p[n] >= '0' && text.p[n] <= '9')
        n++;
    if (!n || !str_to_u64((struct str){text.p, n}, whole))
        return false;
    struct str rest = str_skip(text, n);
    bool dotted = rest.len > 1 && rest.p[0] == '.';
    if (rest.len && !dotted)
        return false;
    fraction(&rest, billionths);
    return !rest.len;
}

bool access_number_ns(struct str text, uint64_t unit_ns, uint64_t *ns)
{
    uint64_t whole, part;
    if (!number(text, &whole, &part) || whole > INT64_MAX / unit_ns)
        return false;
    *ns = whole * unit_ns + part * (unit_ns / 1000) / (NS / 1000);
    return true;
}

static bool unix_time(struct str text, uint64_t *ns)
{
    uint64_t s, part;
    if (text.len < 9 || !number(text, &s, &part))
        return false;
    *ns = s < UINT64_MAX / NS ? s * NS + part : 0;
    return true;
}

bool access_time(struct str text, uint64_t *ns)
{
    text = str_trim(text);
    return iso_time(text, ns) || apache_time(text, ns) || unix_time(text, ns);
}
