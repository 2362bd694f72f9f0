/* shapes.h - the interned shapes, resources and attribute sets, and how a decoded span becomes a record.
 *
 * One thread adds (the stitcher). Entries never move and never change, so the writer may follow the
 * pointers in the records it was handed.
 */
#ifndef MODEL_SHAPES_H
#define MODEL_SHAPES_H

#include "collector/base/buf.h"
#include "collector/model/batch.h"
#include "collector/model/record.h"

struct shapes;

struct shapes_limits {
    uint32_t services;    /* limit.services */
    uint32_t operations;  /* limit.operations, per service */
    uint32_t max_shapes;  /* beyond: counted, the span gets its node's plain shape */
    size_t max_set_bytes; /* beyond: attributes stay with the span */
};

struct shapes *shapes_new(struct names *names, struct nodes *nodes, const struct shapes_limits *limits);
void shapes_free(struct shapes *shapes);

/* Makes a record of a decoded span. The own texts are built in `scratch` (reset by the call); the record's
 * `own` then points into it until the next call: the caller copies it. `arrival` is left 0. */
void shapes_record(struct shapes *shapes, const struct span *span, uint8_t format, struct buf *scratch,
                   struct record *record);
/* Forgets which resource of the last batch was which; called between batches. */
void shapes_next_batch(struct shapes *shapes, uint32_t n_resources);

/* For records read back from the store: the same numbers for the same content. */
const struct shape *shapes_add(struct shapes *shapes, const struct shape *shape, uint32_t *no);
uint32_t shapes_add_resource(struct shapes *shapes, struct str json);
const struct attr_set *shapes_add_set(struct shapes *shapes, struct str json);

const struct shape *shapes_get(const struct shapes *shapes, uint32_t no);
struct str shapes_resource(const struct shapes *shapes, uint32_t no);
uint32_t shapes_count(const struct shapes *shapes);

#endif
