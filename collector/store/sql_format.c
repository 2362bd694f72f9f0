/* sql_format.c - printf and format of SQL: SQLite's own conversions one by one, each no wider than
 * a text may be. SQLite's function writes on to 2^31 characters of padding when there is no room
 * for them any more, and nothing can interrupt it.
 */
#include "collector/store/sql_format.h"

#include <stdio.h>
#include <string.h>

#include "collector/base/buf.h"

#define FLAGS "-+ #!0,"
#define LARGEST 1000000000 /* of a width: beyond any limit */

struct formatting {
    sqlite3_str *out;
    const char *at; /* in the format */
    sqlite3_value **values;
    int n, next; /* values, and those taken */
    int most;    /* characters a conversion may be wide */
    bool too_wide;
};

/* One conversion: "%", flags, width, precision. */
struct conversion {
    char flags[8];
    size_t n_flags;
    int width, precision; /* −1: not said */
    char kind;
};

static sqlite3_value *take(struct formatting *formatting)
{
    return formatting->next < formatting->n ? formatting->values[formatting->next++] : NULL;
}

static void add_flag(struct conversion *conversion, char flag)
{
    if (!memchr(conversion->flags, flag, conversion->n_flags))
        conversion->flags[conversion->n_flags++] = flag;
}

/* Digits, or of `*` the next value. */
static int read_number(struct formatting *formatting)
{
    sqlite3_int64 number = 0;
    if (*formatting->at == '*') {
        sqlite3_value *value = take(formatting);
        formatting->at++;
        number = value ? sqlite3_value_int64(value) : 0;
        number = number > LARGEST ? LARGEST : number < -LARGEST ? -LARGEST : number;
    } else {
        for (; *formatting->at >= '0' && *formatting->at <= '9'; formatting->at++)
            number = number < LARGEST ? number * 10 + (*formatting->at - '0') : number;
    }
    return (int)number;
}

static struct conversion read_conversion(struct formatting *formatting)
{
    struct conversion conversion = {.width = 0, .precision = -1};
    for (; *formatting->at && strchr(FLAGS, *formatting->at); formatting->at++)
        add_flag(&conversion, *formatting->at);
    conversion.width = read_number(formatting);
    if (conversion.width < 0) {
        add_flag(&conversion, '-');
        conversion.width = -conversion.width;
    }
    if (*formatting->at == '.') {
        formatting->at++;
        conversion.precision = read_number(formatting);
        conversion.precision =
            conversion.precision < 0 ? -conversion.precision : conversion.precision;
    }
    while (*formatting->at == 'l')
        formatting->at++;
    conversion.kind = *formatting->at;
    formatting->at += conversion.kind != 0;
    return conversion;
}

/* As SQLite's C interface is told it. `length`: "ll" of integers. */
static void word(const struct conversion *conversion, const char *length, char kind, char spec[64])
{
    int n = snprintf(spec, 64, "%%%.*s", (int)conversion->n_flags, conversion->flags);
    if (conversion->width)
        n += snprintf(spec + n, 64 - (size_t)n, "%d", conversion->width);
    if (conversion->precision >= 0)
        n += snprintf(spec + n, 64 - (size_t)n, ".%d", conversion->precision);
    snprintf(spec + n, 64 - (size_t)n, "%s%c", length, kind);
}

static const char *text_of(sqlite3_value *value)
{
    return value ? (const char *)sqlite3_value_text(value) : NULL;
}

/* The first character of a text, as often as the precision says; of none a NUL, as SQLite has it.
 */
static void add_character(struct formatting *formatting, struct conversion *conversion)
{
    const char *text = text_of(take(formatting));
    int times = conversion->precision > 1 ? conversion->precision : 1;
    size_t len = 1;
    struct buf repeated;
    char spec[64];
    while (text && *text && len < 4 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len++;
    if (len == 1) {
        word(conversion, "", 'c', spec);
        sqlite3_str_appendf(formatting->out, spec, text ? *text : 0);
        return;
    }
    buf_init(&repeated, (size_t)formatting->most * len + 1);
    for (int i = 0; i < times; i++)
        buf_add(&repeated, text, len);
    buf_add_char(&repeated, '\0');
    conversion->precision = -1;
    add_flag(conversion, '!'); /* widths are of characters */
    word(conversion, "", 's', spec);
    formatting->too_wide = buf_failed(&repeated);
    if (!formatting->too_wide)
        sqlite3_str_appendf(formatting->out, spec, repeated.p);
    buf_fini(&repeated);
}

/* False at what SQLite does not know: there the text ends. */
static bool add_conversion(struct formatting *formatting, struct conversion *conversion)
{
    char spec[64];
    sqlite3_value *value;
    switch (conversion->kind) {
    case '%':
        word(conversion, "", '%', spec);
        sqlite3_str_appendf(formatting->out, spec);
        return true;
    case 'c':
        add_character(formatting, conversion);
        return true;
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
    case 'r':
    case 'p':
        value = take(formatting);
        word(conversion, "ll", conversion->kind, spec);
        sqlite3_str_appendf(formatting->out, spec, value ? sqlite3_value_int64(value) : 0);
        return true;
    case 'f':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
        value = take(formatting);
        word(conversion, "", conversion->kind, spec);
        sqlite3_str_appendf(formatting->out, spec, value ? sqlite3_value_double(value) : 0.0);
        return true;
    case 's':
    case 'z':
    case 'q':
    case 'Q':
    case 'w':
        word(conversion, "", conversion->kind == 'z' ? 's' : conversion->kind, spec);
        sqlite3_str_appendf(formatting->out, spec, text_of(take(formatting)));
        return true;
    default:
        return conversion->kind == 'n';
    }
}

static void add_all(struct formatting *formatting)
{
    while (*formatting->at && !formatting->too_wide) {
        size_t plain = strcspn(formatting->at, "%");
        sqlite3_str_append(formatting->out, formatting->at, (int)plain);
        formatting->at += plain;
        if (!*formatting->at)
            return;
        formatting->at++;
        if (!*formatting->at) {
            sqlite3_str_appendchar(formatting->out, 1, '%');
            return;
        }
        struct conversion conversion = read_conversion(formatting);
        formatting->too_wide =
            conversion.width > formatting->most || conversion.precision > formatting->most;
        if (!formatting->too_wide && !add_conversion(formatting, &conversion))
            return;
    }
}

void sql_format(sqlite3_context *context, int n, sqlite3_value **values)
{
    sqlite3 *db = sqlite3_context_db_handle(context);
    const char *format = n > 0 ? text_of(values[0]) : NULL;
    if (!format)
        return;
    struct formatting formatting = {.out = sqlite3_str_new(db),
                                    .at = format,
                                    .values = values,
                                    .n = n,
                                    .next = 1,
                                    .most = sqlite3_limit(db, SQLITE_LIMIT_LENGTH, -1)};
    add_all(&formatting);
    int code = sqlite3_str_errcode(formatting.out), len = sqlite3_str_length(formatting.out);
    char *text = sqlite3_str_finish(formatting.out);
    if (formatting.too_wide || code == SQLITE_TOOBIG)
        sqlite3_result_error_toobig(context);
    else if (code)
        sqlite3_result_error_code(context, code);
    else
        sqlite3_result_text(context, text ? text : "", len, SQLITE_TRANSIENT);
    sqlite3_free(text);
}
