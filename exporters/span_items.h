/* span_items.h - events and links of a span, read from the JSON in which a batch has them. */
#ifndef EXPORTERS_SPAN_ITEMS_H
#define EXPORTERS_SPAN_ITEMS_H

#include "collector/base/json.h"

struct span_items {
    struct json json;
};

/* Texts are as they stand between quotes; they point into the span's. */
struct written_item {
    uint64_t time_ns;
    struct str name;              /* of an event */
    struct str trace_id, span_id; /* of a link */
    struct str attributes;        /* the object with its braces */
};

/* `rendered`: an array, or ''. */
void span_items_begin(struct span_items *items, struct str rendered);
bool span_items_next(struct span_items *items, struct written_item *item);
/* Has the object no members? */
bool span_item_is_bare(const struct written_item *item);

#endif
