/* difference.h - is a share in one group another than in the rest? Fisher's exact test, and many
 * tests at once by Benjamini and Hochberg (J. R. Stat. Soc. B 57, 1995). Pure.
 */
#ifndef STORE_DIFFERENCE_H
#define STORE_DIFFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Two-sided p of the table {a of n_a, b of n_b}: the sum of all tables with the same margins that
 * are no more likely than this one. 1 when a group is empty. */
double fisher_exact(uint32_t a, uint32_t n_a, uint32_t b, uint32_t n_b);

/* Which of n tests to believe when a share `rate` of those believed may be wrong. keep[i] is set
 * for them. */
void benjamini_hochberg(const double *p, size_t n, double rate, bool *keep);

#endif
