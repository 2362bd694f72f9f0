/* difference.c - the tests behind "what is different". */
#include "collector/store/difference.h"

#include <math.h>
#include <stdlib.h>

#include "collector/base/ln_choose.h"

double fisher_exact(uint32_t a, uint32_t n_a, uint32_t b, uint32_t n_b)
{
    uint32_t hits = a + b, all = n_a + n_b;
    if (!n_a || !n_b)
        return 1;
    uint32_t lowest = hits > n_b ? hits - n_b : 0, highest = hits < n_a ? hits : n_a;
    double whole = ln_choose(all, hits), sum = 0;
    double own = ln_choose(n_a, a) + ln_choose(n_b, b) - whole;
    for (uint32_t x = lowest; x <= highest; x++) {
        double p = ln_choose(n_a, x) + ln_choose(n_b, hits - x) - whole;
        if (p <= own + 1e-7) /* equal tables differ by rounding */
            sum += exp(p);
    }
    return sum < 1 ? sum : 1;
}

struct ranked {
    double p;
    size_t i;
};

static int by_p(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return (x->p > y->p) - (x->p < y->p);
}

void benjamini_hochberg(const double *p, size_t n, double rate, bool *keep)
{
    struct ranked *ranked = malloc((n ? n : 1) * sizeof(*ranked));
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++)
        keep[i] = false;
    if (!ranked)
        return;
    for (size_t i = 0; i < n; i++)
        ranked[i] = (struct ranked){p[i], i};
    qsort(ranked, n, sizeof(*ranked), by_p);
    for (size_t i = 0; i < n; i++) {
        if (ranked[i].p <= rate * (double)(i + 1) / (double)n)
            n_kept = i + 1;
    }
    for (size_t i = 0; i < n_kept; i++)
        keep[ranked[i].i] = true;
    free(ranked);
}
