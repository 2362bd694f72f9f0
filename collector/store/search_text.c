/* search_text.c - reading the search line. Pure. */
#include "collector/store/search_text.h"

#include "collector/base/json.h"
#include "collector/base/times.h"

static const char *const words[N_FIELDS] = {
    [FIELD_STATUS] = "status",       [FIELD_TOOK] = "took",           [FIELD_SPANS] = "spans",
    [FIELD_SERVICES] = "services",   [FIELD_COMPLETE] = "complete",   [FIELD_ENTRY] = "entry",
    [FIELD_BEGAN] = "began",         [FIELD_REASON] = "reason",       [FIELD_SERVICE] = "service",
    [FIELD_NAMESPACE] = "namespace", [FIELD_CLUSTER] = "cluster",     [FIELD_VERSION] = "version",
    [FIELD_RETRIES] = "retries",     [FIELD_OPERATION] = "operation", [FIELD_INSTANCE] = "instance",
    [FIELD_FLAG] = "flag",           [FIELD_CODE] = "code",
};

const char *search_field_word(enum search_field field)
{
    return words[field] ? words[field] : "";
}

const char *search_op_word(enum search_op op)
{
    static const char *const ops[N_OPS] = {
        [OP_EQUAL] = "=", [OP_NOT] = "!=",  [OP_MORE] = ">", [OP_LEAST] = ">=",
        [OP_LESS] = "<",  [OP_MOST] = "<=", [OP_LIKE] = "~"};
    return ops[op];
}

