/* jumps.h - by how much the wall clock went ahead of the time that passed.
 *
 * What is kept for so long is kept for so much of real time: an age read from a wall clock that
 * was set forward counts time that never was. Time that a machine slept did pass. Pure: who looks
 * brings both clocks. One owner.
 */
#ifndef BASE_JUMPS_H
#define BASE_JUMPS_H

#include <stdint.h>

#define N_JUMPS 32 /* beyond: the two oldest are taken for one */

struct jumps {
    uint64_t wall_ns, boot_ns; /* when it was looked at last; 0: never */
    struct jump {
        uint64_t boot_ns;
        int64_t by_ns;
    } items[N_JUMPS];
    uint32_t n;
};

/* Notes a jump since the last look and gives how far it went; 0: none. Steps of less than a minute
 * are none. */
int64_t jumps_look(struct jumps *jumps, uint64_t wall_ns, uint64_t boot_ns);
/* The most by which the wall clock makes anything of the last `for_ns` older than it is. What is
 * older than that may go by either clock, so a clock that was set right is believed after as long.
 */
uint64_t jumps_ahead_ns(const struct jumps *jumps, uint64_t for_ns);

#endif
