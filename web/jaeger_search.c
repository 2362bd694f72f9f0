/* jaeger_search.c - parameters that both generations of Jaeger's query API read alike. */
#include "collector/base/json.h"
#include "collector/base/times.h"
#include "web/jaeger.h"

bool jaeger_add_tag(struct jaeger_asked *asked, struct str key, struct str value, struct err *err)
{
    if (asked->wanted.n_tags == MOST_SPAN_TAGS)
        return !err_set(err, ERR_INVALID, "at most %d tags", MOST_SPAN_TAGS);
    asked->tags[asked->wanted.n_tags++] = (struct span_tag){.key = key, .value = value};
    return true;
}

/* A value of {"key":"value",…}. */
static bool read_value(struct json *json, struct arena *arena, struct str *value)
{
    struct json_text text;
    switch (json_peek(json)) {
    case JSON_STRING:
        if (!json_string(json, &text))
            return false;
        *value = json_unescape(arena, text);
        return value->p || !text.raw.len;
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE:
        return json_skip(json, value);
    default:
        return false;
    }
}

bool jaeger_tags(const struct http_request *request, const char *name, struct jaeger_asked *asked,
                 struct err *err)
{
    struct str text = http_query(request, name), tag, value;
    struct json json;
    struct json_text key;
    bool good = true;
    if (!text.len)
        return true;
    json_init(&json, text);
    good = json_open_object(&json);
    while (good && json_next_key(&json, &key)) {
        tag = json_unescape(&asked->arena, key);
        good = (tag.p || !key.raw.len) && read_value(&json, &asked->arena, &value);
        if (good && !jaeger_add_tag(asked, tag, value, err))
            return false;
    }
    return (good && json_end(&json)) ||
           !err_set(err, ERR_INVALID, "%s is a JSON object of texts: {\"key\":\"value\"}", name);
}

bool jaeger_duration(const struct http_request *request, const char *name, uint64_t *ns,
                     struct err *err)
{
    struct str text = http_query(request, name);
    *ns = 0;
    return !text.len || go_duration_parse(text, ns) ||
           !err_set(err, ERR_INVALID, "%s is a duration: 1.2s, 100ms, 500us", name);
}
