/* span_list.c - growing arrays in a batch's arena. */
#include "collector/decode/span_list.h"

#include <ctype.h>

#include "collector/model/shapes.h"

struct span *span_list_next(struct decoding *decoding)
{
    struct batch *batch = decoding->batch;
    uint32_t n = batch->n_spans;
    if (n + batch->counts.n_rejected >= decoding->limits->max_spans) {
        err_set(decoding->err, ERR_TOO_BIG,
                "the body holds more than receive.max_spans (%u) records",
                decoding->limits->max_spans);
        return NULL;
    }
    /* Capacity is a power of two from 64 on: full when n has become one. */
    if (n == 0 ? !batch->spans : n >= 64 && (n & (n - 1)) == 0) {
        uint32_t cap = n < 64 ? 64 : 2 * n;
        struct span *grown = arena_alloc(&batch->arena, cap * sizeof(*grown));
        if (!grown) {
            decoding_too_big(decoding);
            return NULL;
        }
        if (n)
            memcpy(grown, batch->spans, n * sizeof(*grown));
        batch->spans = grown;
    }
    return &batch->spans[n];
}

static void add_lower(struct buf *out, struct str hex)
{
    for (size_t i = 0; i < hex.len; i++)
        buf_add_char(out, (char)tolower((unsigned char)hex.p[i]));
}

void span_item_render(struct buf *out, const struct span_item *item, bool link)
{
    buf_add_char(out, out->len ? ',' : '[');
    if (link) {
        buf_add_c(out, "{\"trace_id\":\"");
        add_lower(out, item->trace_id);
        buf_add_c(out, "\",\"span_id\":\"");
        add_lower(out, item->span_id);
        buf_add_c(out, "\",");
    } else {
        buf_add_c(out, "{\"time\":\"");
        buf_add_time(out, item->time_ns);
        buf_add_c(out, "\",\"name\":");
        buf_add_json(out, item->name);
        buf_add_char(out, ',');
    }
    buf_add_c(out, "\"attributes\":{");
    for (uint32_t i = 0; i < item->attributes.n; i++) {
        if (i)
            buf_add_char(out, ',');
        attr_render(out, &item->attributes.items[i]);
    }
    buf_add_c(out, "}}");
}

bool span_items_take(struct decoding *decoding, struct buf *out, struct str *text)
{
    *text = STR_NONE;
    if (!out->len && !buf_failed(out))
        return true;
    buf_add_char(out, ']');
    if (!buf_failed(out))
        *text = arena_dup(&decoding->batch->arena, buf_str(out));
    if (text->p)
        return true;
    if (out->short_of_memory)
        decoding->batch->arena.short_of_memory = true;
    decoding_too_big(decoding);
    return false;
}
