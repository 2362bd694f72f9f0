/* json_oracle.c - the same document as canonical text by both readers. */
#include "tests/oracle/json_oracle.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/json.h"
#include "tests/oracle/json_theirs.h"

#define UNLIMITED (SIZE_MAX / 2)
#define DEEPEST 6

/* ---- what base/json says ---- */

struct ours {
    struct json json;
    struct arena arena;
    struct buf out;
    bool odd_text; /* a character had to be replaced, or was U+FFFD already */
    bool too_deep;
};

static void our_text(struct ours *ours, struct json_text text)
{
    struct str clean = json_unescape(&ours->arena, text);
    if (clean.len && !clean.p)
        abort();
    if (clean.len >= 3 && memmem(clean.p, clean.len, "\xef\xbf\xbd", 3))
        ours->odd_text = true;
    buf_add_json(&ours->out, clean);
}

/* Doubles as both see them; whole numbers as their digits. */
static void our_number(struct ours *ours, struct str number)
{
    double real;
    int64_t whole;
    if (str_to_i64(number, &whole))
        buf_add_i64(&ours->out, whole);
    else if (str_to_double(number, &real))
        buf_add_double(&ours->out, real);
    else
        buf_add_c(&ours->out, "out of range");
}

static bool our_scalar(struct ours *ours)
{
    struct json *json = &ours->json;
    struct json_text text;
    struct str number;
    bool truth;
    switch (json_peek(json)) {
    case JSON_STRING:
        if (!json_string(json, &text))
            return false;
        our_text(ours, text);
        return true;
    case JSON_NUMBER:
        if (!json_number(json, &number))
            return false;
        our_number(ours, number);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        if (!json_bool(json, &truth))
            return false;
        buf_add_c(&ours->out, truth ? "true" : "false");
        return true;
    case JSON_NULL:
        buf_add_c(&ours->out, "null");
        return json_null(json);
    default:
        return json_skip(json, NULL); /* which says what is wrong */
    }
}

/* Recursion is fine here: the reader under test bounds the depth. */
static bool our_value(struct ours *ours)
{
    struct json *json = &ours->json;
    struct json_text key;
    enum json_type type = json_peek(json);
    bool first = true;
    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return our_scalar(ours);
    if (json->depth == JSON_MAX_DEPTH)
        ours->too_deep = true;
    if (!(type == JSON_OBJECT ? json_open_object(json) : json_open_array(json)))
        return false;
    buf_add_char(&ours->out, type == JSON_OBJECT ? '{' : '[');
    while (type == JSON_OBJECT ? json_next_key(json, &key) : json_next_item(json)) {
        buf_add_c(&ours->out, first ? "" : ",");
        first = false;
        if (type == JSON_OBJECT) {
            our_text(ours, key);
            buf_add_char(&ours->out, ':');
        }
        if (!our_value(ours))
            return false;
    }
    buf_add_char(&ours->out, type == JSON_OBJECT ? '}' : ']');
    return !json->error;
}

static bool our_document(struct ours *ours, struct str text)
{
    json_init(&ours->json, text);
    arena_init(&ours->arena, UNLIMITED);
    buf_init(&ours->out, UNLIMITED);
    return our_value(ours) && json_end(&ours->json);
}

/* ---- do they agree? ---- */

/* U+0000 and lone surrogates become U+FFFD on our side; they are known by it. jansson forgets a NUL
 * byte that ends a number. */
static bool is_known_difference(const struct ours *ours, struct str text, bool taken,
                                enum json_theirs theirs)
{
    if (taken)
        return theirs == JSON_THEIRS_OUT_OF_RANGE ||
               (theirs == JSON_THEIRS_REFUSE && ours->odd_text) || theirs == JSON_THEIRS_TWICE;
    return ours->too_deep || (text.len && memchr(text.p, 0, text.len));
}

