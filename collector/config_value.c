/* config_value.c - durations, sizes, lists and words: from text to a setting's place, and back. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/config_internal.h"

struct unit {
    const char *name;
    uint64_t value;
};

static const struct unit durations[] = {{"d", UINT64_C(86400000000000)},
                                        {"h", UINT64_C(3600000000000)},
                                        {"m", UINT64_C(60000000000)},
                                        {"s", 1000000000},
                                        {"ms", 1000000},
                                        {"us", 1000},
                                        {"ns", 1},
                                        {NULL, 0}};
static const struct unit sizes[] = {{"GiB", UINT64_C(1) << 30},
                                    {"MiB", 1u << 20},
                                    {"KiB", 1u << 10},
                                    {"GB", 1000000000},
                                    {"MB", 1000000},
                                    {"kB", 1000},
                                    {"B", 1},
                                    {NULL, 0}};

static bool read_units(struct str text, const struct unit *units, uint64_t *number)
{
    size_t n = 0;
    while (n < text.len && text.p[n] >= '0' && text.p[n] <= '9')
        n++;
    struct str unit = str_skip(text, n);
    if (!str_to_u64((struct str){text.p, n}, number))
        return false;
    if (!unit.len)
        return *number == 0;
    for (; units->name; units++) {
        if (str_eq(unit, str_of(units->name)))
            return !__builtin_mul_overflow(*number, units->value, number);
    }
    return false;
}

static char *copy(struct str text)
{
    return strndup(text.p ? text.p : "", text.len);
}

static void list_free(struct text_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct text_list){0};
}

/* Where the bracket ends that text begins with: not in an item's quotes. */
static size_t bracket_end(struct str text)
{
    char end = text.p[0] == '[' ? ']' : '}';
    bool quoted = false;
    size_t at = 1;
    for (; at < text.len && (quoted || text.p[at] != end); at++) {
        bool begins = !quoted && strchr("[{, ", text.p[at - 1]);
        if (text.p[at] == '\'' && (quoted || begins))
            quoted = !quoted;
    }
    return at;
}

/* A list as check-config prints it, in brackets; an address of IPv6 is none. */
static bool is_in_brackets(struct str text)
{
    struct in6_addr address;
    char inside[INET6_ADDRSTRLEN];
    bool begins = text.len > 1 && (text.p[0] == '[' || text.p[0] == '{');
    if (!begins || bracket_end(text) != text.len - 1)
        return false;
    snprintf(inside, sizeof(inside), "%.*s", (int)text.len - 2, text.p + 1);
    return text.len - 2 >= sizeof(inside) || inet_pton(AF_INET6, inside, &address) != 1;
}

/* … whose items are in quotes where they would read otherwise. */
static bool cut_quoted(struct str *text, struct str *item)
{
    struct str begin = str_trim(*text);
    ptrdiff_t end = begin.len && begin.p[0] == '\'' ? str_find(str_skip(begin, 1), '\'') : -1;
    if (end < 0)
        return false;
    *item = (struct str){begin.p + 1, (size_t)end};
    *text = str_trim(str_skip(begin, (size_t)end + 2));
    if (text->len && text->p[0] == ',')
        *text = str_skip(*text, 1);
    return true;
}

/* A comma ends an item; behind a backslash it is a part of it, as is another backslash. */
static bool is_escape(struct str text, size_t at)
{
    return text.p[at] == '\\' && at + 1 < text.len &&
           (text.p[at + 1] == ',' || text.p[at + 1] == '\\');
}

static void cut_item(struct str text, struct str *item, struct str *rest)
{
    size_t n = 0;
    while (n < text.len && text.p[n] != ',')
        n += is_escape(text, n) ? 2 : 1;
    *item = (struct str){text.p, n};
    *rest = str_skip(text, n < text.len ? n + 1 : n);
}

static char *copy_item(struct str item)
{
    char *text = malloc(item.len + 1);
    size_t n = 0;
    for (size_t i = 0; text && i < item.len; i++) {
        i += is_escape(item, i);
        text[n++] = item.p[i];
    }
    if (text)
        text[n] = '\0';
    return text;
}

