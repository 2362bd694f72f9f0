/* ln_choose.h - logarithms of factorials and of binomial coefficients, for exact tests. */
#ifndef BASE_LN_CHOOSE_H
#define BASE_LN_CHOOSE_H

#include <math.h>

/* ln Γ(x), x > 0. lgamma() leaves the sign in a global of the C library, which several threads
 * would write at once. */
static inline double ln_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

/* ln of n over k, 0 <= k <= n. */
static inline double ln_choose(double n, double k)
{
    return ln_gamma(n + 1) - ln_gamma(k + 1) - ln_gamma(n - k + 1);
}

#endif
