/* limits.h - the bounds in force, and which of them were met: `limits` of /api/v1/status. */
#pragma once

#include "collector/base/buf.h"
#include "collector/config.h"

/* What no counter says of now. */
struct limit_levels {
    uint64_t n_connections, in_flight; /* in_flight: bytes */
    bool disk_full;                    /* less than store.min_free, or the inbox is */
};

/* `[{"name","value","unit":"bytes"|"count","hit"}]`. A limit with a level is hit while at least
 * seven eighths of it are in use (from there on the collector calls itself not ready, or retention
 * is at work), one that is counted since it was first met in this process. */
void limits_json(const struct settings *settings, const struct limit_levels *levels,
                 struct buf *out);
