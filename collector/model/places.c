/* places.c - what was seen last at one place in a program, so that the next span of that place is
 * compared instead of looked up.
 *
 * Most spans repeat the keys of the span before them at the same place, and all but a few values.
 * Such a span costs a row of memcmp and finds its attribute set and shape without hashing anything.
 */
#include "collector/model/shapes_internal.h"

#include <stdlib.h>

#include "collector/base/hash.h"

#define MAX_PLACES 50000u
#define MAX_PLACE_BYTES (48u << 20)
#define MAX_MEMO_BYTES 8192u
/* A place that made so many rows of keys has senders that shuffle them (Envoy's Zipkin JSON does).
 */
#define SORT_AFTER 8

static void layout_fini(struct layout *layout)
{
    for (unsigned i = 0; i < N_MEMOS; i++)
        free(layout->memos[i].values);
    free(layout->keys);
}

static void place_free(struct place *place)
{
    for (unsigned i = 0; i < place->n_layouts; i++)
        layout_fini(&place->layouts[i]);
    free(place);
}

void places_clear(struct shapes *shapes)
{
    for (uint32_t i = 0; i < shapes->n_places; i++)
        place_free(shapes->places[i]);
    for (uint32_t i = 0; i < shapes->n_slots; i++)
        shapes->slots[i].last = NULL;
    shapes->n_places = 0;
    shapes->place_bytes = 0;
    map_clear(&shapes->place_map);
}

static bool place_is(const struct place *place, uint32_t resource, uint8_t format,
                     const struct span *span)
{
    return place->resource == resource && place->kind == span->kind && place->format == format &&
           str_eq(place->operation, span->facts.operation);
}

static struct place *place_add(struct shapes *shapes, uint64_t hash, uint32_t resource,
                               uint8_t format, const struct span *span)
{
    if (shapes->n_places >= MAX_PLACES || shapes->place_bytes > MAX_PLACE_BYTES)
        places_clear(shapes);
    if (shapes->n_places == shapes->cap_places) {
        uint32_t cap = shapes->cap_places ? 2 * shapes->cap_places : 256;
        struct place **grown = realloc(shapes->places, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        shapes->places = grown;
        shapes->cap_places = cap;
    }
    struct str operation = span->facts.operation;
    struct place *place = calloc(1, sizeof(*place) + operation.len);
    if (!place || !map_add(&shapes->place_map, hash, shapes->n_places)) {
        free(place);
        return NULL;
    }
    if (operation.len)
        memcpy(place + 1, operation.p, operation.len);
    place->operation = (struct str){(char *)(place + 1), operation.len};
    place->resource = resource;
    place->kind = span->kind;
    place->format = format;
    shapes->places[shapes->n_places++] = place;
    shapes->place_bytes += sizeof(*place) + operation.len;
    return place;
}

struct place *place_find(struct shapes *shapes, struct resource_slot *slot, const struct span *span,
                         uint8_t format)
{
    if (slot->last && place_is(slot->last, slot->no, format, span))
        return slot->last;
    uint64_t hash = hash_mix(hash_str(span->facts.operation),
                             (uint64_t)slot->no << 16 | span->kind << 8 | format);
    for (struct map_iter it = map_find(&shapes->place_map, hash);
         map_next(&shapes->place_map, &it);) {
        if (place_is(shapes->places[it.value], slot->no, format, span))
            return slot->last = shapes->places[it.value];
    }
    return slot->last = place_add(shapes, hash, slot->no, format, span);
}

static bool value_eq(const struct attr *a, const struct attr *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == VALUE_TEXT || a->type == VALUE_JSON)
        return str_eq(a->text, b->text);
    return a->type == VALUE_EMPTY || a->integer == b->integer;
}

static bool layout_fits(const struct layout *layout, const struct attr_row *row)
{
    if (layout->n != row->n)
        return false;
    for (uint32_t i = 0; i < row->n; i++) {
        if (!str_eq(layout->keys[i], row->attrs[i]->key))
            return false;
    }
    return true;
}

static bool memo_fits(const struct layout *layout, const struct set_memo *memo,
                      const struct attr_row *row)
{
    if (!memo->set)
        return false;
    for (uint32_t i = 0; i < row->n; i++) {
        if (!layout->own[i] && !value_eq(&memo->values[i], row->attrs[i]))
            return false;
    }
    return true;
}

