/* keys.c - finding a key's number: a table of twelve times its size, probed once as a rule. */
#include "collector/decode/keys.h"

#define SLOTS 1024u

static const struct str texts[N_KNOWN_KEYS] = {
#define X(number, key) {key, sizeof(key) - 1},
    KNOWN_KEYS(X)
#undef X
};

static uint8_t slots[SLOTS]; /* number + 1; 0: empty */

_Static_assert(N_KNOWN_KEYS < 255, "slots hold bytes");

static inline unsigned slot_of(struct str key)
{
    const unsigned char *p = (const unsigned char *)key.p;
    return (key.len * 31 + p[0] * 7 + p[key.len / 2] * 61 + p[key.len - 1] * 263 +
            p[key.len / 3] * 17) %
           SLOTS;
}

/* Before main(): the table is read for every attribute, and nothing is to ask whether it is there.
 */
static __attribute__((constructor)) void build(void)
{
    for (unsigned i = 0; i < N_KNOWN_KEYS; i++) {
        unsigned at = slot_of(texts[i]);
        while (slots[at])
            at = (at + 1) % SLOTS;
        slots[at] = (uint8_t)(i + 1);
    }
}

static inline enum known_key find(struct str key)
{
    if (key.len < 4 || key.len > 40)
        return N_KNOWN_KEYS;
    for (unsigned at = slot_of(key); slots[at]; at = (at + 1) % SLOTS) {
        if (str_eq(texts[slots[at] - 1], key))
            return (enum known_key)(slots[at] - 1);
    }
    return N_KNOWN_KEYS;
}

enum known_key key_number(struct str key)
{
    return find(key);
}

void keys_seen(struct seen_keys *seen, const struct attr *attrs, uint32_t n)
{
    memset(seen, 0, sizeof(*seen));
    for (uint32_t i = 0; i < n; i++)
        seen->at[find(attrs[i].key)] = &attrs[i];
}

struct str keys_first_text(const struct seen_keys *seen, const uint8_t *list)
{
    for (; *list != N_KNOWN_KEYS; list++) {
        const struct attr *attr = seen->at[*list];
        if (!attr || attr->type != VALUE_TEXT || attr->text.len == 0)
            continue;
        if (attr->text.len == 1 && attr->text.p[0] == '-')
            continue;
        return attr->text;
    }
    return STR_NONE;
}
