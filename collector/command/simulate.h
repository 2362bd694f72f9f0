/* simulate.h - what `simulate` and `demo` share. */
#ifndef COMMAND_SIMULATE_H
#define COMMAND_SIMULATE_H

#include "collector/command/command.h"
#include "collector/command/post.h"
#include "collector/simulate/simulation.h"

struct bounds {
    uint64_t value, least, most; /* `value` where the option is not given */
};

/* A number's option; false (and said) when it is none, or out of bounds. */
bool simulate_number(const struct options *options, const char *name, struct bounds bounds,
                     uint64_t *number);
/* How it was answered, as a line of JSON; gives the exit code. */
int simulate_result(struct post *post, uint64_t sent, uint64_t n_traces, uint64_t took_ns);
/* `simulate --mesh`. */
int simulate_mesh(const struct options *options);
/* The faults there are, a line each, to standard output. */
void simulate_list_faults(void);
/* Sends all that leaves before `until_ns`; false when the receiver went silent. */
bool simulate_post(struct simulation *simulation, uint64_t until_ns, struct post *post);

#endif
