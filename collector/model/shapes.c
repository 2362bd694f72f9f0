/* shapes.c - the tables of shapes, resources and attribute sets. */
#include "collector/model/shapes_internal.h"

#include <stdlib.h>

#include "collector/base/hash.h"

#define CHUNK_BITS 10
#define CHUNK_SIZE (1u << CHUNK_BITS)
#define MAX_SETS (1u << 20)
#define MAX_RESOURCES (1u << 18)
#define MAX_PAIRS (1u << 20)
#define MAX_HABITS (1u << 18)

bool chunks_init(struct chunks *chunks, uint32_t max, uint32_t size)
{
    *chunks = (struct chunks){.max = max, .size = size};
    chunks->chunks = calloc((max >> CHUNK_BITS) + 1, sizeof(*chunks->chunks));
    return chunks->chunks != NULL;
}

void chunks_fini(struct chunks *chunks)
{
    for (uint32_t i = 0; chunks->chunks && i <= chunks->max >> CHUNK_BITS; i++)
        free(chunks->chunks[i]);
    free(chunks->chunks);
}

void *chunks_at(const struct chunks *chunks, uint32_t no)
{
    return chunks->chunks[no >> CHUNK_BITS] + (size_t)(no & (CHUNK_SIZE - 1)) * chunks->size;
}

void *chunks_append(struct chunks *chunks)
{
    uint32_t chunk = chunks->n >> CHUNK_BITS;
    if (chunks->n >= chunks->max)
        return NULL;
    if (!chunks->chunks[chunk])
        chunks->chunks[chunk] = calloc(CHUNK_SIZE, chunks->size);
    return chunks->chunks[chunk] ? chunks_at(chunks, chunks->n++) : NULL;
}

struct shapes *shapes_new(struct names *names, struct nodes *nodes,
                          const struct shapes_limits *limits)
{
    struct shapes *shapes = calloc(1, sizeof(*shapes));
    if (!shapes)
        return NULL;
    shapes->names = names;
    shapes->nodes = nodes;
    shapes->limits = *limits;
    nodes_limit(nodes, limits->services);
    arena_init(&shapes->texts, limits->max_set_bytes);
    buf_init(&shapes->json, 64u << 20);
    uint32_t max_shapes = limits->max_shapes < 16 ? 16 : limits->max_shapes;
    bool ok = chunks_init(&shapes->shapes, max_shapes, sizeof(struct shape)) &&
              chunks_init(&shapes->resources, MAX_RESOURCES, sizeof(struct resource_text)) &&
              chunks_init(&shapes->sets, MAX_SETS, sizeof(struct attr_set)) &&
              chunks_init(&shapes->pairs, MAX_PAIRS, sizeof(struct name_pair)) &&
              chunks_init(&shapes->habits, MAX_HABITS, sizeof(struct key_habit));
    uint32_t no;
    if (!ok || !shapes_add(shapes, &(struct shape){0}, &no) || !shapes_add_set(shapes, STR_NONE) ||
        !chunks_append(&shapes->resources)) {
        shapes_free(shapes);
        return NULL;
    }
    return shapes;
}

void shapes_free(struct shapes *shapes)
{
    if (!shapes)
        return;
    places_clear(shapes);
    free(shapes->places);
    free(shapes->slots);
    chunks_fini(&shapes->shapes);
    chunks_fini(&shapes->resources);
    chunks_fini(&shapes->sets);
    chunks_fini(&shapes->pairs);
    chunks_fini(&shapes->habits);
    map_fini(&shapes->shape_map);
    map_fini(&shapes->resource_map);
    map_fini(&shapes->set_map);
    map_fini(&shapes->pair_map);
    map_fini(&shapes->habit_map);
    map_fini(&shapes->place_map);
    arena_fini(&shapes->texts);
    buf_fini(&shapes->json);
    free(shapes);
}

/* A copy without padding bytes of chance, so that it can be hashed and compared as memory. */
static struct shape shape_canonical(const struct shape *from)
{
    struct shape shape;
    memset(&shape, 0, sizeof(shape));
    shape.node.cluster = from->node.cluster;
    shape.node.namespace = from->node.namespace;
    shape.node.service = from->node.service;
    shape.node.version = from->node.version;
    shape.node.role = from->node.role;
    memcpy((char *)&shape + sizeof(struct node), (const char *)from + sizeof(struct node),
           offsetof(struct shape, shared) + sizeof(from->shared) - sizeof(struct node));
    return shape;
}

