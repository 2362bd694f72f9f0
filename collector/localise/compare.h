/* compare.h - a version of a service against another at the same time: on the same callers, and on
 * what both do to whom they call (LOCALISING §5). A pure function.
 *
 *   cohorts.c   calls taken and made, added up by what must be alike
 *   shift.c     latency: how far one histogram lies beside the other
 *   compare.c   the measures and what they say
 */
#ifndef LOCALISE_COMPARE_H
#define LOCALISE_COMPARE_H

#include "collector/model/comparison.h"
#include "collector/model/rollup.h"

struct compare_input {
    const struct rollup *calls; /* its tallies of CALL count; steps number parts of the time */
    const struct names *names;  /* of the keys */
    const struct nodes *nodes;
    struct node service; /* whose versions; its own version does not matter */
    name_no versions[2]; /* baseline, candidate */
    uint32_t min_calls;  /* on either side, for a verdict */
    bool told_apart;
    double passed[2]; /* told apart: the share of either's failed calls that it passed on */
};

/* Fills service, sides, checks and verdict; texts lie in the tables or in `arena`. False when
 * memory is short. */
bool compare(const struct compare_input *input, struct arena *arena, struct comparison *comparison);

#endif
