/* fuzz.h - what every fuzz target needs: its entry, checks that end the process, short memory.
 *
 * A target is one file, fuzz_NAME.c, whose function below takes one input. With libFuzzer (make
 * fuzz) it is called with inputs without end; with replay.c (make test) with each file of its
 * corpus.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Says what is wrong and aborts, which both drivers take for a finding. */
#define FUZZ_CHECK(good, ...)                                                                      \
    do {                                                                                           \
        if (!(good)) {                                                                             \
            fprintf(stderr, "%s:%d: " #good ": ", __FILE__, __LINE__);                             \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

enum fuzz_shortage {
    FUZZ_MEMORY_IS_THERE, /* fuzz_short() does nothing */
    FUZZ_MEMORY_AT_RATE,  /* once, about one allocation in fuzz_rate fails */
    FUZZ_MEMORY_SWEEP /* again and again, the 1st, 2nd, 3rd … allocation fails, until none does */
};
/* LLVMFuzzerInitialize() sets them from FUZZ_SHORT_MEMORY=rate; replay.c sweeps. */
extern enum fuzz_shortage fuzz_shortage;
extern uint64_t fuzz_rate;

/* Runs `step` while memory is short. `step` checks what must hold then. */
void fuzz_short(void (*step)(void *ctx), void *ctx, uint64_t seed);

#endif
