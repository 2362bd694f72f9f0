/* otlp_json_walk.c - resource and scope usually stand before their items; where they do not, the
 * raw text of the items is read when the object has ended.
 */
#include "collector/decode/otlp_json_walk.h"

#include "collector/decode/semconv.h"

bool otlp_json_name(struct decoding *decoding, struct json *json, struct str *text)
{
    struct batch *batch = decoding->batch;
    return json_read_text(decoding, json, text) &&
           text_keep(batch, text, decoding->limits->name_bytes, &batch->counts.n_cut_names, NULL);
}

/* ---- ids ---- */

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Some exporters write ids in base64: 16 bytes are 22 digits, 8 bytes 11, '=' aside. */
static bool base64_to_bytes(struct str text, unsigned char *bytes, size_t n)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t at = 0;
    while (text.len && text.p[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.p[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        n_bits += 6;
        if (n_bits >= 8) {
            if (at == n)
                return false;
            n_bits -= 8;
            bytes[at++] = (unsigned char)(bits >> n_bits);
        }
    }
    return at == n;
}

static uint64_t big_endian(const unsigned char *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof(number));
    return __builtin_bswap64(number);
}

/* A broken hexadecimal id is none in base64, whatever its length. */
static bool is_hex(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return false;
    }
    return true;
}

bool otlp_json_id_halves(struct str text, size_t n_bytes, uint64_t halves[2])
{
    unsigned char bytes[16];
    halves[0] = halves[1] = 0;
    if (text.len == 2 * n_bytes) {
        struct str low = str_skip(text, text.len - 16);
        return hex_to_u64(low, &halves[1]) &&
               (n_bytes == 8 || hex_to_u64((struct str){text.p, 16}, &halves[0]));
    }
    size_t digits = n_bytes == 16 ? 22 : 11;
    if (text.len < digits || text.len > digits + 2 || is_hex(text) ||
        !base64_to_bytes(text, bytes, n_bytes))
        return false;
    halves[1] = big_endian(bytes + n_bytes - 8);
    if (n_bytes == 16)
        halves[0] = big_endian(bytes);
    return true;
}

/* An id that is not even a string is rejected with its span, not with the body. */
bool otlp_json_id(struct decoding *decoding, struct json *json, struct str *text)
{
    enum json_type type = json_peek(json);
    if (type == JSON_STRING || type == JSON_NULL)
        return json_read_text(decoding, json, text);
    *text = STR("?");
    return json_skip(json, NULL);
}

/* ---- enums, which some senders write as words ---- */

bool otlp_json_enum(struct json *json, struct str prefix, const char *const *words, unsigned n,
                    uint64_t *number)
{
    struct json_text text;
    int64_t wide = 0;
    *number = 0;
    if (json_peek(json) != JSON_STRING) {
        bool good = json_read_i64(json, &wide);
        *number = (uint64_t)wide;
        return good;
    }
    if (!json_string(json, &text))
        return false;
    if (str_to_i64(text.raw, &wide)) {
        *number = (uint64_t)wide;
        return true;
    }
    struct str word = str_starts(text.raw, prefix) ? str_skip(text.raw, prefix.len) : text.raw;
    for (unsigned i = 0; i < n; i++) {
        if (str_eq_nocase(word, str_of(words[i])))
            *number = i;
    }
    return true;
}

bool otlp_json_pass(struct json *json, const struct json_text *key)
{
    int64_t number;
    if (key_is(key, STR("flags")) ||
        (str_starts(key->raw, STR("dropped")) && str_ends(key->raw, STR("Count"))))
        return json_read_i64(json, &number);
    if (key_is(key, STR("schemaUrl")) && json_peek(json) != JSON_STRING)
        return json_is_null(json) || json_wrong(json, "a string was expected");
    return json_skip(json, NULL);
}

/* ---- resources, scopes, items ---- */

struct walk {
    struct decoding *decoding;
    const struct otlp_json_kind *kind;
};

static bool read_items(struct walk *walk, struct json *json, const struct resource *resource,
                       const struct scope *scope)
{
    if (json_is_null(json))
        return true;
    if (!json_open_array(json))
        return false;
    while (json_next_item(json)) {
        if (!walk->kind->read_item(walk->decoding, json, resource, scope))
            return false;
    }
    return !json->error;
}

static bool read_scope(struct decoding *decoding, struct json *json, struct scope *scope)
{
    struct json_text key;
    if (json_is_null(json))
        return true;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool ok = key_is(&key, STR("name"))      ? otlp_json_name(decoding, json, &scope->name)
                  : key_is(&key, STR("version")) ? otlp_json_name(decoding, json, &scope->version)
                                                 : otlp_json_pass(json, &key);
        if (!ok)
            return false;
    }
    return !json->error;
}

/* Reads raw text that was put aside with a reader of its own. */
static bool put_aside_done(struct json *json, struct json *aside)
{
    return aside->error ? json_wrong(json, aside->error) : true;
}

static bool read_scope_items(struct walk *walk, struct json *json, const struct resource *resource)
{
    struct scope scope = {0};
    struct json_text key;
    struct str aside = STR_NONE;
    bool have_scope = false;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool ok;
        if (key_is(&key, STR("scope")) || key_is(&key, STR("instrumentationLibrary"))) {
            have_scope = true;
            ok = read_scope(walk->decoding, json, &scope);
        } else if (key_is(&key, walk->kind->items)) {
            ok = have_scope ? read_items(walk, json, resource, &scope) : json_skip(json, &aside);
        } else {
            ok = otlp_json_pass(json, &key);
        }
        if (!ok)
            return false;
    }
    if (json->error || !aside.len)
        return !json->error;
    struct json again;
    json_init(&again, aside);
    read_items(walk, &again, resource, &scope);
    return put_aside_done(json, &again);
}

