/* text.h - text from the wire made fit to keep: valid UTF-8 without NUL, cut to its limit, counted.
 */
#ifndef DECODE_TEXT_H
#define DECODE_TEXT_H

#include "collector/base/plain.h"
#include "collector/base/utf8.h"
#include "collector/model/batch.h"

#define MAX_KEY_BYTES 256

bool text_keep_slow(struct batch *batch, struct str *text, size_t max, uint32_t *n_cut,
                    bool *plain);

/* Cleans and cuts; *plain (may be NULL): may stand between JSON quotes as it is. False when the
 * arena is full. */
static inline bool text_keep(struct batch *batch, struct str *text, size_t max, uint32_t *n_cut,
                             bool *plain)
{
    if (text->len > max || !plain_text(*text))
        return text_keep_slow(batch, text, max, n_cut, plain);
    if (plain)
        *plain = true;
    return true;
}

/* A growing row of attributes that lies in the batch's arena. */
struct attr_list {
    struct attr *items;
    uint32_t n, cap;
    uint32_t n_looked_at; /* the last so many have a meaning, or have given way (value_beyond()) */
};

bool attr_list_grow(struct batch *batch, struct attr_list *list);

/* Room for one more; NULL when the arena is full. */
static inline struct attr *attr_list_add(struct batch *batch, struct attr_list *list)
{
    if (list->n == list->cap && !attr_list_grow(batch, list))
        return NULL;
    return &list->items[list->n++];
}
/* Keeps the last of equal keys, as attributes are a map. */
void attr_list_unique(struct attr_list *list);
/* Sets type VALUE_TEXT, for attributes that a decoder makes itself. False when the arena is full.
 */
bool attr_list_add_text(struct batch *batch, struct attr_list *list, struct str key,
                        struct str text);

/* 32 and 16 hexadecimal digits in any case; false for anything else. 0 is for the caller to judge.
 */
bool hex_to_u64(struct str hex, uint64_t *number);

#endif
