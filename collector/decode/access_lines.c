/* access_lines.c - bodies of access log lines: one line, one record; what is none is rejected
 * alone.
 *
 * A line is text in its format's own order, or a JSON object with the same fields by name.
 */
#include <stdlib.h>

#include "collector/decode/access_log.h"
#include "collector/decode/decode.h"
#include "collector/decode/json_value.h"
#include "collector/decode/repeats.h"
#include "collector/decode/span_list.h"
#include "collector/model/access_id.h"

#define MAX_LINE ((size_t)64 << 10)
#define MAX_NESTED 3
#define SCRATCH_BYTES ((size_t)32 << 20)

struct kind {
    enum format format;
    access_read_f *read; /* NULL: the format has no text of its own */
    access_finish_f *finish;
};

static const struct kind kinds[] = {
    {FORMAT_ALB, access_read_alb, access_finish_alb},
    {FORMAT_NLB, access_read_nlb, access_finish_nlb},
    {FORMAT_APIGW, NULL, access_finish_apigw},
    {FORMAT_NGINX, access_read_nginx, access_finish_nginx},
    {FORMAT_HAPROXY, access_read_haproxy, access_finish_haproxy},
    {FORMAT_ENVOY_LOG, access_read_envoy, access_finish_envoy},
};

struct lines {
    struct decoding decoding;
    struct senders senders;
    struct map seen; /* a line's id -> how often it came in this body */
    struct repeated {
        uint64_t id;
        uint32_t n;
    } * repeats;
    uint32_t n_repeats, cap_repeats;
    uint32_t number; /* of the line, from 1 */
    uint32_t before; /* lines equal to the next one that earlier bodies hold (repeats.h) */
    const struct kind *kind;
};

/* ---- lines that are equal ---- */

static bool is_again(struct lines *lines, uint64_t id, uint32_t *n)
{
    for (struct map_iter it = map_find(&lines->seen, id); map_next(&lines->seen, &it);) {
        if (lines->repeats[it.value].id == id) {
            *n = ++lines->repeats[it.value].n;
            return true;
        }
    }
    return false;
}

/* The line's id, of whose equals `before` came in other bodies; 0 when memory is short. */
static uint64_t line_id(struct lines *lines, struct str line, uint32_t before)
{
    uint64_t id = access_id_of(line);
    uint32_t n;
    if (is_again(lines, id, &n))
        return access_id_repeated(id, n);
    if (lines->n_repeats == lines->cap_repeats) {
        uint32_t cap = lines->cap_repeats ? 2 * lines->cap_repeats : 64;
        struct repeated *grown = realloc(lines->repeats, cap * sizeof(*grown));
        if (!grown)
            return 0;
        lines->repeats = grown;
        lines->cap_repeats = cap;
    }
    if (!map_add(&lines->seen, id, lines->n_repeats))
        return 0;
    lines->repeats[lines->n_repeats++] = (struct repeated){.id = id, .n = before};
    return access_id_repeated(id, before);
}

/* ---- JSON ---- */

/* What text a member's value comes to; null is ''. Arrays are nothing that a field says. */
static bool read_value(struct decoding *decoding, struct json *json, struct str *text)
{
    *text = STR_NONE;
    switch (json_peek(json)) {
    case JSON_STRING:
        return json_read_text(decoding, json, text);
    case JSON_NUMBER:
        return json_number(json, text);
    case JSON_TRUE:
    case JSON_FALSE:
        return json_skip(json, text);
    default:
        return json_skip(json, NULL);
    }
}

/* Objects within the object are members with a longer name (identity.sourceIp); a name of its own
 * comes before one within another. */
static bool set_member(struct decoding *decoding, struct access *access, struct json *json,
                       struct str name, bool nested)
{
    struct str text;
    if (!read_value(decoding, json, &text))
        return false;
    enum access_field field = access_field_of(name);
    if (!nested || field == N_ACCESS_FIELDS || !access->at[field].len)
        access_set_named(access, name, text);
    return true;
}

/* An object, or its text. */
static bool set_peer(struct decoding *decoding, struct access *access, struct json *json,
                     enum access_field peer)
{
    struct str text;
    bool good =
        json_peek(json) == JSON_OBJECT ? json_skip(json, &text) : read_value(decoding, json, &text);
    if (good)
        access_read_peer(decoding, access, peer, text);
    return good;
}

const char *access_read_json(struct decoding *decoding, struct access *access, struct str text)
{
    struct json json;
    struct json_text key;
    struct str name;
    enum access_field peer;
    unsigned depth = 0;
    json_init(&json, text);
    if (!json_open_object(&json))
        return "not a JSON object";
    for (;;) {
        if (!json_next_key(&json, &key)) {
            if (json.error || depth-- == 0)
                break;
        } else if (!json_clean_text(decoding, &json, key, &name)) {
            break;
        } else if ((peer = access_peer_of(name)) != N_ACCESS_FIELDS) {
            if (!set_peer(decoding, access, &json, peer))
                break;
        } else if (json_peek(&json) == JSON_OBJECT && depth < MAX_NESTED) {
            depth++;
            json_open_object(&json);
        } else if (!set_member(decoding, access, &json, name, depth > 0)) {
            break;
        }
    }
    return json_end(&json) ? NULL : json.error ? json.error : "JSON with something behind it";
}

