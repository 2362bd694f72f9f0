/* query_series.h - counts over time: a window in equal steps of whole minutes, a number for each;
 * null where nothing at all is known of a step.
 */
#ifndef STORE_QUERY_SERIES_H
#define STORE_QUERY_SERIES_H

#include "collector/store/query_graph.h"

#define MOST_STEPS 360u

/* The steps of a window, and which of them have rows. */
struct steps {
    struct window window;
    uint32_t minutes; /* in a step */
    uint32_t n;       /* ≤ MOST_STEPS */
    uint8_t known[MOST_STEPS + 1];
};

struct series {
    int64_t calls[MOST_STEPS + 1], began[MOST_STEPS + 1], passed[MOST_STEPS + 1];
    int64_t unreached[MOST_STEPS + 1]; /* filled by who tells of a node */
    struct histogram *latency;         /* one a step; NULL when not asked for */
};

void steps_init(struct steps *steps, struct window window);
/* The step of a minute; steps->n for a minute outside. Marks it as known. */
uint32_t steps_at(struct steps *steps, int64_t minute);
/* "step_ns":…,"seconds":[…], seconds with rows of each step; ends without a comma */
void steps_json(const struct steps *steps, struct buf *out);
/* NULL when memory is short. */
struct series *series_new(bool latency);
void series_free(struct series *series);
bool series_add(struct series *series, uint32_t step, const struct mesh_row *row);
/* ,"NAME":[…] of counts */
void counts_json(const char *name, const struct steps *steps, const int64_t *counts,
                 struct buf *out);
/* ,"NAME":[…] of a quantile in ns, null in steps without calls */
void latency_json(const char *name, const struct steps *steps, const struct series *series,
                  double q, struct buf *out);

#endif
