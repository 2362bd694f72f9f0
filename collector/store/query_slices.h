/* query_slices.h - calls told apart by a text: by the version of one end. */
#ifndef STORE_QUERY_SLICES_H
#define STORE_QUERY_SLICES_H

#include "collector/store/query_series.h"

#define MOST_SLICES 16

struct slice {
    const char *name;       /* of the mesh */
    uint64_t first_seen_ns; /* of the earliest node in it */
    struct traffic traffic;
    struct series *series; /* NULL unless asked for */
};

struct slices {
    struct slice items[MOST_SLICES];
    uint32_t n;
    bool more; /* than are kept */
};

/* NULL beyond the limit. */
struct slice *slice_of(struct slices *slices, const char *name);
/* The version of a node, with its time of first sight. */
struct slice *slice_of_version(struct slices *slices, const struct mesh_node *node);
/* By name; what is unknown belongs to the only known one. */
void slices_tidy(struct slices *slices);
void slices_fini(struct slices *slices);
/* "version","first_seen", counts; without braces */
void slice_json(const struct slice *slice, struct buf *out);
/* ,"NAME":[…] */
void slices_json(const char *name, const struct slices *slices, struct buf *out);

#endif
