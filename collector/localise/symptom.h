/* symptom.h - do users feel something, at which entry, since when? Pure (LOCALISING §4).
 *
 * Entries are tallies of REQUEST without versions: an entry whose version changes is the same
 * entry.
 */
#ifndef LOCALISE_SYMPTOM_H
#define LOCALISE_SYMPTOM_H

#include "collector/model/incident.h"
#include "collector/model/rollup.h"

struct symptom_found {
    enum symptom kind;
    struct tally_key entry;
    double normal_share, share; /* of its requests that failed, or were slower than normal's p95 */
    double z;
};

/* The sharpest of what passes; false when nothing does. */
bool symptom_find(const struct rollup *normal, const struct rollup *now,
                  struct symptom_found *found);
/* Is it plain at the first look? Weaker ones must show twice. */
bool symptom_is_heavy(const struct symptom_found *found);
/* Requests of `now` that failed, or were slower than their entry's normal p95. */
int64_t symptom_count(enum symptom kind, const struct rollup *normal, const struct rollup *now);

/* n and bad of steps in order: the first step of the worse part, at the split with the greatest
 * likelihood; 0 when there is none. */
struct step_count {
    double n, bad;
};
unsigned symptom_onset(const struct step_count *steps, unsigned n_steps);

#endif
