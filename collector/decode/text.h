/* text.h - text from the wire made fit to keep: valid UTF-8 without NUL, cut to its limit, counted.
 */
#ifndef DECODE_TEXT_H
#define DECODE_TEXT_H

#include "collector/base/utf8.h"
#include "collector/model/batch.h"

#define MAX_KEY_BYTES 256

#define TEXT_ONES UINT64_C(0x0101010101010101)
#define TEXT_HIGHS UINT64_C(0x8080808080808080)

/* High bits where one of eight bytes is a control byte, a quote, a backslash or above 126; 0 only
 * when none is. */
static inline uint64_t text_odd_bytes(uint64_t word)
{
    uint64_t quote = word ^ TEXT_ONES * '"', slash = word ^ TEXT_ONES * '\\',
             del = word ^ TEXT_ONES * 0x7f;
    return ((word - TEXT_ONES * 0x20) | word | (quote - TEXT_ONES) | (slash - TEXT_ONES) |
            (del - TEXT_ONES)) &
           TEXT_HIGHS;
}

static inline uint64_t text_load(const char *at, size_t n)
{
    uint64_t word = 0;
    memcpy(&word, at, n);
    return word;
}

/* Printable ASCII without '"' and '\\'? Nearly every text from the wire is; the last load overlaps
 * the one before it. */
static inline bool text_is_plain(struct str s)
{
    if (s.len >= 8) {
        uint64_t odd = text_odd_bytes(text_load(s.p + s.len - 8, 8));
        for (size_t i = 0; i + 8 < s.len; i += 8)
            odd |= text_odd_bytes(text_load(s.p + i, 8));
        return odd == 0;
    }
    if (s.len >= 4)
        return text_odd_bytes(text_load(s.p, 4) | text_load(s.p + s.len - 4, 4) << 32) == 0;
    bool plain = true;
    for (size_t i = 0; i < s.len; i++)
        plain = plain && s.p[i] >= 0x20 && s.p[i] < 0x7f && s.p[i] != '"' && s.p[i] != '\\';
    return plain;
}

bool text_keep_slow(struct batch *batch, struct str *text, size_t max, uint32_t *n_cut,
                    bool *plain);

/* Cleans and cuts; *plain (may be NULL): may stand between JSON quotes as it is. False when the
 * arena is full. */
static inline bool text_keep(struct batch *batch, struct str *text, size_t max, uint32_t *n_cut,
                             bool *plain)
{
    if (text->len > max || !text_is_plain(*text))
        return text_keep_slow(batch, text, max, n_cut, plain);
    if (plain)
        *plain = true;
    return true;
}

/* A growing row of attributes that lies in the batch's arena. */
struct attr_list {
    struct attr *items;
    uint32_t n, cap;
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