/* ---- lines ---- */

static const char *read_line(struct lines *lines, struct str line, struct access *access)
{
    const struct kind *kind = lines->kind;
    const char *wrong;
    *access = (struct access){.kind = KIND_SERVER, .format = (uint8_t)kind->format};
    if (line.len > MAX_LINE)
        return "longer than 65536 bytes";
    if (line.p[0] == '{')
        wrong = access_read_json(&lines->decoding, access, line);
    else
        wrong = kind->read ? kind->read(access, line) : "not a JSON object";
    if (!wrong)
        wrong = kind->finish(access);
    return wrong;
}

/* False when the body ends here: err says why. */
static bool take_line(struct lines *lines, struct str line)
{
    struct decoding *decoding = &lines->decoding;
    struct batch *batch = decoding->batch;
    struct access access;
    uint32_t before = lines->before;
    if (repeats_line(line, &lines->before))
        return true;
    lines->before = 0;
    lines->number++;
    struct span *span = span_list_next(decoding);
    if (!span)
        return false;
    const char *wrong = read_line(lines, line, &access);
    if (decoding->err->code)
        return false;
    if (wrong) {
        batch_reject(batch, "line %u: %s: %s", lines->number, format_word(lines->kind->format),
                     wrong);
        return true;
    }
    uint64_t id = line_id(lines, line, before);
    if (!id) {
        batch->arena.short_of_memory = true;
        decoding_too_big(decoding);
        return false;
    }
    if (access_span(decoding, &lines->senders, &access, id, span))
        return false;
    batch->n_spans++;
    return true;
}

static int decode_lines(enum format format, struct str input, const struct limits *limits,
                        struct batch *batch, struct err *err)
{
    struct lines lines = {.decoding = {.batch = batch, .limits = limits, .err = err}};
    struct str line;
    err->code = ERR_NONE;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].format == format)
            lines.kind = &kinds[i];
    }
    map_init(&lines.seen);
    senders_init(&lines.senders);
    buf_init(&lines.decoding.json, SCRATCH_BYTES);
    if (str_starts(input, STR(BYTE_ORDER_MARK)))
        input = str_skip(input, sizeof(BYTE_ORDER_MARK) - 1);
    while (input.len) {
        str_cut(input, '\n', &line, &input);
        line = str_trim(line);
        if (!line.len)
            lines.number++;
        else if (!take_line(&lines, line))
            break;
    }
    buf_fini(&lines.decoding.json);
    senders_fini(&lines.senders);
    map_fini(&lines.seen);
    free(lines.repeats);
    return err->code;
}

#define DECODER(name, format)                                                                      \
    int decode_##name(struct str input, const struct limits *limits, struct batch *batch,          \
                      struct err *err)                                                             \
    {                                                                                              \
        return decode_lines(format, input, limits, batch, err);                                    \
    }

DECODER(alb, FORMAT_ALB)
DECODER(nlb, FORMAT_NLB)
DECODER(apigw, FORMAT_APIGW)
DECODER(nginx, FORMAT_NGINX)
DECODER(haproxy, FORMAT_HAPROXY)
DECODER(envoy_log, FORMAT_ENVOY_LOG)

/* ---- which kind is it? ---- */

static bool has_key(struct str line, const char *key)
{
    return str_contains(line, str_of(key));
}

static int guess_json(struct str line)
{
    if (has_key(line, "\"upstream_cluster\"") || has_key(line, "\"response_flags\""))
        return FORMAT_ENVOY_LOG;
    if (has_key(line, "\"apiId\"") || has_key(line, "\"routeKey\"") ||
        has_key(line, "\"resourcePath\"") || has_key(line, "\"requestTimeEpoch\""))
        return FORMAT_APIGW;
    if (has_key(line, "\"remote_addr\"") || has_key(line, "\"request_time\""))
        return FORMAT_NGINX;
    return -1;
}

int access_guess(struct str text)
{
    struct str line, rest;
    struct access access = {.kind = KIND_SERVER};
    str_cut(str_trim(text), '\n', &line, &rest);
    line = str_trim(line);
    if (!line.len || line.len > MAX_LINE)
        return -1;
    if (line.p[0] == '{')
        return guess_json(line);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        access = (struct access){.kind = KIND_SERVER};
        if (kinds[i].read && !kinds[i].read(&access, line))
            return kinds[i].format;
    }
    return -1;
}