static bool read_all_scopes(struct walk *walk, struct json *json, const struct resource *resource)
{
    if (json_is_null(json))
        return true;
    if (!json_open_array(json))
        return false;
    while (json_next_item(json)) {
        if (!read_scope_items(walk, json, resource))
            return false;
    }
    return !json->error;
}

static bool read_resource(struct decoding *decoding, struct json *json, struct attr_list *list)
{
    struct json_text key;
    if (json_is_null(json))
        return true;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        if (!(key_is(&key, STR("attributes")) ? json_any_attributes(decoding, json, list)
                                              : otlp_json_pass(json, &key)))
            return false;
    }
    return !json->error;
}

static const struct resource *make_resource(struct decoding *decoding, const struct attr_list *list)
{
    struct resource *resource = arena_calloc(&decoding->batch->arena, sizeof(*resource));
    if (!resource) {
        decoding_too_big(decoding);
        return NULL;
    }
    resource->attrs = list->items;
    resource->n_attrs = list->n;
    resource->index = decoding->batch->n_resources++;
    semconv_resource(&decoding->batch->arena, resource);
    return resource;
}

static bool read_resource_items(struct walk *walk, struct json *json)
{
    struct attr_list list = {0};
    struct json_text key;
    struct str aside = STR_NONE;
    const struct resource *resource = NULL;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool ok;
        if (key_is(&key, STR("resource"))) {
            ok = read_resource(walk->decoding, json, &list);
            resource = ok ? make_resource(walk->decoding, &list) : NULL;
            ok = resource != NULL;
        } else if (key_is(&key, walk->kind->scopes) || key_is(&key, walk->kind->old_scopes)) {
            ok = resource ? read_all_scopes(walk, json, resource) : json_skip(json, &aside);
        } else {
            ok = otlp_json_pass(json, &key);
        }
        if (!ok)
            return json_wrong(json, "memory");
    }
    if (json->error || !aside.len)
        return !json->error;
    if (!resource && !(resource = make_resource(walk->decoding, &list)))
        return json_wrong(json, "memory");
    struct json again;
    json_init(&again, aside);
    read_all_scopes(walk, &again, resource);
    return put_aside_done(json, &again);
}

static bool read_all_resources(struct walk *walk, struct json *json)
{
    if (!json_open_array(json))
        return false;
    while (json_next_item(json)) {
        if (!read_resource_items(walk, json))
            return false;
    }
    return !json->error;
}

/* ---- names as the .proto files have them ---- */

/* resource_spans becomes resourceSpans; all else stays. */
static size_t add_camel(struct str name, char *out)
{
    size_t n = 0;
    bool raise = false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        if (c != '_')
            out[n++] = raise && c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
        raise = c == '_';
    }
    return n;
}

static bool is_snake_of(struct str key, struct str name)
{
    char camel[32];
    return key.len > name.len && key.len <= sizeof(camel) &&
           str_eq((struct str){camel, add_camel(key, camel)}, name);
}

/* Behind the string that begins there, or what stands before the next one. */
static size_t token_end(struct str json, size_t at)
{
    size_t end = at + 1;
    if (json.p[at] != '"') {
        const char *quote = memchr(json.p + at, '"', json.len - at);
        return quote ? (size_t)(quote - json.p) : json.len;
    }
    while (json.p[end] != '"')
        end += json.p[end] == '\\' ? 2 : 1;
    return end + 1;
}

/* A string before a colon. The text is JSON already. */
static bool is_key(struct str json, size_t at, size_t end)
{
    while (end < json.len && json.p[end] <= ' ')
        end++;
    return json.p[at] == '"' && end < json.len && json.p[end] == ':';
}

/* Some senders tell their JSON library to keep the names of the .proto files: then it does so for
 * all of them. Every key is a field's name: those of attributes are values. */
static bool read_snake(struct walk *walk, struct json *json)
{
    struct str from;
    if (!json_skip(json, &from))
        return false;
    char *text = arena_alloc(&walk->decoding->batch->arena, from.len);
    size_t n = 0, at = 0;
    if (!text) {
        decoding_too_big(walk->decoding);
        return json_wrong(json, "memory");
    }
    while (at < from.len) {
        size_t end = token_end(from, at);
        if (is_key(from, at, end)) {
            n += add_camel((struct str){from.p + at, end - at}, text + n);
        } else {
            memcpy(text + n, from.p + at, end - at);
            n += end - at;
        }
        at = end;
    }
    struct json again;
    json_init(&again, (struct str){text, n});
    read_all_resources(walk, &again);
    return put_aside_done(json, &again);
}

static void read_request(struct walk *walk, struct json *json)
{
    struct json_text key;
    bool good = json_open_object(json);
    while (good && json_next_key(json, &key)) {
        if (json_peek(json) == JSON_NULL)
            good = json_skip(json, NULL);
        else if (key_is(&key, walk->kind->resources))
            good = read_all_resources(walk, json);
        else if (is_snake_of(key.raw, walk->kind->resources))
            good = read_snake(walk, json);
        else
            good = json_skip(json, NULL);
    }
}

int otlp_json_walk(struct decoding *decoding, struct str body, const struct otlp_json_kind *kind)
{
    struct walk walk = {decoding, kind};
    struct json json;
    if (str_trim(body).len == 0)
        return err_set(decoding->err, ERR_INVALID,
                       "the JSON body is empty; an empty request is {}");
    json_init(&json, body);
    read_request(&walk, &json);
    return json_finish(decoding, &json);
}
