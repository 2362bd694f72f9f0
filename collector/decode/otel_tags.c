/* otel_tags.c - tags back into fields. */
#include "collector/decode/otel_tags.h"

#include "collector/decode/json_value.h"
#include "collector/decode/redact.h"

#define MAX_BARS 4

struct taking {
    struct decoding *decoding;
    struct span *span;
    struct otel_tags *found;
    uint32_t n_links;
};

/* A JSON object as attributes. False (nothing said) when it is none. */
static bool read_object(struct decoding *decoding, struct str text, struct attr_list *list)
{
    struct json json;
    struct json_text key;
    struct str name;
    json_init(&json, text);
    if (!json_open_object(&json))
        return false;
    while (json_next_key(&json, &key)) {
        if (list->n >= decoding->limits->attributes) {
            decoding->batch->counts.n_dropped_attributes++;
            json_skip(&json, NULL);
            continue;
        }
        struct attr *attr = attr_list_add(decoding->batch, list);
        if (!attr) {
            decoding_too_big(decoding);
            return false;
        }
        *attr = (struct attr){0};
        if (!json_clean_text(decoding, &json, key, &name) || !value_set_key(decoding, attr, name) ||
            !json_read_any(decoding, &json, attr))
            return false;
        attr->plain = attr->plain && (attr->type != VALUE_TEXT || plain_text(attr->text));
    }
    if (!json_end(&json))
        return false;
    if (redact(decoding->batch, list->items, list->n))
        return true;
    decoding_too_big(decoding);
    return false;
}

/* Cuts the last field, behind a bar, off. */
static bool cut_last(struct str text, struct str *before, struct str *last)
{
    const char *bar = text.len ? memrchr(text.p, '|', text.len) : NULL;
    if (!bar)
        return false;
    *before = (struct str){text.p, (size_t)(bar - text.p)};
    *last = str_skip(text, before->len + 1);
    return true;
}

/* Behind its name an event has a bar and its attributes as an object; the name may have bars. */
bool otel_event_read(struct decoding *decoding, struct str value, struct span_item *item)
{
    struct str rest, dropped;
    uint64_t n;
    item->name = value;
    if (!cut_last(value, &rest, &dropped) || !str_to_u64(dropped, &n) || !rest.len ||
        rest.p[rest.len - 1] != '}')
        return true;
    for (int tries = 0; tries < MAX_BARS && !decoding->err->code; tries++) {
        const char *at = memmem(rest.p, rest.len, "|{", 2);
        if (!at)
            break;
        rest = str_skip(rest, (size_t)(at - rest.p) + 1);
        item->attributes = (struct attr_list){0};
        if (read_object(decoding, rest, &item->attributes)) {
            item->name.len = (size_t)(at - value.p);
            return true;
        }
    }
    item->attributes = (struct attr_list){0};
    return !decoding->err->code;
}

/* `traceId|spanId|tracestate|{attributes}|dropped` */
static bool take_link(struct taking *taking, struct str value)
{
    struct decoding *decoding = taking->decoding;
    struct span_item item = {0};
    struct str rest, state, attributes, dropped;
    uint64_t number;
    if (!str_cut(value, '|', &item.trace_id, &rest) || !str_cut(rest, '|', &item.span_id, &rest) ||
        !str_cut(rest, '|', &state, &rest) || !cut_last(rest, &attributes, &dropped) ||
        item.trace_id.len != 32 || item.span_id.len != 16 ||
        !hex_to_u64((struct str){item.trace_id.p, 16}, &number) ||
        !hex_to_u64(str_skip(item.trace_id, 16), &number) || !hex_to_u64(item.span_id, &number) ||
        !read_object(decoding, attributes, &item.attributes))
        return false;
    if (taking->n_links++ < decoding->limits->links)
        span_item_render(taking->found->links, &item, true);
    else
        decoding->batch->counts.n_dropped_links++;
    return true;
}

static bool take_status(struct taking *taking, struct str code)
{
    static const struct str words[N_STATUSES] = {STR("UNSET"), STR("OK"), STR("ERROR")};
    for (unsigned i = 0; i < N_STATUSES; i++) {
        if (!str_eq(code, words[i]))
            continue;
        taking->span->status = (uint8_t)i;
        taking->found->status_stated = true;
        return true;
    }
    return false;
}

static bool take_kind(struct span *span, struct str word)
{
    int kind = kind_from_word(word);
    if (kind < 0 || (span->kind != KIND_UNSET && span->kind != kind))
        return false;
    span->kind = (uint8_t)kind;
    return true;
}

static bool take_text(struct str *field, struct str text)
{
    *field = text;
    return true;
}

/* True: the tag is taken. */
static bool take(struct taking *taking, const struct attr *tag)
{
    struct span *span = taking->span;
    char first = tag->key.len ? tag->key.p[0] : 0;
    if (tag->type != VALUE_TEXT || (first != 'o' && first != 's' && first != 'w'))
        return false;
    if (str_eq(tag->key, STR("otel.status_code")))
        return take_status(taking, tag->text);
    if (str_eq(tag->key, STR("otel.status_description")))
        return take_text(&span->status_message, tag->text);
    if (str_eq(tag->key, STR("otel.scope.name")) || str_eq(tag->key, STR("otel.library.name")))
        return take_text(&span->scope_name, tag->text);
    if (str_eq(tag->key, STR("otel.scope.version")) ||
        str_eq(tag->key, STR("otel.library.version")))
        return take_text(&span->scope_version, tag->text);
    if (str_eq(tag->key, STR("w3c.tracestate")))
        return take_text(&span->trace_state, tag->text);
    if (str_eq(tag->key, STR("span.kind")))
        return take_kind(span, tag->text);
    return str_starts(tag->key, STR("otlp.link.")) && take_link(taking, tag->text);
}

/* `error` is true, or what went wrong. */
static void take_error(struct span *span, struct attr_list *tags)
{
    for (uint32_t i = 0; i < tags->n; i++) {
        const struct attr *tag = &tags->items[i];
        bool text = tag->type == VALUE_TEXT && !str_eq(tag->text, STR("false"));
        bool truth = tag->type == VALUE_BOOL && tag->integer;
        if (!str_eq(tag->key, STR("error")) || (!text && !truth))
            continue;
        if (text && !span->status_message.len && !str_eq(tag->text, STR("true")))
            span->status_message = tag->text;
        memmove(&tags->items[i], &tags->items[i + 1], (tags->n - i - 1) * sizeof(*tag));
        tags->n--;
        return;
    }
}

bool otel_tags_take(struct decoding *decoding, struct span *span, struct attr_list *tags,
                    struct otel_tags *found)
{
    struct taking taking = {.decoding = decoding, .span = span, .found = found};
    uint32_t n = 0;
    for (uint32_t i = 0; i < tags->n; i++) {
        if (take(&taking, &tags->items[i]))
            continue;
        if (n != i)
            tags->items[n] = tags->items[i];
        n++;
    }
    tags->n = n;
    if (found->status_stated && span->status == STATUS_ERROR)
        take_error(span, tags);
    return !decoding->err->code;
}
