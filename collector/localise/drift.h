/* drift.h - what all have grown by is nobody's fault. Growths are logarithms of factors; pure. */
#ifndef LOCALISE_DRIFT_H
#define LOCALISE_DRIFT_H

#include <stdint.h>

/* By how much half of n grew, at least, and GROWTH_MOST at most; 0 of fewer than DRIFT_SERVICES.
 * Sorts them. */
double drift_growth(double *growths, uint32_t n);
/* How much of one's own growth counts beside that, 0…1. */
double drift_beyond(double own, double growth);

#endif
