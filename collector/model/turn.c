/* turn.c - giving a turn back. */
#include "collector/model/turn.h"

void turn_free(struct turn *turn)
{
    if (!turn)
        return;
    /* The turn lies in its own arena. */
    struct arena arena = turn->arena;
    arena_fini(&arena);
}
