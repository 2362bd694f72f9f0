/* draw.c - splitmix64 and what is made of it. */
#include "collector/simulate/draw.h"

#include <math.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct draw draw_from(uint64_t seed, uint64_t a, uint64_t b)
{
    uint64_t state = mix(seed + UINT64_C(0x9e3779b97f4a7c15));
    state = mix(state ^ (a * UINT64_C(0xd6e8feb86659fd93) + 1));
    return (struct draw){mix(state ^ (b * UINT64_C(0xa0761d6478bd642f) + 2))};
}

uint64_t draw_number(struct draw *draw)
{
    return mix(draw->state += UINT64_C(0x9e3779b97f4a7c15));
}

uint64_t draw_below(struct draw *draw, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)draw_number(draw) * n) >> 64);
}

double draw_share(struct draw *draw)
{
    return (double)(draw_number(draw) >> 11) * 0x1p-53;
}

bool draw_hit(struct draw *draw, double share)
{
    return draw_share(draw) < share;
}

double draw_between(struct draw *draw, double least, double most)
{
    return least + (most - least) * draw_share(draw);
}

/* The sum of eight even numbers is normal enough, has no outliers beyond 5, and needs no logarithm.
 */
double draw_normal(struct draw *draw)
{
    uint64_t a = draw_number(draw), b = draw_number(draw);
    uint32_t sum = 0;
    for (unsigned shift = 0; shift < 64; shift += 16)
        sum += (uint32_t)(a >> shift & 0xffff) + (uint32_t)(b >> shift & 0xffff);
    return ((double)sum - 4 * 65535.0) / (65536.0 * 0.81649658);
}

uint64_t draw_time(struct draw *draw, double median_ns, double spread)
{
    return (uint64_t)(median_ns * exp(spread * draw_normal(draw)));
}

unsigned draw_count(struct draw *draw, double mean)
{
    if (mean > 50) {
        double near = mean + sqrt(mean) * draw_normal(draw) + 0.5;
        return near > 0 ? (unsigned)near : 0;
    }
    double limit = exp(-mean), product = draw_share(draw);
    unsigned count = 0;
    while (product > limit) {
        product *= draw_share(draw);
        count++;
    }
    return count;
}