bool json_oracle_agrees(struct str text, struct buf *why)
{
    struct ours ours = {0};
    struct buf said;
    buf_init(&said, UNLIMITED);
    bool taken = our_document(&ours, text);
    enum json_theirs theirs = json_theirs(text, &said);
    bool agree = is_known_difference(&ours, text, taken, theirs);
    if (!agree && theirs == JSON_THEIRS_TAKE)
        agree = taken && str_eq(buf_str(&ours.out), buf_str(&said));
    else if (!agree)
        agree = !taken;
    if (!agree)
        buf_addf(why, "base/json: %s %.*s\njansson: %d %.*s\n",
                 taken             ? "takes"
                 : ours.json.error ? ours.json.error
                                   : "?",
                 STR_ARG(buf_str(&ours.out)), theirs, STR_ARG(buf_str(&said)));
    arena_fini(&ours.arena);
    buf_fini(&ours.out);
    buf_fini(&said);
    return agree;
}

/* ---- making documents ---- */

static void make_string(struct choices *choices, struct buf *out)
{
    static const char *const pieces[] = {"a",
                                         "key",
                                         "\\n",
                                         "\\\"",
                                         "\\u00e9",
                                         "\\u0041",
                                         "\\ud83d\\ude00",
                                         "\\ud800",
                                         "\\u0000",
                                         "\xc3\xa9",
                                         "\xf0\x9f\x98\x80",
                                         "\x7f",
                                         " ",
                                         "\\/",
                                         "12345678",
                                         "\xe2\x82\xac"};
    buf_add_char(out, '"');
    for (unsigned n = choose(choices, 12); n > 0; n--) {
        unsigned i = choose(choices, 64);
        buf_add_c(out, i < 32    ? pieces[i % 16]
                       : i < 62  ? pieces[i % 4]
                       : i == 62 ? "\xff"
                                 : "\x01");
    }
    buf_add_char(out, '"');
}

static void make_number(struct choices *choices, struct buf *out)
{
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "1",
                                          "-1",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "1.5",
                                          "1e3",
                                          "1E-300",
                                          "1e999",
                                          "-9223372036854775808",
                                          "0.1",
                                          "-0.0",
                                          "12345678901234567890",
                                          "1e+2",
                                          "01"};
    buf_add_c(out, numbers[choose(choices, 128) % 16]);
}

static void make_blanks(struct choices *choices, struct buf *out)
{
    static const char *const blanks[] = {"", "", "", "", "", " ", "\n\t", "\r"};
    buf_add_c(out, blanks[choose(choices, 8)]);
}

static void make_value(struct choices *choices, struct buf *out, unsigned depth)
{
    unsigned kind = choose(choices, depth < DEEPEST ? 8 : 6);
    make_blanks(choices, out);
    if (kind < 3)
        buf_add_c(out, kind == 0 ? "null" : kind == 1 ? "true" : "false");
    else if (kind == 3)
        make_number(choices, out);
    else if (kind < 6)
        make_string(choices, out);
    if (kind >= 6) {
        buf_add_char(out, kind == 6 ? '[' : '{');
        for (unsigned i = 0, n = choose(choices, 4); i < n; i++) {
            buf_add_c(out, i ? "," : "");
            if (kind == 7) {
                make_string(choices, out);
                buf_add_char(out, ':');
            }
            make_value(choices, out, depth + 1);
        }
        buf_add_char(out, kind == 6 ? ']' : '}');
    }
    make_blanks(choices, out);
}

void json_make(struct choices *choices, struct buf *out)
{
    static const char damage[] = "{}[],:\"\\\0 0-.etn\x80";
    make_value(choices, out, 0);
    if (out->len == 0 || !choose_rarely(choices, 3))
        return;
    size_t at = choose_u64(choices) % out->len;
    switch (choose(choices, 3)) {
    case 0:
        out->p[at] = damage[choose(choices, sizeof(damage) - 1)];
        break;
    case 1:
        out->len = at;
        break;
    default:
        memmove(out->p + at, out->p + at + 1, out->len - at - 1);
        out->len--;
    }
}
