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

/* What users feel at one entry, as far as series tell: they know no single request. */
struct series_symptom {
    bool failing, slower;   /* than in normal times, beyond chance; at most one */
    struct node_text entry; /* who is called from outside, or the gateway that calls */
    double calls[2], failed[2], mean_ns[2]; /* of normal times, now */
    uint32_t n_minutes;                     /* of normal times with calls at any entry */
};

struct series_input {
    const struct mesh_series_list *list; /* of both windows of the diagnosis */
    enum suspect_level level;            /* at others than service and version: a service */
    uint32_t limit, min_requests;        /* as of localise() */
    struct series_symptom *symptom;      /* filled with the sharpest; NULL: not asked for */
};

/* Fills verdict, onset, requests, suspects and need of *diagnosis, whose windows are set; all texts
 * lie in `arena`, or where those of the list lie. False when memory is short. */
bool localise_series(const struct series_input *input, struct arena *arena,
                     struct diagnosis *diagnosis);

#endif
