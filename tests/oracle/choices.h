/* choices.h - where a generator of test cases takes its decisions: from the bytes of a fuzz input,
 * or from a seed. Bytes that are used up choose 0 for ever, so a generator must end by choosing 0.
 */
#ifndef ORACLE_CHOICES_H
#define ORACLE_CHOICES_H

#include "collector/base/str.h"

struct choices {
    const uint8_t *at, *end; /* the fuzz input; both NULL when seeded */
    uint64_t state;          /* of the sequence, when seeded; never 0 */
};

struct choices choices_of_bytes(const uint8_t *bytes, size_t n);
struct choices choices_of_seed(uint64_t seed);
/* 0 … n − 1, n ≤ 256. */
unsigned choose(struct choices *choices, unsigned n);
/* True with a chance of 1 in n; false when the bytes are used up. */
bool choose_rarely(struct choices *choices, unsigned n);
uint64_t choose_u64(struct choices *choices);
/* Up to `max` bytes of any value, written to `out`; how many. */
size_t choose_bytes(struct choices *choices, char *out, size_t max);

#endif
