/* series.h - where a fault began by the word of a mesh's own series alone, where no spans came
 * (LOCALISING §3). Pure.
 *
 * A service is as suspect as the failures that its callers saw, less nine tenths of those that it
 * saw itself, and the log of its own relative slowdown, less what its worst callee explains of it;
 * all weighed by its share of the impact.
 */
#ifndef LOCALISE_SERIES_H
#define LOCALISE_SERIES_H

#include "collector/model/mesh_series.h"

struct series_input {
    const struct mesh_series_list *list; /* of both windows of the diagnosis */
    enum suspect_level level;            /* at others than service and version: a service */
    uint32_t limit, min_requests;        /* as of localise() */
};

/* Fills verdict, requests, suspects and need of *diagnosis, whose windows are set; all texts lie in
 * `arena`. False when memory is short. */
bool localise_series(const struct series_input *input, struct arena *arena,
                     struct diagnosis *diagnosis);

#endif