const struct shape *shapes_add(struct shapes *shapes, const struct shape *from, uint32_t *no)
{
    struct shape shape = shape_canonical(from);
    uint64_t hash = hash_bytes(&shape, sizeof(shape));
    for (struct map_iter it = map_find(&shapes->shape_map, hash);
         map_next(&shapes->shape_map, &it);) {
        if (memcmp(chunks_at(&shapes->shapes, it.value), &shape, sizeof(shape)) == 0) {
            *no = it.value;
            return chunks_at(&shapes->shapes, it.value);
        }
    }
    uint32_t next = shapes->shapes.n;
    struct shape *slot = chunks_append(&shapes->shapes);
    if (!slot || !map_add(&shapes->shape_map, hash, next)) {
        shapes->overflow.others++;
        *no = 0;
        return shapes->shapes.n ? chunks_at(&shapes->shapes, 0) : NULL;
    }
    *slot = shape;
    *no = next;
    return slot;
}

/* Finds or adds a JSON text; resource_text and attr_set are alike. */
static struct attr_set *text_add(struct shapes *shapes, struct chunks *chunks, struct map *map,
                                 struct str json)
{
    uint64_t hash = hash_str(json);
    for (struct map_iter it = map_find(map, hash); map_next(map, &it);) {
        struct attr_set *set = chunks_at(chunks, it.value);
        if (str_eq(set->json, json))
            return set;
    }
    struct str copy = arena_dup(&shapes->texts, json);
    uint32_t no = chunks->n;
    struct attr_set *set = json.len && !copy.p ? NULL : chunks_append(chunks);
    if (!set || !map_add(map, hash, no)) {
        shapes->overflow.others++;
        return NULL;
    }
    *set = (struct attr_set){.json = copy, .no = no};
    return set;
}

_Static_assert(sizeof(struct resource_text) == sizeof(struct attr_set),
               "resources and sets share text_add()");

uint32_t shapes_add_resource(struct shapes *shapes, struct str json)
{
    if (!json.len)
        return 0;
    const struct attr_set *text = text_add(shapes, &shapes->resources, &shapes->resource_map, json);
    return text ? text->no : 0;
}

const struct attr_set *shapes_add_set(struct shapes *shapes, struct str json)
{
    return text_add(shapes, &shapes->sets, &shapes->set_map, json);
}

const struct shape *shapes_get(const struct shapes *shapes, uint32_t no)
{
    return chunks_at(&shapes->shapes, no);
}

struct str shapes_resource(const struct shapes *shapes, uint32_t no)
{
    return ((const struct resource_text *)chunks_at(&shapes->resources, no))->json;
}

const struct attr_set *shapes_set(const struct shapes *shapes, uint32_t no)
{
    return chunks_at(&shapes->sets, no);
}

const struct names *shapes_names(const struct shapes *shapes)
{
    return shapes->names;
}

uint32_t shapes_count(const struct shapes *shapes)
{
    return shapes->shapes.n;
}

struct shapes_overflow shapes_overflowed(const struct shapes *shapes)
{
    return shapes->overflow;
}

void attr_render(struct buf *buf, const struct attr *attr)
{
    buf_add_char(buf, '"');
    if (attr->plain)
        buf_add_str(buf, attr->key);
    else
        buf_add_json_inner(buf, attr->key);
    buf_add(buf, "\":", 2);
    switch (attr->type) {
    case VALUE_TEXT:
        buf_add_char(buf, '"');
        if (attr->plain)
            buf_add_str(buf, attr->text);
        else
            buf_add_json_inner(buf, attr->text);
        buf_add_char(buf, '"');
        break;
    case VALUE_BOOL:
        buf_add_c(buf, attr->integer ? "true" : "false");
        break;
    case VALUE_INT:
        buf_add_i64(buf, attr->integer);
        break;
    case VALUE_DOUBLE:
        buf_add_json_double(buf, attr->real);
        break;
    case VALUE_JSON:
        buf_add_str(buf, attr->text);
        break;
    default:
        buf_add_c(buf, "null");
    }
}
