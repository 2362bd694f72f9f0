/* order.h - finding in what is in order; where one of several is wanted, and bsearch() gives any.
 */
#ifndef BASE_ORDER_H
#define BASE_ORDER_H

#include <stddef.h>
#include <stdint.h>

/* The first of n items of so many bytes each that `compare` puts not before the wanted one; n where
 * all are before it. */
static inline uint32_t first_not_before(const void *items, uint32_t n, size_t size,
                                        const void *wanted,
                                        int (*compare)(const void *, const void *))
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare((const char *)items + middle * size, wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#endif
