/* jumps.c - jumps of the wall clock. */
#include "collector/base/jumps.h"

#include <stdbool.h>
#include <string.h>

#include "collector/base/clock.h"

#define LEAST_NS ((int64_t)NS_PER_MINUTE)

static void note(struct jumps *jumps, struct jump jump)
{
    struct jump *items = jumps->items;
    if (jumps->n == N_JUMPS) { /* as one it is ahead by what either of them was at most */
        items[1].by_ns += items[0].by_ns > 0 ? items[0].by_ns : 0;
        memmove(items, items + 1, (N_JUMPS - 1) * sizeof(*items));
        jumps->n--;
    }
    items[jumps->n++] = jump;
}

int64_t jumps_look(struct jumps *jumps, uint64_t wall_ns, uint64_t boot_ns)
{
    int64_t wall = (int64_t)(wall_ns - jumps->wall_ns), real = (int64_t)(boot_ns - jumps->boot_ns);
    bool first = !jumps->boot_ns;
    jumps->wall_ns = wall_ns;
    jumps->boot_ns = boot_ns;
    if (first || (wall - real < LEAST_NS && real - wall < LEAST_NS))
        return 0;
    note(jumps, (struct jump){boot_ns, wall - real});
    return wall - real;
}

uint64_t jumps_ahead_ns(const struct jumps *jumps, uint64_t for_ns)
{
    int64_t since = 0, most = 0; /* a jump back makes up for one before it */
    for (uint32_t i = jumps->n; i-- > 0 && jumps->boot_ns - jumps->items[i].boot_ns < for_ns;) {
        since += jumps->items[i].by_ns;
        most = since > most ? since : most;
    }
    return (uint64_t)most;
}
