/* localise.h - from two roll-ups, what is normal and what is now, to ranked suspects with evidence
 * (LOCALISING). A pure function: the same counters give the same answer.
 */
#ifndef LOCALISE_LOCALISE_H
#define LOCALISE_LOCALISE_H

#include "collector/model/diagnosis.h"
#include "collector/model/rollup.h"

struct localise_input {
    const struct rollup *normal, *now; /* steps do not matter: they are added up */
    double normal_s, now_s;            /* how long they are; 0: not known */
    const struct names *names;         /* of the keys of both */
    const struct nodes *nodes;
    enum suspect_level level;
    uint32_t limit;        /* most suspects in the answer */
    uint32_t min_requests; /* on either side, for a verdict */
    bool incident;         /* one is known: less is significant */
};

/* Fills verdict, requests, suspects and need of *diagnosis; all texts lie in `arena`. False when
 * memory is short. */
bool localise(const struct localise_input *input, struct arena *arena, struct diagnosis *diagnosis);

#endif
