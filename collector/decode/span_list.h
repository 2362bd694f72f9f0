/* span_list.h - spans that come one by one, and the events and links of one span as JSON text. */
#ifndef DECODE_SPAN_LIST_H
#define DECODE_SPAN_LIST_H

#include "collector/decode/value.h"

/* Where the next span goes (batch->n_spans is the caller's to raise). NULL: too many (err says), or
 * no memory. */
struct span *span_list_next(struct decoding *decoding);

/* An event or a link. */
struct span_item {
    uint64_t time_ns;
    struct str name;              /* of an event */
    struct str trace_id, span_id; /* of a link: hexadecimal digits in any case */
    struct attr_list attributes;
};

/* Adds it to an array that is begun when `out` is empty. */
void span_item_render(struct buf *out, const struct span_item *item, bool link);
/* Closes the array and copies it into the arena; '' when it is empty. False when there is no room.
 */
bool span_items_take(struct decoding *decoding, struct buf *out, struct str *text);

#endif
