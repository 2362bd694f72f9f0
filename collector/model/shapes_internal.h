/* shapes_internal.h - what shapes.c (the tables) and places.c (what was seen last at one place in a
 * program) share.
 */
#ifndef MODEL_SHAPES_INTERNAL_H
#define MODEL_SHAPES_INTERNAL_H

#include "collector/base/map.h"
#include "collector/model/shapes.h"

#define MAX_SPAN_ATTRS                                                                             \
    (512 + 4) /* limit.attributes is at most 512; and four made from span fields */

/* A directory of chunks that never move; element size fixed at start. */
struct chunks {
    char **chunks;
    uint32_t n, max, size;
};

bool chunks_init(struct chunks *chunks, uint32_t max, uint32_t size);
void chunks_fini(struct chunks *chunks);
/* The element, or NULL when it is full; n grows by one. */
void *chunks_append(struct chunks *chunks);
void *chunks_at(const struct chunks *chunks, uint32_t no);

/* Whether attributes of one key, service and operation are the span's own. */
/* An attribute with so many values is the span's own. Status codes, methods, versions and the
 * callees of one operation are fewer; ids are soon more. */
#define OWN_AFTER 48

struct key_habit {
    uint64_t id;              /* service, operation and key, mixed */
    uint32_t seen[OWN_AFTER]; /* hashes of values that made new sets */
    uint8_t n_seen;
    bool own; /* too many values: it stays with the span */
};

/* The attributes of one span in a row, made ones included. */
struct attr_row {
    const struct attr *attrs[MAX_SPAN_ATTRS];
    uint32_t n;
    struct attr made[4]; /* span.name, otel.scope.name, otel.scope.version, tracestate */
};

#define N_LAYOUTS 3 /* rows of keys remembered for a place */
#define N_MEMOS 4   /* sets of values remembered for a row of keys; shapes remembered for a place */

struct set_memo {
    const struct attr_set *set;
    struct attr
        *values; /* one per key of the layout, own ones unused; texts copied behind; one malloc */
};

struct layout {
    uint32_t n;
    struct str *keys; /* copied texts; one malloc with own[] and key_nos[] */
    name_no *key_nos;
    bool *own;
    struct set_memo memos[N_MEMOS];
    unsigned next_memo;
};

#define N_FACT_TEXTS 11

struct shape_memo {
    const struct shape *shape;
    uint32_t no;
    struct str texts[N_FACT_TEXTS]; /* of the shape's names, in the order of fact_texts() */
    char peer_address[64];
    uint8_t n_peer_address; /* UINT8_MAX: too long to be remembered */
};

/* One place in a program: resource, kind and operation. A cache; may be emptied at any time. */
struct place {
    uint32_t resource;
    uint8_t kind, format;
    struct str operation; /* copied */
    struct layout layouts[N_LAYOUTS];
    unsigned n_layouts, next_layout, n_layouts_made;
    bool sorted; /* keys come in any order here: rows are sorted by key before they are compared */
    struct shape_memo shapes[N_MEMOS];
    unsigned n_shapes, next_shape;
};

struct resource_slot {
    const struct resource *resource; /* of the current batch */
    uint32_t no;
    struct place *last;
};

struct shapes {
    struct names *names;
    struct nodes *nodes;
    struct shapes_limits limits;
    struct chunks shapes, resources, sets;
    struct map shape_map, resource_map, set_map;
    struct arena texts;  /* JSON of resources and sets */
    struct map pair_map; /* (service, operation) pairs and services that count against the limits */
    struct chunks pairs; /* struct name_pair */
    uint32_t n_services;
    struct chunks habits; /* struct key_habit */
    struct map habit_map;
    struct map place_map;
    struct place **places;
    uint32_t n_places, cap_places;
    size_t place_bytes;
    struct resource_slot *slots;
    uint32_t n_slots, cap_slots;
    struct attr_row row;
    struct buf json;
    struct shapes_overflow overflow;
};

struct name_pair {
    name_no service, operation; /* operation NAME_NONE: the service itself */
    uint32_t n_operations;      /* of the service itself */
};

/* places.c */
struct place *place_find(struct shapes *shapes, struct resource_slot *slot, const struct span *span,
                         uint8_t format);
void places_clear(struct shapes *shapes);
const struct attr_set *place_set(struct shapes *shapes, struct place *place, name_no service,
                                 name_no operation, struct buf *own);

#endif
