/* near.h - equal but for rounding. */
#ifndef UNIT_NEAR_H
#define UNIT_NEAR_H

#include <math.h>

/* Behind cmocka.h. */
#define assert_near(value, expected, by)                                                           \
    do {                                                                                           \
        double value_ = (value), expected_ = (expected);                                           \
        if (fabs(value_ - expected_) > (by))                                                       \
            fail_msg("%.6f is not %.6f", value_, expected_);                                       \
    } while (0)

#endif
