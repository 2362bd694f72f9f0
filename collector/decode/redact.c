/* redact.c - whether a key is secret is decided once a key and thread: keys are few. */
#include "collector/decode/redact.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "collector/base/buf.h"
#include "collector/base/json.h"

#define CACHED 256u
#define MAX_CACHED_KEY 63
#define REDACTED "REDACTED"

struct redaction {
    uint64_t number; /* of all that were ever made: a cache knows whose answers it holds */
    char **words;    /* lower case, '-' for '_' */
    size_t n;
};

/* Parameters of URLs that are signatures, whatever the words are. */
static const char *const signatures[] = {"sig", "signature", "awsaccesskeyid", "x-goog-signature"};

/* Attributes that hold a URL or its query. */
static const struct str url_keys[] = {STR("url.full"),  STR("http.url"),  STR("http.target"),
                                      STR("http.path"), STR("url.query"), STR("http.referer")};

static char folded(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c + 32);
    return c == '_' ? '-' : c;
}

struct redaction *redaction_new(const char *const *words, size_t n)
{
    static _Atomic uint64_t numbers = 1;
    struct redaction *redaction = calloc(1, sizeof(*redaction));
    if (redaction)
        redaction->words = calloc(n + 1, sizeof(char *));
    if (!redaction || !redaction->words) {
        free(redaction);
        return NULL;
    }
    redaction->number = atomic_fetch_add(&numbers, 1);
    for (size_t i = 0; i < n; i++) {
        char *word = words[i][0] ? strdup(words[i]) : NULL;
        for (char *at = word; at && *at; at++)
            *at = folded(*at);
        if (word)
            redaction->words[redaction->n++] = word;
    }
    return redaction;
}

void redaction_free(struct redaction *redaction)
{
    if (!redaction)
        return;
    for (size_t i = 0; i < redaction->n; i++)
        free(redaction->words[i]);
    free(redaction->words);
    free(redaction);
}

bool redaction_same(const struct redaction *a, const struct redaction *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; i < a->n && same; i++)
        same = strcmp(a->words[i], b->words[i]) == 0;
    return same;
}

/* A '-' of the word may be missing: api-key, apiKey. */
static bool begins_with(struct str key, const char *word)
{
    size_t at = 0;
    for (; *word; word++) {
        bool same = at < key.len && folded(key.p[at]) == *word;
        if (!same && *word != '-')
            return false;
        at += same;
    }
    return true;
}

static bool has_word(struct str key, const char *word)
{
    for (size_t at = 0; at < key.len; at++) {
        if (begins_with(str_skip(key, at), word))
            return true;
    }
    return false;
}

static bool matches(const struct redaction *redaction, struct str key)
{
    for (size_t i = 0; i < redaction->n; i++) {
        if (has_word(key, redaction->words[i]))
            return true;
    }
    return false;
}

enum key_answer { KEY_PLAIN, KEY_SECRET, KEY_URL };

static enum key_answer decide(const struct redaction *redaction, struct str key)
{
    if (matches(redaction, key))
        return KEY_SECRET;
    for (size_t i = 0; i < sizeof(url_keys) / sizeof(url_keys[0]); i++) {
        if (str_eq(key, url_keys[i]))
            return KEY_URL;
    }
    return KEY_PLAIN;
}

static enum key_answer answer_for(const struct redaction *redaction, struct str key)
{
    static __thread struct {
        uint64_t number;
        uint8_t answer, len;
        char key[MAX_CACHED_KEY];
    } cache[CACHED];
    if (key.len == 0 || key.len > MAX_CACHED_KEY)
        return decide(redaction, key);
    const unsigned char *p = (const unsigned char *)key.p;
    size_t at = (key.len * 31 + p[0] * 7u + p[key.len / 2] * 61u + p[key.len - 1] * 263u +
                 p[key.len / 3] * 17u) %
                CACHED;
    bool known = cache[at].number == redaction->number && cache[at].len == key.len &&
                 memcmp(cache[at].key, key.p, key.len) == 0;
    if (!known) {
        cache[at].answer = (uint8_t)decide(redaction, key);
        cache[at].number = redaction->number;
        cache[at].len = (uint8_t)key.len;
        memcpy(cache[at].key, key.p, key.len);
    }
    return (enum key_answer)cache[at].answer;
}

/* ---- URLs ---- */

static bool is_secret_parameter(const struct redaction *redaction, struct str name)
{
    for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
        if (name.len == strlen(signatures[i]) && has_word(name, signatures[i]))
            return true;
    }
    return matches(redaction, name);
}

/* name=value&…: gives the text behind, up to where the query ends. */
static size_t write_query(const struct redaction *redaction, struct str query, char *out)
{
    size_t n = 0;
    while (query.len) {
        struct str pair, rest, name, value;
        bool more = str_cut(query, '&', &pair, &rest);
        bool has_value = str_cut(pair, '=', &name, &value);
        if (has_value && is_secret_parameter(redaction, name)) {
            memcpy(out + n, name.p, name.len);
            n += name.len;
            memcpy(out + n, "=" REDACTED, sizeof(REDACTED));
            n += sizeof(REDACTED);
        } else {
            memcpy(out + n, pair.p, pair.len);
            n += pair.len;
        }
        if (more)
            out[n++] = '&';
        query = more ? rest : STR_NONE;
    }
    return n;
}

