/* incident.c - making and freeing; words. */
#include "collector/model/incident.h"

#include <stdlib.h>

#define ARENA_BYTES ((size_t)64 << 20)

struct incident *incident_new(void)
{
    struct incident *incident = calloc(1, sizeof(*incident));
    if (incident)
        arena_init(&incident->arena, ARENA_BYTES);
    return incident;
}

void incident_free(struct incident *incident)
{
    if (!incident)
        return;
    arena_fini(&incident->arena);
    free(incident);
}

const char *symptom_word(enum symptom symptom)
{
    static const char *const words[N_SYMPTOMS] = {"errors", "latency", "traffic"};
    return words[symptom];
}

enum symptom symptom_from_word(struct str word)
{
    for (int i = 0; i < N_SYMPTOMS; i++) {
        if (str_eq(word, str_of(symptom_word((enum symptom)i))))
            return (enum symptom)i;
    }
    return SYMPTOM_ERRORS;
}
