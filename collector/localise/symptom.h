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
    struct tally_key entry; /* where it shows most */
    /* Whose requests were tested: the entry; where each has too few to tell, all of its service (no
     * name), or all there are (neither). */
    struct tally_key scope;
    /* Of their requests that failed, or were slower than normal's p95 (or, where few are and those
     * much, than twice that); of traffic: that did not come. */
    double normal_share, share;
    double z; /* in units of how normal scatters, where that is more than chance */
};

/* The requests of two times, and how long each was. */
struct symptom_input {
    const struct rollup *normal, *now;
    double normal_s, now_s; /* 0: not known, and nothing is said of traffic */
    /* Normal in equal parts of time, which tell how far it scatters by itself; none: as chance has
     * it. */
    const struct rollup *const *parts;
    unsigned n_parts;
    double least_z; /* that counts; 0: SYMPTOM_Z */
    bool gross; /* normal is known from few minutes: only what no wave of traffic makes is found */
};

#define MAX_SYMPTOMS 32

/* Every entry that shows something, by its first symptom in the order of the words; the sharpest
 * first: failures, then the rest. Where none does by itself, all of a service or all together may:
 * one is found then. Gives how many. */
unsigned symptom_find(const struct symptom_input *input, struct symptom_found found[MAX_SYMPTOMS]);
/* Is it plain at the first look? Weaker ones must show twice. */
bool symptom_is_heavy(const struct symptom_found *found);
bool symptom_is_of(const struct tally_key *scope, const struct tally_key *entry);
/* Requests of `now`, of this scope, that failed, were slower than their entry's normal p95, or were
 * missing. */
int64_t symptom_count(enum symptom kind, const struct tally_key *scope,
                      const struct symptom_input *input);
/* An entry that has lost its traffic while the others have theirs: the share that is missing and
 * how far that is from chance. False when it has not. */
bool symptom_vanished(const struct symptom_input *input, const struct tally_key *entry,
                      struct symptom_found *found);

/* n and bad of steps in order: the first step of the worse part, at the split with the greatest
 * likelihood; 0 when there is none. */
struct step_count {
    double n, bad;
};
unsigned symptom_onset(const struct step_count *steps, unsigned n_steps);

#endif