/* scheme://user:password@host: how many bytes before the user information, and how many it has. */
static bool find_user(struct str url, size_t *at, size_t *len)
{
    ptrdiff_t mark = str_find(url, ':');
    if (mark < 0 || !str_starts(str_skip(url, (size_t)mark), STR("://")))
        return false;
    *at = (size_t)mark + 3;
    struct str rest = str_skip(url, *at);
    for (size_t i = 0; i < rest.len && rest.p[i] != '/' && rest.p[i] != '?'; i++) {
        if (rest.p[i] == '@') {
            *len = i;
            return true;
        }
    }
    return false;
}

/* At most: every parameter becomes REDACTED, and the user. */
static size_t longest(struct str url)
{
    size_t n = url.len + 64;
    for (size_t i = 0; i < url.len; i++)
        n += url.p[i] == '=' ? sizeof(REDACTED) : 0;
    return n;
}

static bool redact_url(struct batch *batch, struct attr *attr, bool is_query)
{
    struct str url = attr->text, query;
    ptrdiff_t mark = is_query ? 0 : str_find(url, '?');
    size_t user_at = 0, user_len = 0, n = 0;
    bool user = !is_query && find_user(url, &user_at, &user_len);
    if (mark < 0 && !user)
        return true;
    char *out = arena_alloc_aligned(&batch->arena, longest(url), 1);
    if (!out)
        return false;
    size_t head = is_query ? 0 : mark < 0 ? url.len : (size_t)mark + 1;
    if (user) {
        memcpy(out, url.p, user_at);
        memcpy(out + user_at, REDACTED ":" REDACTED, 2 * sizeof(REDACTED) - 1);
        n = user_at + 2 * sizeof(REDACTED) - 1;
        memcpy(out + n, url.p + user_at + user_len, head - user_at - user_len);
        n += head - user_at - user_len;
    } else {
        memcpy(out, url.p, head);
        n = head;
    }
    query = str_skip(url, head);
    n += write_query(batch->redaction, query, out + n);
    attr->text = (struct str){out, n};
    return true;
}

/* ---- maps ---- */

/* Writes the rendered JSON with secret members replaced; how many there are. Nothing without. */
static unsigned write_json(const struct redaction *redaction, struct str text, struct buf *out)
{
    struct json json;
    struct json_text key;
    struct str value;
    const char *done = text.p;
    unsigned n = 0;
    json_init(&json, text);
    do {
        if (json.depth) {
            bool object = json.is_object >> (json.depth - 1) & 1;
            if (!(object ? json_next_key(&json, &key) : json_next_item(&json)))
                continue;
            if (object && answer_for(redaction, key.raw) == KEY_SECRET) {
                if (!json_skip(&json, &value))
                    break;
                buf_add(out, done, (size_t)(value.p - done));
                buf_add_c(out, "\"" REDACTED "\"");
                done = value.p + value.len;
                n++;
                continue;
            }
        }
        enum json_type type = json_peek(&json);
        if (type == JSON_OBJECT  ? !json_open_object(&json)
            : type == JSON_ARRAY ? !json_open_array(&json)
                                 : !json_skip(&json, &value))
            break;
    } while (json.depth && !json.error);
    if (n)
        buf_add(out, done, (size_t)(text.p + text.len - done));
    return n;
}

static bool redact_json(struct batch *batch, struct attr *attr)
{
    struct buf out;
    buf_init(&out, 2 * attr->text.len + 64);
    bool good = true;
    if (write_json(batch->redaction, attr->text, &out)) {
        attr->text = arena_dup(&batch->arena, buf_str(&out));
        good = attr->text.p && !buf_failed(&out);
    }
    buf_fini(&out);
    return good;
}

/* ---- attributes ---- */

bool redact(struct batch *batch, struct attr *attrs, uint32_t n)
{
    if (!batch->redaction)
        return true;
    for (uint32_t i = 0; i < n; i++) {
        struct attr *attr = &attrs[i];
        enum key_answer answer = answer_for(batch->redaction, attr->key);
        if (answer == KEY_SECRET) {
            attr->type = VALUE_TEXT;
            attr->text = STR(REDACTED);
        } else if (attr->type == VALUE_JSON) {
            if (!redact_json(batch, attr))
                return false;
        } else if (answer == KEY_URL && attr->type == VALUE_TEXT &&
                   !redact_url(batch, attr, str_eq(attr->key, STR("url.query")))) {
            return false;
        }
    }
    return true;
}

bool redact_batch(struct batch *batch)
{
    const struct resource *last = NULL;
    bool good = true;
    for (uint32_t i = 0; batch->redaction && i < batch->n_spans && good; i++) {
        struct span *span = &batch->spans[i];
        good = redact(batch, span->attrs, span->n_attrs);
        /* What is done twice is the same. */
        if (span->resource != last)
            good = good && redact(batch, span->resource->attrs, span->resource->n_attrs);
        last = span->resource;
    }
    for (uint32_t i = 0; batch->redaction && i < batch->n_points && good; i++) {
        const struct metric_point *point = &batch->points[i];
        const struct resource *resource = point->metric->resource;
        good = redact(batch, point->attrs, point->n_attrs);
        if (resource != last)
            good = good && redact(batch, resource->attrs, resource->n_attrs);
        last = resource;
    }
    return good;
}
