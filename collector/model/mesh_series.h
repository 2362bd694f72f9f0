/* mesh_series.h - what a mesh's own series say of calls, by the minute: for windows without spans.
 * All memory lies in the reader's arena.
 */
#ifndef MODEL_MESH_SERIES_H
#define MODEL_MESH_SERIES_H

#include "collector/model/diagnosis.h"

/* What came in one minute: calls, or the times of calls. */
struct mesh_minute {
    uint64_t minute; /* of Unix time */
    double n;        /* calls; of times: how many, 0 where another series tells */
    double ns;       /* of times: their sum, in ns */
};

/* One series: calls between two that ended alike, or their times. */
struct mesh_series {
    struct node_text caller, callee; /* service '' of a caller: not known, outside */
    struct str reason;               /* of failed calls: status and flags */
    bool times;                      /* of calls that ended in any way */
    bool failed;
    bool of_cluster; /* by Envoy's statistics of a cluster; else by Istio's series */
    bool by_caller;  /* as the caller's proxy saw them, which also sees what does not arrive */
    struct mesh_minute *minutes; /* in order */
    uint32_t n, cap;
};

struct mesh_series_list {
    struct mesh_series *items;
    uint32_t n, cap;
    bool cut; /* there was more than is read for one answer */
    bool
        nameless; /* of no call is known who called: nor what is an entry, nor what was passed on */
};

#endif
