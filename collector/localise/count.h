/* count.h - what one trace adds to the roll-up (LOCALISING §1). Pure, and exactly the same for a
 * trace as it was stitched and as it was read back from the store: a reopening subtracts it.
 */
#ifndef LOCALISE_COUNT_H
#define LOCALISE_COUNT_H

#include "collector/model/rollup.h"
#include "collector/model/turn.h"

struct counting; /* scratch memory, used again for every trace; one thread */

/* `nodes` gets the workloads that sidecars stand before; borrows it. `step_s`: see rollup.h. */
struct counting *counting_new(struct nodes *nodes, uint32_t step_s);
void counting_free(struct counting *counting);

/* Adds `sign` times the trace. False when memory is short. */
bool count_trace(struct counting *counting, const struct counted_trace *trace, int sign,
                 struct rollup *rollup);

#endif
