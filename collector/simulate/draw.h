/* draw.h - random numbers that are the same everywhere for one seed: a stream is two numbers' hash,
 * so that a request's luck depends on nothing that was drawn before it.
 */
#ifndef SIMULATE_DRAW_H
#define SIMULATE_DRAW_H

#include <stdbool.h>
#include <stdint.h>

struct draw {
    uint64_t state;
};

/* A stream of its own for (a, b) under a seed. */
struct draw draw_from(uint64_t seed, uint64_t a, uint64_t b);
uint64_t draw_number(struct draw *draw);
/* 0 … n − 1; n ≥ 1. */
uint64_t draw_below(struct draw *draw, uint64_t n);
/* 0 ≤ x < 1. */
double draw_share(struct draw *draw);
bool draw_hit(struct draw *draw, double share);
double draw_between(struct draw *draw, double least, double most);
/* Standard normal. */
double draw_normal(struct draw *draw);
/* A duration around its median, logarithmically normal: `spread` 0.3 is calm, 1 is wild. */
uint64_t draw_time(struct draw *draw, double median_ns, double spread);
/* How many of something come when `mean` are expected. */
unsigned draw_count(struct draw *draw, double mean);

#endif
