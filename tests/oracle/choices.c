/* choices.c - a byte at a time from the input, or xorshift from the seed. */
#include "tests/oracle/choices.h"

struct choices choices_of_bytes(const uint8_t *bytes, size_t n)
{
    return (struct choices){.at = bytes, .end = bytes + n};
}

struct choices choices_of_seed(uint64_t seed)
{
    return (struct choices){.state = seed * 0x9e3779b97f4a7c15u | 1};
}

static uint8_t next(struct choices *choices)
{
    if (!choices->state)
        return choices->at < choices->end ? *choices->at++ : 0;
    choices->state ^= choices->state << 13;
    choices->state ^= choices->state >> 7;
    choices->state ^= choices->state << 17;
    return (uint8_t)(choices->state >> 32);
}

unsigned choose(struct choices *choices, unsigned n)
{
    return n < 2 ? 0 : next(choices) % n;
}

bool choose_rarely(struct choices *choices, unsigned n)
{
    return choose(choices, n) == n - 1;
}

uint64_t choose_u64(struct choices *choices)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | next(choices);
    return number;
}

size_t choose_bytes(struct choices *choices, char *out, size_t max)
{
    size_t n = choose(choices, (unsigned)(max < 255 ? max : 255) + 1);
    for (size_t i = 0; i < n; i++)
        out[i] = (char)next(choices);
    return n;
}