bool search_op_orders(enum search_op op)
{
    return op >= OP_MORE && op <= OP_MOST;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_operator(char c)
{
    return c == '=' || c == '!' || c == '>' || c == '<' || c == '~';
}

/* ---- pieces ---- */

struct reading {
    struct str rest;
    struct arena *arena;
    struct err *err;
};

static void skip_blanks(struct reading *reading)
{
    while (reading->rest.len && is_blank(reading->rest.p[0]))
        reading->rest = str_skip(reading->rest, 1);
}

/* A text in quotes, with JSON's escapes. */
static bool take_quoted(struct reading *reading, struct str *text)
{
    struct str rest = reading->rest;
    size_t end = 1;
    while (end < rest.len && rest.p[end] != '"')
        end += rest.p[end] == '\\' ? 2 : 1;
    if (end >= rest.len)
        return !err_set(reading->err, ERR_INVALID, "q: a quote is not closed");
    struct json_text inside = {.raw = {rest.p + 1, end - 1}, .escaped = true};
    *text = json_unescape(reading->arena, inside);
    if (text->len && !text->p)
        return !err_set(reading->err, ERR_BUSY, "memory is short");
    reading->rest = str_skip(rest, end + 1);
    return true;
}

/* Up to a blank; a key also ends at an operator. */
static bool take_text(struct reading *reading, bool key, struct str *text, bool *quoted)
{
    *quoted = reading->rest.len && reading->rest.p[0] == '"';
    if (*quoted)
        return take_quoted(reading, text);
    size_t n = 0;
    while (n < reading->rest.len && !is_blank(reading->rest.p[n]) &&
           !(key && is_operator(reading->rest.p[n])))
        n++;
    *text = (struct str){reading->rest.p, n};
    reading->rest = str_skip(reading->rest, n);
    return true;
}

static bool take_operator(struct reading *reading, uint8_t *op)
{
    struct str rest = reading->rest;
    if (!rest.len || !is_operator(rest.p[0]))
        return false;
    bool two = rest.len > 1 && rest.p[1] == '=' && strchr("!<>", rest.p[0]);
    switch (rest.p[0]) {
    case '!':
        *op = OP_NOT;
        break;
    case '>':
        *op = two ? OP_LEAST : OP_MORE;
        break;
    case '<':
        *op = two ? OP_MOST : OP_LESS;
        break;
    default:
        *op = rest.p[0] == '=' ? OP_EQUAL : OP_LIKE;
    }
    if (rest.p[0] == '!' && !two)
        return false;
    reading->rest = str_skip(rest, two ? 2 : 1);
    return true;
}

/* ---- meaning ---- */

static enum search_field field_of(struct str key)
{
    for (int i = 0; i < FIELD_ATTRIBUTE; i++) {
        if (str_eq(key, str_of(words[i])))
            return i;
    }
    return FIELD_ATTRIBUTE;
}

/* `SERVICE:key`, `CALLER→CALLEE:key` */
static void split_scope(struct search_condition *condition)
{
    static const struct str arrow = STR("\xe2\x86\x92");
    struct str head, tail;
    if (!str_cut(condition->key, ':', &head, &tail) || !head.len || !tail.len)
        return;
    condition->scope = head;
    condition->key = tail;
    for (size_t i = 0; i + arrow.len <= head.len; i++) {
        if (memcmp(head.p + i, arrow.p, arrow.len) == 0) {
            condition->scope = (struct str){head.p, i};
            condition->peer = str_skip(head, i + arrow.len);
            return;
        }
    }
}

static bool read_status(struct search_condition *condition, struct err *err)
{
    bool bad = str_eq(condition->value, STR("error")) || str_eq(condition->value, STR("failed"));
    bool good = str_eq(condition->value, STR("ok")) || str_eq(condition->value, STR("good"));
    condition->number = bad;
    condition->is_number = true;
    return bad || good || !err_set(err, ERR_INVALID, "status is error or ok");
}

static bool read_number(struct search_condition *condition, struct err *err)
{
    uint64_t ns;
    if (condition->field == FIELD_TOOK) {
        condition->is_number = duration_parse(condition->value, &ns);
        condition->number = condition->is_number ? (double)ns : 0;
        return condition->is_number ||
               !err_set(err, ERR_INVALID, "took: a duration is 250ms, 2s …");
    }
    condition->is_number = str_to_double(condition->value, &condition->number);
    bool must = condition->field == FIELD_SPANS || condition->field == FIELD_SERVICES ||
                condition->field == FIELD_COMPLETE || condition->field == FIELD_RETRIES;
    return condition->is_number || !must ||
           !err_set(err, ERR_INVALID, "%s: '%.*s' is no number", words[condition->field],
                    STR_ARG(condition->value));
}

static bool read_condition(struct reading *reading, struct search_condition *condition)
{
    bool quoted, ignored;
    struct reading after;
    *condition = (struct search_condition){0};
    if (!take_text(reading, true, &condition->key, &quoted))
        return false;
    after = *reading;
    skip_blanks(&after);
    if (!take_operator(&after, &condition->op)) {
        condition->field = FIELD_WORD;
        condition->op = OP_LIKE;
        condition->value = condition->key;
        if (condition->value.len)
            return true;
        return !err_set(reading->err, ERR_INVALID, "q: '%.*s' has no key", STR_ARG(reading->rest));
    }
    *reading = after;
    skip_blanks(reading);
    if (!take_text(reading, false, &condition->value, &ignored))
        return false;
    if (!condition->key.len)
        return !err_set(reading->err, ERR_INVALID, "q: '%.*s' has no key",
                        STR_ARG(condition->value));
    if (!quoted)
        split_scope(condition);
    condition->field = quoted ? FIELD_ATTRIBUTE : field_of(condition->key);
    return condition->field == FIELD_STATUS ? read_status(condition, reading->err)
                                            : read_number(condition, reading->err);
}

int search_text_read(struct str q, struct arena *arena, struct search_text *text, struct err *err)
{
    struct reading reading = {q, arena, err};
    text->n = 0;
    for (skip_blanks(&reading); reading.rest.len; skip_blanks(&reading)) {
        if (text->n == MAX_CONDITIONS)
            return err_set(err, ERR_INVALID, "q: at most %d conditions", MAX_CONDITIONS);
        if (!read_condition(&reading, &text->conditions[text->n]))
            return err->code;
        text->n++;
    }
    return 0;
}

/* ---- comparing ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool search_contains(struct str text, struct str part)
{
    for (size_t i = 0; i + part.len <= text.len; i++) {
        size_t k = 0;
        while (k < part.len && lower(text.p[i + k]) == lower(part.p[k]))
            k++;
        if (k == part.len)
            return true;
    }
    return false;
}

bool search_number_fits(const struct search_condition *condition, double number)
{
    switch (condition->op) {
    case OP_MORE:
        return condition->is_number && number > condition->number;
    case OP_LEAST:
        return condition->is_number && number >= condition->number;
    case OP_LESS:
        return condition->is_number && number < condition->number;
    case OP_MOST:
        return condition->is_number && number <= condition->number;
    default:
        return condition->is_number && number == condition->number;
    }
}

bool search_text_fits(const struct search_condition *condition, struct str text)
{
    double number;
    switch (condition->op) {
    case OP_LIKE:
        return search_contains(text, condition->value);
    case OP_MORE:
    case OP_LEAST:
    case OP_LESS:
    case OP_MOST:
        return str_to_double(text, &number) && search_number_fits(condition, number);
    default:
        return str_eq(text, condition->value);
    }
}
