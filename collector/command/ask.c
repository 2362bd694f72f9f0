/* ask.c - asking, reading the answer, and printing to people. */
#include "collector/command/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/client.h"
#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "collector/base/times.h"

#define ANSWER_BYTES ((size_t)256 << 20)
#define ANSWER_LIMIT_NS (30 * NS_PER_S)
#define DEED_LIMIT_NS (65 * NS_PER_MINUTE)
#define URL_BYTES ((size_t)8 << 20) /* more than all arguments of a command can be */
#define REFUSAL_BYTES ((size_t)1 << 20)

void ask_path(struct buf *path, const char *what)
{
    buf_init(path, URL_BYTES);
    buf_add_c(path, what);
}

void ask_parameter(struct buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    buf_addf(path, "%c%s=", memchr(path->p, '?', path->len) ? '&' : '?', name);
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     strchr("-._~:", c);
        buf_addf(path, plain ? "%c" : "%%%02X", c);
    }
}

void ask_refusal(unsigned status, const struct buf *answer, struct err *err)
{
    struct arena arena;
    arena_init(&arena, REFUSAL_BYTES);
    const struct tree *tree = tree_read(&arena, buf_str(answer));
    struct str message = tree_get(tree_get(tree, "error"), "message")->text;
    enum err_code code = status == 404   ? ERR_NOT_FOUND
                         : status == 408 ? ERR_TIMEOUT
                         : status == 429 ? ERR_BUSY
                         : status >= 500 ? ERR_IO
                                         : ERR_INVALID;
    if (message.len)
        err_set(err, code, "%.*s", STR_ARG(message));
    else
        err_set(err, code, "%u: %.*s", status, (int)answer->len, answer->p);
    arena_fini(&arena);
}

bool ask_url(struct buf *full, const char *url, const char *root, struct str path)
{
    struct str base = str_of(url);
    while (str_ends(base, STR("/")))
        base.len--;
    buf_init(full, URL_BYTES);
    buf_add_str(full, base);
    buf_add_c(full, root);
    buf_add_str(full, path);
    buf_add_char(full, '\0');
    return !buf_failed(full);
}

/* A request that wants its URL. */
static int send_to(const char *url, const char *root, struct str path,
                   struct client_request request, uint64_t limit_ns, struct buf *answer,
                   struct err *err)
{
    struct buf full;
    unsigned status = 0;
    struct client *client = client_new(limit_ns);
    bool good = ask_url(&full, url, root, path) && client;
    request.url = full.p;
    if (!good)
        err_set(err, ERR_BUSY, "memory is short");
    else if (client_send(client, &request, &status, answer, err) == 0 && status != 200)
        ask_refusal(status, answer, err);
    client_free(client);
    buf_fini(&full);
    return err->code;
}

int ask_deed(const char *url, const char *at, const char *deed, struct buf *answer, struct err *err)
{
    struct client_request request = {.method = "POST", .at = at};
    return url[0] ? send_to(url, "/-/", str_of(deed), request, DEED_LIMIT_NS, answer, err)
                  : err_set(err, ERR_IO, "its web is off");
}

int ask_sql(const char *url, const char *sql, struct buf *answer, struct err *err)
{
    struct buf body;
    buf_init(&body, 8u << 20);
    buf_add_c(&body, "{\"sql\":");
    buf_add_json(&body, str_of(sql));
    buf_add_char(&body, '}');
    struct client_request request = {
        .method = "POST", .content_type = "application/json", .body = buf_str(&body)};
    if (buf_failed(&body))
        err_set(err, ERR_TOO_BIG, "the query is too long");
    else
        send_to(url, API, STR("sql"), request, DEED_LIMIT_NS, answer, err);
    buf_fini(&body);
    return err->code;
}

static int ask_db(const char *path, const struct question *question, struct buf *answer,
                  struct err *err)
{
    struct query *query;
    if (query_open(path, &query, err))
        return err->code;
    question->ask(query, question->what, answer, err);
    query_close(query);
    return err->code;
}

int ask(const struct options *options, const struct question *question, struct buf *answer)
{
    const char *url = option(options, "url");
    struct settings settings;
    struct err err = {0};
    if (!options_one_source(options))
        return EXIT_USAGE;
    struct config *config = url ? NULL : options_store(options, &settings);
    if (!url && !config)
        return EXIT_USAGE;
    if (url)
        send_to(url, API, question->path, (struct client_request){.method = "GET"}, ANSWER_LIMIT_NS,
                answer, &err);
    else
        ask_db(settings.store_path, question, answer, &err);
    config_free(config);
    if (!err.code)
        return EXIT_GOOD;
    fprintf(stderr, "faultline %s: %s\n", options->command->name, err.text);
    return err.code == ERR_INVALID ? EXIT_USAGE : EXIT_NOT_DONE;
}

/* ---- trees ---- */

