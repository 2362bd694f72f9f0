/* clock.h - the clocks. Timers use the monotonic one; what is shown or stored the wall's.
 *
 * Stages take `now` as an argument of their _step() functions, so that tests own time.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MINUTE (UINT64_C(60) * NS_PER_S)

uint64_t clock_wall_ns(void); /* Unix time */
uint64_t clock_mono_ns(void); /* never jumps */
uint64_t clock_boot_ns(void); /* the same, and goes on while the machine sleeps */

#endif
