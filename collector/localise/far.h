/* far.h - calls that take far longer than any did. Pure.
 *
 * A lost packet, a pause, a lock that is rarely held: few calls, each many times slower than the
 * slowest tenth ever was. Ranks cannot tell a few of them from chance, for they do not see how far
 * away they lie. The tail of normal times can: the tenth of them that is slowest falls off by some
 * factor from bucket to bucket, and as it falls off so it goes on (a tail of Pareto's kind, its
 * steepness as uncertain as it is known from few).
 */
#ifndef LOCALISE_FAR_H
#define LOCALISE_FAR_H

#include "collector/model/histogram.h"

struct far_calls {
    double n;     /* of now, beyond those that normal lets expect */
    double share; /* … of now's */
    double z;     /* of the rarest distance, of those that are looked at */
    double ns;    /* what the calls out there take longer than normal's median, all together */
};

/* All 0 where there are none. */
struct far_calls far_calls(const struct histogram *normal, const struct histogram *now);

#endif