void config_item_escape(struct buf *out, struct str item)
{
    for (size_t i = 0; i < item.len; i++) {
        if (item.p[i] == ',' || item.p[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, item.p[i]);
    }
}

/* All items are good, or the list stays as it was. */
static int list_set(struct text_list *list, enum setting_type type, struct str text,
                    struct err *err)
{
    struct text_list fresh = {.items = calloc(text.len + 2, sizeof(char *))};
    struct str item;
    bool shown = is_in_brackets(text);
    if (shown)
        text = (struct str){text.p + 1, text.len - 2};
    while (fresh.items && text.len) {
        bool quoted = shown && cut_quoted(&text, &item);
        if (!quoted)
            cut_item(text, &item, &text);
        item = quoted ? item : str_trim(item);
        char *copied = !item.len ? NULL : quoted ? copy(item) : copy_item(item);
        if (!copied)
            continue;
        fresh.items[fresh.n++] = copied;
        if (config_item_check(type, str_of(copied), err)) {
            list_free(&fresh);
            return err->code;
        }
    }
    list_free(list);
    *list = fresh;
    return 0;
}

static void print_units(uint64_t number, const struct unit *units, struct buf *out)
{
    while (units[1].name && (number == 0 || number % units->value))
        units++;
    if (number == 0)
        buf_add_char(out, '0');
    else
        buf_addf(out, "%" PRIu64 "%s", number / units->value, units->name);
}

static void print_number(uint64_t number, const struct setting *setting, struct buf *out)
{
    if (setting->type == SETTING_COUNT)
        buf_add_u64(out, number);
    else
        print_units(number, setting->type == SETTING_SIZE ? sizes : durations, out);
}

static int out_of_bounds(const struct setting *setting, struct str text, struct err *err)
{
    struct buf bounds;
    buf_init(&bounds, 128);
    print_number(setting->least, setting, &bounds);
    buf_add_c(&bounds, " to ");
    print_number(setting->most, setting, &bounds);
    err_set(err, ERR_INVALID, "'%.*s' is out of bounds (%.*s)", STR_ARG(text), (int)bounds.len,
            bounds.p);
    buf_fini(&bounds);
    return err->code;
}

static int number_set(uint64_t *place, const struct setting *setting, struct str text,
                      struct err *err)
{
    uint64_t number;
    bool read = setting->type == SETTING_COUNT
                    ? str_to_u64(text, &number)
                    : read_units(text, setting->type == SETTING_SIZE ? sizes : durations, &number);
    if (!read)
        return err_set(err, ERR_INVALID, "'%.*s' is no %s", STR_ARG(text),
                       setting->type == SETTING_COUNT ? "whole number"
                       : setting->type == SETTING_SIZE
                           ? "size (64MiB; units B kB MB GB KiB MiB GiB)"
                           : "duration (6s; units ns us ms s m h d)");
    if ((setting->least || setting->most) && (number < setting->least || number > setting->most))
        return out_of_bounds(setting, text, err);
    *place = number;
    return 0;
}

int config_listen_check(struct str text, struct err *err)
{
    uint64_t port;
    if (str_eq(text, STR("off")) || (str_starts(text, STR("unix:")) && text.len > 5))
        return 0;
    struct str rest = text;
    for (ptrdiff_t at; (at = str_find(rest, ':')) >= 0;)
        rest = str_skip(rest, (size_t)at + 1);
    if (str_to_u64(rest, &port) && port <= 65535)
        return 0;
    return err_set(err, ERR_INVALID, "'%.*s' is no address ([host:]port, unix:/path or off)",
                   STR_ARG(text));
}

static int check_word(const char *words, struct str text, struct err *err)
{
    struct str word, rest = str_of(words);
    while (rest.len) {
        str_cut(rest, '|', &word, &rest);
        if (str_eq(word, text))
            return 0;
    }
    return err_set(err, ERR_INVALID, "'%.*s' is not one of %s", STR_ARG(text), words);
}

static int check_share(struct str text, struct err *err)
{
    uint64_t share;
    bool percent = text.len > 1 && text.p[text.len - 1] == '%' &&
                   str_to_u64((struct str){text.p, text.len - 1}, &share) && share >= 1 &&
                   share <= 99;
    return percent || str_eq(text, STR("all"))
               ? 0
               : err_set(err, ERR_INVALID, "'%.*s' is neither all nor 1%%..99%%", STR_ARG(text));
}

/* It becomes a link of the page. */
static int check_link(struct str text, struct err *err)
{
    if (!text.len || str_starts(text, STR("https://")) || str_starts(text, STR("http://")))
        return 0;
    return err_set(err, ERR_INVALID, "'%.*s' is no link (https://logs.example/?q={trace_id})",
                   STR_ARG(text));
}

static int text_set(char **place, const struct setting *setting, struct str text, struct err *err)
{
    int code = setting->type == SETTING_LISTEN  ? config_listen_check(text, err)
               : setting->type == SETTING_WORD  ? check_word(setting->words, text, err)
               : setting->type == SETTING_SHARE ? check_share(text, err)
               : setting->type == SETTING_LINK  ? check_link(text, err)
                                                : 0;
    if (code)
        return code;
    if (setting->least && !text.len)
        return err_set(err, ERR_INVALID, "may not be empty");
    free(*place);
    *place = copy(text);
    return 0;
}

int config_value_set(struct settings *settings, const struct setting *setting, struct str text,
                     struct err *err)
{
    void *place = (char *)settings + setting->offset;
    if (setting_is_list(setting->type))
        return list_set(place, setting->type, text, err);
    switch (setting->type) {
    case SETTING_DURATION:
    case SETTING_SIZE:
    case SETTING_COUNT:
        return number_set(place, setting, text, err);
    case SETTING_BOOL:
        if (!str_eq(text, STR("true")) && !str_eq(text, STR("false")))
            return err_set(err, ERR_INVALID, "'%.*s' is neither true nor false", STR_ARG(text));
        *(bool *)place = str_eq(text, STR("true"));
        return 0;
    default:
        return text_set(place, setting, text, err);
    }
}

/* sasl.password=… and its like: what is printed is copied into tickets. */
static void print_item(const char *item, struct buf *out)
{
    const char *equals = strchr(item, '=');
    struct str name = {item, equals ? (size_t)(equals - item) : 0};
    static const struct str words[] = {STR("password"), STR("secret"), STR("jaas"), STR("key.pem"),
                                       STR("oauthbearer.config")};
    bool secret = false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        secret = secret || str_contains(name, words[i]);
    /* YAML would read it otherwise */
    bool quoted = strchr("&*!|>%@`\"'#{}[],:?", item[0]) || strchr(item, ',');
    if (secret)
        buf_addf(out, "%.*s=…", STR_ARG(name));
    else
        buf_addf(out, quoted ? "'%s'" : "%s", item);
}

static void print_list(const struct text_list *list, enum setting_type type, struct buf *out)
{
    bool map = type == SETTING_ZONES || type == SETTING_PAIRS;
    buf_add_char(out, map ? '{' : '[');
    for (size_t i = 0; i < list->n; i++) {
        buf_add_c(out, i ? ", " : "");
        print_item(list->items[i], out);
    }
    buf_add_char(out, map ? '}' : ']');
}

void config_value_print(const struct settings *settings, const struct setting *setting,
                        const char *given, struct buf *out)
{
    const void *place = (const char *)settings + setting->offset;
    if (setting_is_list(setting->type)) {
        print_list(place, setting->type, out);
        return;
    }
    switch (setting->type) {
    case SETTING_DURATION:
    case SETTING_SIZE:
    case SETTING_COUNT:
        buf_add_c(out, given);
        break;
    case SETTING_BOOL:
        buf_add_c(out, *(const bool *)place ? "true" : "false");
        break;
    default: {
        const char *text = *(char *const *)place;
        buf_add_c(out, text && text[0] ? text : "''");
    }
    }
}

void config_value_free(struct settings *settings, const struct setting *setting)
{
    void *place = (char *)settings + setting->offset;
    if (setting_is_list(setting->type)) {
        list_free(place);
        return;
    }
    switch (setting->type) {
    case SETTING_TEXT:
    case SETTING_LISTEN:
    case SETTING_WORD:
    case SETTING_SHARE:
    case SETTING_LINK:
        free(*(char **)place);
        break;
    default:
        break;
    }
}