static struct layout *layout_make(struct shapes *shapes, struct place *place,
                                  const struct attr_row *row)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < row->n; i++)
        bytes += row->attrs[i]->key.len;
    size_t fixed = row->n * (sizeof(struct str) + sizeof(name_no) + sizeof(bool));
    if (bytes > MAX_MEMO_BYTES)
        return NULL;
    char *memory = malloc(fixed + bytes + 1);
    if (!memory)
        return NULL;
    struct layout *layout = &place->layouts[place->next_layout];
    if (place->next_layout < place->n_layouts)
        layout_fini(layout);
    else
        place->n_layouts++;
    place->next_layout = (place->next_layout + 1) % N_LAYOUTS;
    place->n_layouts_made++;
    *layout = (struct layout){.n = row->n, .keys = (struct str *)memory};
    layout->key_nos = (name_no *)(layout->keys + row->n);
    layout->own = (bool *)(layout->key_nos + row->n);
    char *text = (char *)(layout->own + row->n);
    for (uint32_t i = 0; i < row->n; i++) {
        struct str key = row->attrs[i]->key;
        if (key.len)
            memcpy(text, key.p, key.len);
        layout->keys[i] = (struct str){text, key.len};
        layout->key_nos[i] = names_add(shapes->names, key);
        layout->own[i] = false;
        text += key.len;
    }
    shapes->place_bytes += fixed + bytes;
    return layout;
}

static void memo_keep(struct shapes *shapes, struct layout *layout, const struct attr_row *row,
                      const struct attr_set *set)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < row->n; i++)
        bytes += layout->own[i] ? 0 : row->attrs[i]->text.len;
    if (bytes > MAX_MEMO_BYTES)
        return;
    struct attr *values = malloc(row->n * sizeof(*values) + bytes + 1);
    if (!values)
        return;
    char *text = (char *)(values + row->n);
    for (uint32_t i = 0; i < row->n; i++) {
        const struct attr *attr = row->attrs[i];
        values[i] = *attr;
        if (layout->own[i] || (attr->type != VALUE_TEXT && attr->type != VALUE_JSON))
            continue;
        if (attr->text.len)
            memcpy(text, attr->text.p, attr->text.len);
        values[i].text.p = text;
        text += attr->text.len;
    }
    struct set_memo *memo = &layout->memos[layout->next_memo];
    layout->next_memo = (layout->next_memo + 1) % N_MEMOS;
    free(memo->values);
    *memo = (struct set_memo){.set = set, .values = values};
    shapes->place_bytes += row->n * sizeof(*values) + bytes;
}

/* NULL when the table of habits is full: the attribute is then the span's own. */
static struct key_habit *habit_of(struct shapes *shapes, uint64_t scope, name_no key)
{
    uint64_t id = hash_mix(scope, key);
    for (struct map_iter it = map_find(&shapes->habit_map, id);
         map_next(&shapes->habit_map, &it);) {
        struct key_habit *habit = chunks_at(&shapes->habits, it.value);
        if (habit->id == id)
            return habit;
    }
    uint32_t no = shapes->habits.n;
    struct key_habit *habit = chunks_append(&shapes->habits);
    if (!habit || !map_add(&shapes->habit_map, id, no))
        return NULL;
    *habit = (struct key_habit){.id = id};
    return habit;
}

struct slow_attr {
    const struct attr *attr;
    struct key_habit *habit;
    name_no key;
};

/* Renders the shared attributes in the order of their keys' numbers: one text for one content. */
static void render_shared(struct buf *json, const struct slow_attr *slow, uint32_t n)
{
    buf_reset(json);
    for (uint32_t i = 0; i < n; i++) {
        if (!slow[i].habit || slow[i].habit->own)
            continue;
        if (json->len)
            buf_add_char(json, ',');
        attr_render(json, slow[i].attr);
    }
}

static bool set_known(const struct shapes *shapes, struct str json)
{
    for (struct map_iter it = map_find(&shapes->set_map, hash_str(json));
         map_next(&shapes->set_map, &it);) {
        if (str_eq(((struct attr_set *)chunks_at(&shapes->sets, it.value))->json, json))
            return true;
    }
    return false;
}

/* Remembers a value that was not seen before. Only those count: an attribute that changes between a
 * few values while another one is ever new is not to blame.
 */
static void note_value(struct key_habit *habit, const struct attr *attr)
{
    bool text = attr->type == VALUE_TEXT || attr->type == VALUE_JSON;
    uint32_t hash = (uint32_t)(text ? hash_str(attr->text) : hash_u64((uint64_t)attr->integer));
    for (unsigned i = 0; i < habit->n_seen; i++) {
        if (habit->seen[i] == hash)
            return;
    }
    habit->seen[habit->n_seen++] = hash;
    habit->own = habit->n_seen == OWN_AFTER;
}

/* The attributes that differ from the place's last set made this one necessary: remember it, and
 * take out those that did so too often. True when one was taken out. */
