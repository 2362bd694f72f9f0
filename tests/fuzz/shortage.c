/* shortage.c - how targets run with memory that is short. */
#include "tests/fuzz/fuzz.h"
#include "tests/oracle/short_memory.h"

#define EVERY_ONE_TO 48 /* beyond, a sweep takes wider steps */

enum fuzz_shortage fuzz_shortage;
uint64_t fuzz_rate = 25;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *rate = getenv("FUZZ_SHORT_MEMORY");
    (void)argc, (void)argv;
    if (rate && atoi(rate) > 0) {
        fuzz_shortage = FUZZ_MEMORY_AT_RATE;
        fuzz_rate = (uint64_t)atoi(rate);
    }
    return 0;
}

void fuzz_short(void (*step)(void *ctx), void *ctx, uint64_t seed)
{
    if (fuzz_shortage == FUZZ_MEMORY_AT_RATE) {
        short_memory_one_in(fuzz_rate, seed);
        step(ctx);
        short_memory_off();
    }
    for (uint64_t n = 1; fuzz_shortage == FUZZ_MEMORY_SWEEP; n += n < EVERY_ONE_TO ? 1 : n / 4) {
        short_memory_at(n);
        step(ctx);
        if (!short_memory_off())
            break;
    }
}
