/* steps.h - the roll-ups of the last steps, and of the last hour by minutes, in memory; with names
 * of their own, so that they outlive every turn. A step here is a number: its time divided by its
 * length.
 *
 * At most MAX_STEP_TALLIES counters a step or minute, and MAX_TALLIES in all, 160 MB measured:
 * beyond, the oldest minutes go. One thread.
 */
#ifndef LOCALISE_STEPS_H
#define LOCALISE_STEPS_H

#include "collector/model/turn.h"

#define N_STEP_MINUTES 64u
#define STEP_MINUTES_SURE 60u /* of them that are there although the newest are not over */

struct steps;
/* With `hold` what is taken waits until it is released, step by step in order of time: for who
 * watches a replay, whose traces come in any order. */
struct steps *steps_new(bool hold, uint32_t step_s, unsigned n_steps);
void steps_free(struct steps *steps);
struct names *steps_names(struct steps *steps);
struct nodes *steps_nodes(struct steps *steps);
/* Adds the turn's roll-up; what is older than memory reaches back is left out. */
bool steps_take(struct steps *steps, const struct turn *turn);
/* The earliest step that waits; false when none does. */
bool steps_next_held(struct steps *steps, uint64_t *step);
/* The earliest step that waits is counted. False when memory is short. */
bool steps_release(struct steps *steps);
/* So many counters wait that some must be released before more can be held. */
bool steps_are_full(const struct steps *steps);
/* The bag of a minute, empty when new, for who reads stored minutes; NULL when it is too old. */
struct rollup *steps_minute(struct steps *steps, uint64_t minute);
/* After bags were filled by steps_minute(): counts them in. False when memory is short. */
bool steps_recount(struct steps *steps);
/* How many counters a bound kept out or took out since the beginning. */
uint64_t steps_left_out(const struct steps *steps);
/* From now on these minutes are no part of what is normal. */
void steps_spoil(struct steps *steps, uint64_t from_minute, uint64_t to_minute);

/* Sums, into `sum`, under step 0. With `entries` only requests, and those without versions. */
bool steps_sum(struct steps *steps, uint64_t from_step, uint64_t to_step, bool entries,
               struct rollup *sum);
/* Unspoilt minutes; *n_minutes says how many had requests. */
bool steps_sum_minutes(struct steps *steps, uint64_t from_minute, uint64_t to_minute, bool entries,
                       struct rollup *sum, unsigned *n_minutes);
/* Requests without versions, as they came: of each unspoilt minute, or of each step, that has any;
 * of as many as STEPS_MOST_PARTS the newest. Gives how many; valid until the next change. */
#define STEPS_MOST_PARTS N_STEP_MINUTES
unsigned steps_minutes_apart(const struct steps *steps, uint64_t from_minute, uint64_t to_minute,
                             const struct rollup *parts[STEPS_MOST_PARTS]);
unsigned steps_apart(const struct steps *steps, uint64_t from_step, uint64_t to_step,
                     const struct rollup *parts[STEPS_MOST_PARTS]);
/* The requests of a sum, without versions. */
bool steps_entries(struct steps *steps, const struct rollup *sum, struct rollup *entries);

#endif
