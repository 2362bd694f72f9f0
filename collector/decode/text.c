/* text.c - cleaning, cutting, gathering. */
#include "collector/decode/text.h"

bool text_keep_slow(struct batch *batch, struct str *text, size_t max, uint32_t *n_cut, bool *plain)
{
    enum text_class class = utf8_classify(*text);
    if (text->len > max) {
        /* What is malformed is cut first, so that cleaning works on little; behind a character that
         * may stand across the end. */
        size_t keep = text->len - max > 3 ? max + 3 : text->len;
        *text = class == TEXT_BAD ? (struct str){text->p, keep} : utf8_cut(*text, max);
        ++*n_cut;
    }
    if (class == TEXT_BAD) {
        *text = utf8_clean(&batch->arena, *text);
        if (!text->p)
            return false;
        *text = utf8_cut(*text, max);
        batch->counts.n_cleaned_texts++;
    }
    if (plain)
        *plain = class == TEXT_PLAIN;
    return true;
}

bool attr_list_grow(struct batch *batch, struct attr_list *list)
{
    return arena_room(&batch->arena, (void **)&list->items, list->n, &list->cap,
                      sizeof(*list->items));
}

bool attr_list_add_text(struct batch *batch, struct attr_list *list, struct str key,
                        struct str text)
{
    struct attr *attr = attr_list_add(batch, list);
    if (attr)
        *attr = (struct attr){.key = key,
                              .text = text,
                              .type = VALUE_TEXT,
                              .plain = text_is_plain(key) && text_is_plain(text)};
    return attr != NULL;
}

/* One of 64 classes by what is cheap to read; equal keys share a class. */
static uint64_t key_class(struct str key)
{
    if (key.len == 0)
        return 1;
    unsigned char last = (unsigned char)key.p[key.len - 1],
                  middle = (unsigned char)key.p[key.len / 2];
    return UINT64_C(1) << ((key.len * 7 + last * 5 + middle * 3) & 63);
}

static bool replace_equal(struct attr_list *list, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++) {
        if (!str_eq(list->items[k].key, list->items[i].key))
            continue;
        list->items[k] = list->items[i];
        return true;
    }
    return false;
}

void attr_list_unique(struct attr_list *list)
{
    uint64_t seen = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        uint64_t class = key_class(list->items[i].key);
        if (kept != i)
            list->items[kept] = list->items[i];
        if (!(seen & class) || !replace_equal(list, kept))
            kept++;
        seen |= class;
    }
    list->n = kept;
}

bool hex_to_u64(struct str hex, uint64_t *number)
{
    uint64_t value = 0;
    if (hex.len == 0 || hex.len > 16)
        return false;
    for (size_t i = 0; i < hex.len; i++) {
        char c = hex.p[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return false;
        value = value << 4 | digit;
    }
    *number = value;
    return true;
}
