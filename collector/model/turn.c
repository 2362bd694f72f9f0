/* turn.c - giving a turn back. */
#include "collector/model/turn.h"

#include <stdlib.h>

void turn_free(struct turn *turn)
{
    if (!turn)
        return;
    if (turn->rollup)
        rollup_fini(turn->rollup);
    free(turn->rollup);
    while (turn->bodies) {
        struct body *next = turn->bodies->next;
        body_free(turn->bodies);
        turn->bodies = next;
    }
    /* The turn lies in its own arena. */
    struct arena arena = turn->arena;
    arena_fini(&arena);
}