static struct tree *tree_scalar(struct arena *arena, struct json *json, struct tree *tree)
{
    struct json_text text;
    if (tree->type != JSON_STRING)
        return json_skip(json, &tree->text) ? tree : NULL;
    if (!json_string(json, &text))
        return NULL;
    tree->text = json_unescape(arena, text);
    return tree;
}

struct tree *tree_read(struct arena *arena, struct str text)
{
    struct json json;
    struct tree *open[JSON_MAX_DEPTH + 1] = {NULL}, **tail[JSON_MAX_DEPTH + 1] = {NULL},
                                       *root = NULL;
    struct json_text key = {0};
    json_init(&json, text);
    do {
        unsigned depth = json.depth;
        key.raw = STR_NONE;
        if (depth) {
            bool object = open[depth]->type == JSON_OBJECT;
            if (!(object ? json_next_key(&json, &key) : json_next_item(&json)))
                continue;
        }
        struct tree *tree = arena_calloc(arena, sizeof(*tree));
        if (!tree)
            return NULL;
        tree->type = (uint8_t)json_peek(&json);
        tree->key = json_unescape(arena, key);
        if (depth) {
            *tail[depth] = tree;
            tail[depth] = &tree->next;
        } else {
            root = tree;
        }
        if (tree->type == JSON_OBJECT ? json_open_object(&json)
                                      : tree->type == JSON_ARRAY && json_open_array(&json)) {
            open[json.depth] = tree;
            tail[json.depth] = &tree->first;
        } else if (!tree_scalar(arena, &json, tree)) {
            return NULL;
        }
    } while (json.depth && !json.error);
    return json_end(&json) ? root : NULL;
}

const struct tree *tree_get(const struct tree *tree, const char *key)
{
    static const struct tree none;
    for (const struct tree *at = tree ? tree->first : NULL; at; at = at->next) {
        if (str_eq(at->key, str_of(key)))
            return at;
    }
    return &none;
}

double tree_number(const struct tree *tree)
{
    double number = 0;
    return str_to_double(tree->text, &number) ? number : 0;
}

/* ---- printing ---- */

void print_clean(struct str text, int max)
{
    int width = 0;
    for (size_t i = 0; i < text.len && width < max; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool begins = (c & 0xc0) != 0x80;
        if (c < 0x20 || c == 0x7f)
            c = '?';
        putchar(c);
        width += begins;
        /* The rest of a character belongs to it. */
        while (begins && c >= 0x80 && i + 1 < text.len &&
               ((unsigned char)text.p[i + 1] & 0xc0) == 0x80)
            putchar(text.p[++i]);
    }
    for (; width < max && max < 1000; width++)
        putchar(' ');
}

void print_time(const struct options *options, struct str text, int width)
{
    uint64_t ns;
    struct tm parts;
    char shown[40], zone[8] = "Z";
    if (width > 29)
        width = 29; /* the Z comes behind */
    if (option(options, "local") && time_parse(text, 0, &ns)) {
        time_t seconds = (time_t)(ns / NS_PER_S);
        localtime_r(&seconds, &parts);
        size_t n = strftime(shown, sizeof(shown), "%Y-%m-%dT%H:%M:%S", &parts);
        snprintf(shown + n, sizeof(shown) - n, ".%09u", (unsigned)(ns % NS_PER_S));
        strftime(zone, sizeof(zone), "%z", &parts);
        text = str_of(shown);
    }
    printf("%.*s%s", (int)text.len < width ? (int)text.len : width, text.p ? text.p : "", zone);
}

void print_ns(const struct tree *value, int width)
{
    char text[32];
    double ns = tree_number(value);
    if (value->type != JSON_NUMBER)
        snprintf(text, sizeof(text), "-");
    else if (ns < 1e6)
        snprintf(text, sizeof(text), "%.0f us", ns / 1e3);
    else if (ns < 1e10)
        snprintf(text, sizeof(text), "%.1f ms", ns / 1e6);
    else
        snprintf(text, sizeof(text), "%.1f s", ns / 1e9);
    printf("%*s", width, text);
}

const char *paint(const char *code)
{
    static int colours = -1;
    if (colours < 0)
        colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    return colours ? code : "";
}

int ask_for_verdict(const struct options *options, const struct question *question,
                    int (*judge)(const struct tree *tree),
                    void (*print)(const struct options *options, const struct tree *tree))
{
    const char *format = option(options, "format");
    struct buf answer;
    struct arena arena;
    buf_init(&answer, ANSWER_BYTES);
    arena_init(&arena, ANSWER_BYTES);
    int code = ask(options, question, &answer);
    if (code == EXIT_GOOD) {
        const struct tree *tree = tree_read(&arena, buf_str(&answer));
        code = tree ? judge(tree) : EXIT_NOT_DONE;
        if (format && strcmp(format, "json") == 0)
            printf("%.*s\n", (int)answer.len, answer.p);
        else if (tree)
            print(options, tree);
    }
    arena_fini(&arena);
    buf_fini(&answer);
    return code;
}
