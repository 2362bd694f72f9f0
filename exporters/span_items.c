/* span_items.c - one item after the other. */
#include "exporters/span_items.h"

#include "collector/base/times.h"

void span_items_begin(struct span_items *items, struct str rendered)
{
    json_init(&items->json, rendered.len ? rendered : STR("[]"));
    json_open_array(&items->json);
}

static void read_member(struct json *json, struct str key, struct written_item *item)
{
    struct json_text text;
    if (str_eq(key, STR("attributes"))) {
        json_skip(json, &item->attributes);
        return;
    }
    if (json_peek(json) != JSON_STRING || !json_string(json, &text)) {
        json_skip(json, NULL);
        return;
    }
    if (str_eq(key, STR("time")))
        time_parse(text.raw, 0, &item->time_ns);
    else if (str_eq(key, STR("name")))
        item->name = text.raw;
    else if (str_eq(key, STR("trace_id")))
        item->trace_id = text.raw;
    else if (str_eq(key, STR("span_id")))
        item->span_id = text.raw;
}

bool span_items_next(struct span_items *items, struct written_item *item)
{
    struct json_text key;
    *item = (struct written_item){0};
    if (!json_next_item(&items->json) || !json_open_object(&items->json))
        return false;
    while (json_next_key(&items->json, &key))
        read_member(&items->json, key.raw, item);
    return !items->json.error;
}

bool span_item_is_bare(const struct written_item *item)
{
    return str_trim(item->attributes).len <= 2;
}
