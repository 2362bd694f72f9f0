/* shapes.h - the interned shapes, resources and attribute sets, and how a decoded span becomes a
 * record.
 *
 * One thread adds (the stitcher). Entries never move and never change, so the writer may follow the
 * pointers in the records it was handed.
 *
 * Which attributes are shared is learnt: an attribute whose changes keep making new sets for its
 * service and operation becomes the span's own from then on. Nothing is lost either way, only the
 * place differs.
 */
#ifndef MODEL_SHAPES_H
#define MODEL_SHAPES_H

#include "collector/base/buf.h"
#include "collector/model/batch.h"
#include "collector/model/record.h"

struct shapes;

struct shapes_limits {
    uint32_t services;    /* limit.services, of service names and of nodes; 0: no limit */
    uint32_t operations;  /* limit.operations, per service; 0: no limit */
    uint32_t max_shapes;  /* beyond: counted, the span gets a shape with its node alone */
    size_t max_set_bytes; /* of sets and resources; beyond: attributes stay with the span */
    /* Is this address one of stitch.inside? Others are all kept as the one peer address 'outside',
     * so that the internet does not fill the table. NULL: every address is kept. */
    bool (*inside)(const void *ctx, struct str address);
    /* The zone of an address (stitch.zones), and the name for a service (stitch.alias); '' and the
     * same text when the settings say nothing. May be NULL. */
    struct str (*zone)(const void *ctx, struct str address);
    struct str (*alias)(const void *ctx, struct str service);
    const void *ctx;
};

/* NULL when memory is short. Borrows names and nodes, and sets the limit of nodes. */
struct shapes *shapes_new(struct names *names, struct nodes *nodes,
                          const struct shapes_limits *limits);
void shapes_free(struct shapes *shapes);

/* Makes a record of a decoded span of the current batch. The own texts are built in `scratch`
 * (reset by the call); the record's `own` points into it until the next call: the caller copies it.
 * `arrival` is left 0. False when memory is short. */
bool shapes_record(struct shapes *shapes, const struct span *span, uint8_t format,
                   struct buf *scratch, struct record *record);
/* Begins a batch: resource indexes 0 … n_resources − 1 mean other resources from now on. False when
 * memory is short. */
bool shapes_next_batch(struct shapes *shapes, uint32_t n_resources);

/* Forgets which shape was seen last at a place: what the limits' functions say has changed. */
void shapes_settings_changed(struct shapes *shapes);

/* For records read back from the store: the same numbers for the same content. `json` is the inside
 * of a JSON object. NULL, or 0 for a resource, when memory or the table is full. */
const struct shape *shapes_add(struct shapes *shapes, const struct shape *shape, uint32_t *no);
uint32_t shapes_add_resource(struct shapes *shapes, struct str json);
const struct attr_set *shapes_add_set(struct shapes *shapes, struct str json);

const struct shape *shapes_get(const struct shapes *shapes, uint32_t no);
/* The inside of a JSON object; lives as long as the table. */
struct str shapes_resource(const struct shapes *shapes, uint32_t no);
const struct attr_set *shapes_set(const struct shapes *shapes, uint32_t no);
/* The names that shapes refer to. */
const struct names *shapes_names(const struct shapes *shapes);
uint32_t shapes_count(const struct shapes *shapes);
/* How often a limit of this table was met; others: shapes and sets. */
struct shapes_overflow {
    uint64_t services, operations, others;
};
struct shapes_overflow shapes_overflowed(const struct shapes *shapes);

/* Writes `"key":value`; shared with those who print attributes. */
void attr_render(struct buf *buf, const struct attr *attr);

#endif
