/* cohorts.h - the calls of two versions, told apart by what must be alike to compare them: who is
 * at the other end, which operation, which part of the time.
 *
 * A stratum is one such combination. Where only one version has calls there is nothing to compare:
 * it is left out. Of the others the baseline's calls are weighted to the candidate's mix (direct
 * standardisation), so that other callers, other operations or another hour are no difference
 * between versions.
 */
#ifndef LOCALISE_COHORTS_H
#define LOCALISE_COHORTS_H

#include "collector/localise/compare.h"
#include "collector/localise/shift.h"

#define ANY_END UINT32_MAX

struct stratum {
    uint32_t end; /* of the ends */
    name_no operation;
    uint32_t step;
    double n[2], bad[2]; /* baseline, candidate */
};

/* An end and an operation, over all steps. */
struct call_kind {
    uint32_t end;
    name_no operation;
    double n[2];
};

struct cohorts {
    const struct compare_input *input;
    bool taken;        /* calls that came in; else calls made */
    struct node *ends; /* services at the other end, without versions */
    uint32_t n_ends;
    uint32_t *end_of; /* by node; UINT32_MAX: not looked up yet */
    struct stratum *strata;
    uint32_t n_strata;
    struct call_kind *kinds;
    uint32_t n_kinds;
    uint32_t *stratum_of; /* by tally; UINT32_MAX: of neither version */
    uint8_t *side_of;     /* by tally */
    double all[2];        /* calls, also of strata with one version */
};

/* What is compared of some strata. */
struct mixed {
    double n[2];              /* baseline: what its weighted calls are worth */
    double share[2];          /* failed */
    int64_t calls[2], bad[2]; /* as counted */
};

/* Everything lies in the arena. False when memory is short. */
bool cohorts_make(struct cohorts *cohorts, const struct compare_input *input, bool taken,
                  struct arena *arena);
/* Of one end, or of all (ANY_END). */
struct mixed cohorts_mix(const struct cohorts *cohorts, uint32_t end);
/* The times of both, baseline weighted; of strata in which both have calls. */
void cohorts_times(const struct cohorts *cohorts, struct weighted times[2]);
/* The same as counted, for quantiles to show. False when memory is short. */
bool cohorts_histograms(const struct cohorts *cohorts, struct histogram times[2]);
/* How differently calls of both versions are made up, 0…1, over what chance gives. */
double cohorts_unlike(const struct cohorts *cohorts);

#endif