static bool blame_changes(const struct layout *layout, const struct attr_row *row,
                          const struct slow_attr *slow)
{
    const struct set_memo *last = &layout->memos[(layout->next_memo + N_MEMOS - 1) % N_MEMOS];
    bool changed = false;
    if (!last->set)
        return false;
    for (uint32_t i = 0; i < row->n; i++) {
        struct key_habit *habit = NULL;
        for (uint32_t k = 0; k < row->n && !habit; k++)
            habit = slow[k].attr == row->attrs[i] ? slow[k].habit : NULL;
        if (!habit || habit->own || layout->own[i] || value_eq(&last->values[i], row->attrs[i]))
            continue;
        note_value(habit, row->attrs[i]);
        changed = changed || habit->own;
    }
    return changed;
}

static void sort_by_key(struct slow_attr *slow, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        struct slow_attr moving = slow[i];
        uint32_t k = i;
        for (; k > 0 && slow[k - 1].key > moving.key; k--)
            slow[k] = slow[k - 1];
        slow[k] = moving;
    }
}

static const struct attr_set *set_slow(struct shapes *shapes, struct layout *layout, uint64_t scope)
{
    const struct attr_row *row = &shapes->row;
    struct slow_attr slow[MAX_SPAN_ATTRS];
    for (uint32_t i = 0; i < row->n; i++) {
        name_no key = layout ? layout->key_nos[i] : names_add(shapes->names, row->attrs[i]->key);
        slow[i] = (struct slow_attr){row->attrs[i],
                                     key == NAME_OTHER ? NULL : habit_of(shapes, scope, key), key};
    }
    sort_by_key(slow, row->n);
    render_shared(&shapes->json, slow, row->n);
    if (layout && !set_known(shapes, buf_str(&shapes->json)) && blame_changes(layout, row, slow))
        render_shared(&shapes->json, slow, row->n);
    if (buf_failed(&shapes->json))
        return NULL;
    const struct attr_set *set = shapes_add_set(shapes, buf_str(&shapes->json));
    if (!set || !layout)
        return set;
    bool same_own = true;
    for (uint32_t i = 0; i < row->n; i++) {
        const struct key_habit *habit = habit_of(shapes, scope, layout->key_nos[i]);
        bool own = layout->key_nos[i] == NAME_OTHER || !habit || habit->own;
        same_own = same_own && own == layout->own[i];
        layout->own[i] = own;
    }
    for (unsigned i = 0; i < N_MEMOS && !same_own; i++) {
        free(layout->memos[i].values);
        layout->memos[i] = (struct set_memo){0};
    }
    memo_keep(shapes, layout, row, set);
    return set;
}

static void render_own(const struct shapes *shapes, const struct layout *layout, uint64_t scope,
                       const struct attr_set *set, struct buf *own)
{
    const struct attr_row *row = &shapes->row;
    bool first = true;
    for (uint32_t i = 0; i < row->n; i++) {
        bool is_own = !set;
        if (set && layout) {
            is_own = layout->own[i];
        } else if (set) {
            name_no key = names_find(shapes->names, row->attrs[i]->key);
            const struct key_habit *habit =
                key == NAME_NONE ? NULL : habit_of((struct shapes *)shapes, scope, key);
            is_own = !habit || habit->own;
        }
        if (!is_own)
            continue;
        if (!first)
            buf_add_char(own, ',');
        first = false;
        attr_render(own, row->attrs[i]);
    }
}

static int by_key(const void *a, const void *b)
{
    return str_cmp((*(const struct attr *const *)a)->key, (*(const struct attr *const *)b)->key);
}

/* From now on this place compares sorted rows; what it remembers in the senders' order is of no
 * use. */
static void place_sort(struct place *place)
{
    for (unsigned i = 0; i < place->n_layouts; i++)
        layout_fini(&place->layouts[i]);
    place->n_layouts = place->next_layout = 0;
    place->sorted = true;
}

const struct attr_set *place_set(struct shapes *shapes, struct place *place, name_no service,
                                 name_no operation, struct buf *own)
{
    struct attr_row *row = &shapes->row;
    if (place && !place->sorted && place->n_layouts_made >= SORT_AFTER)
        place_sort(place);
    if (place && place->sorted)
        qsort(row->attrs, row->n, sizeof(row->attrs[0]), by_key);
    uint64_t scope = hash_u64((uint64_t)service << 32 | operation);
    struct layout *layout = NULL;
    const struct attr_set *set = NULL;
    for (unsigned i = 0; place && i < place->n_layouts && !layout; i++)
        layout = layout_fits(&place->layouts[i], row) ? &place->layouts[i] : NULL;
    for (unsigned i = 0; layout && i < N_MEMOS && !set; i++)
        set = memo_fits(layout, &layout->memos[i], row) ? layout->memos[i].set : NULL;
    if (!set) {
        if (!layout && place)
            layout = layout_make(shapes, place, row);
        set = set_slow(shapes, layout, scope);
    }
    render_own(shapes, layout, scope, set, own);
    return set ? set : shapes_set(shapes, 0);
}
