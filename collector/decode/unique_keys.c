/* unique_keys.c - looks for keys that an object has twice: once over the text with a mask of what
 * was seen of each open object, which nearly always is all; members are sorted by their keys only
 * where a mask says that two may be equal. So a map of many keys costs no square of them.
 */
#include "collector/decode/unique_keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"

struct member {
    size_t at, key_end; /* the key with its quotes */
    size_t next;        /* where the object's next member begins; 0: it is the last */
    uint32_t object;
};

struct open_one {
    bool map, wants_key;
    uint32_t object;
    uint32_t last;  /* one more than the number of its last member; 0 none yet */
    uint64_t masks; /* of the keys so far */
};

struct walk {
    struct str text;
    struct member *members; /* NULL: they are only counted */
    uint32_t n_members, n_objects;
    bool maybe; /* two keys of one object may be equal */
    struct open_one open[UNIQUE_KEYS_DEPTH + 1];
    unsigned depth;
};

/* Behind the string that begins at `at`. */
static size_t string_end(struct str text, size_t at)
{
    do
        at += text.p[at] == '\\' ? 2 : 1;
    while (at < text.len && text.p[at] != '"');
    return at + 1;
}

static void take_key(struct walk *walk, size_t at, size_t end)
{
    struct open_one *top = &walk->open[walk->depth - 1];
    uint64_t mask = UINT64_C(1) << (hash_str((struct str){walk->text.p + at, end - at}) >> 58);
    walk->maybe = walk->maybe || (top->masks & mask);
    top->masks |= mask;
    top->wants_key = false;
    if (walk->members) {
        walk->members[walk->n_members] =
            (struct member){.at = at, .key_end = end, .object = top->object};
        if (top->last)
            walk->members[top->last - 1].next = at;
    }
    top->last = ++walk->n_members;
}

static void walk_text(struct walk *walk)
{
    for (size_t at = 0, end; at < walk->text.len; at = end) {
        struct open_one *top = walk->depth ? &walk->open[walk->depth - 1] : NULL;
        char c = walk->text.p[at];
        end = at + 1;
        if (c == '"') {
            end = string_end(walk->text, at);
            if (top && top->wants_key)
                take_key(walk, at, end);
        } else if (c == '{' || c == '[') {
            assert(walk->depth < UNIQUE_KEYS_DEPTH);
            walk->open[walk->depth++] = (struct open_one){
                .map = c == '{', .wants_key = c == '{', .object = walk->n_objects++};
        } else if (c == '}' || c == ']') {
            walk->depth--;
        } else if (c == ',' && top) {
            top->wants_key = top->map;
        }
    }
}

/* By object, key and place. */
static int by_key(const void *a, const void *b, void *text)
{
    const struct member *x = a, *y = b;
    const char *p = text;
    size_t len = x->key_end - x->at;
    if (x->object != y->object)
        return x->object < y->object ? -1 : 1;
    if (len != y->key_end - y->at)
        return len < y->key_end - y->at ? -1 : 1;
    int order = memcmp(p + x->at, p + y->at, len);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static bool is_same(const struct member *x, const struct member *y, const char *text)
{
    size_t len = x->key_end - x->at;
    return x->object == y->object && len == y->key_end - y->at &&
           memcmp(text + x->at, text + y->at, len) == 0;
}

static int by_place(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* Takes out whole members with the comma behind them: who has a later twin is never the last. */
static void take_out(struct buf *json, const struct member *gone, uint32_t n_gone)
{
    size_t from = 0, len = 0;
    for (uint32_t i = 0; i < n_gone; i++) {
        if (gone[i].at < from) /* inside of one that went */
            continue;
        memmove(json->p + len, json->p + from, gone[i].at - from);
        len += gone[i].at - from;
        from = gone[i].next;
    }
    memmove(json->p + len, json->p + from, json->len - from);
    json->len = len + json->len - from;
}

void unique_keys(struct buf *json)
{
    struct walk walk = {.text = buf_str(json)};
    if (buf_failed(json))
        return;
    walk_text(&walk);
    if (!walk.maybe)
        return;
    struct member *members = calloc(walk.n_members, sizeof(*members));
    uint32_t n = walk.n_members, n_gone = 0;
    if (!members) {
        json->failed = json->short_of_memory = true;
        return;
    }
    walk = (struct walk){.text = buf_str(json), .members = members};
    walk_text(&walk);
    qsort_r(members, n, sizeof(*members), by_key, json->p);
    for (uint32_t i = 0; i + 1 < n; i++) {
        if (is_same(&members[i], &members[i + 1], json->p))
            members[n_gone++] = members[i];
    }
    if (n_gone > 1)
        qsort(members, n_gone, sizeof(*members), by_place);
    take_out(json, members, n_gone);
    free(members);
}
