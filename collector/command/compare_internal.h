/* compare_internal.h - one comparison and what it lives in; shared by comparing.c and canary.c. */
#ifndef COMMAND_COMPARE_INTERNAL_H
#define COMMAND_COMPARE_INTERNAL_H

#include "collector/base/arena.h"
#include "collector/command/compare.h"

struct comparing {
    struct arena arena;
    struct names *names;
    struct nodes *nodes;
    struct cohort_answer cohorts;
    struct comparison *comparison; /* texts in the names and the arena */
};

/* False when memory is short; comparing_fini() in any case. */
bool comparing_init(struct comparing *comparing);
void comparing_fini(struct comparing *comparing);
/* Fills the comparison, but for examples. */
int compare_versions(struct query *query, const struct comparison_request *request,
                     struct comparing *comparing, struct err *err);

#endif
