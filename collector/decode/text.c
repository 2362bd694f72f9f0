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
                              .plain = plain_text(key) && plain_text(text)};
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

#define BYTES(b) (PLAIN_ONES * (b))

/* Eight hexadecimal digits at once. A digit's value is its low nibble, a letter's nine more; a byte
 * that such a value does not spell again is none. */
static bool hex8(const char *p, uint32_t *number)
{
    uint64_t bytes = str_load8(p), letters = bytes >> 6 & BYTES(1);
    uint64_t values = (bytes & BYTES(0x0f)) + letters * 9;
    uint64_t tens = (values + BYTES(6)) >> 4 & BYTES(1);
    uint64_t spelt = values + BYTES('0') + tens * ('a' - 10 - '0');
    if (((bytes | letters << 5) ^ spelt) | (values & ~BYTES(0x0f)))
        return false;
    values = (values << 4 | values >> 8) & UINT64_C(0x00ff00ff00ff00ff);
    values = (values | values >> 8) & UINT64_C(0x0000ffff0000ffff);
    *number = __builtin_bswap32((uint32_t)(values | values >> 16));
    return true;
}

bool hex_to_u64(struct str hex, uint64_t *number)
{
    char padded[16];
    uint32_t high, low;
    if (hex.len == 0 || hex.len > 16)
        return false;
    if (hex.len < 16) {
        memset(padded, '0', sizeof(padded));
        memcpy(padded + sizeof(padded) - hex.len, hex.p, hex.len);
        hex.p = padded;
    }
    if (!hex8(hex.p, &high) || !hex8(hex.p + 8, &low))
        return false;
    *number = (uint64_t)high << 32 | low;
    return true;
}
