/* repeats.h - equal lines of an access log that comes in several bodies.
 *
 * A decoder counts the equal lines of its body (access_log.h). Who cuts one log into bodies says
 * how many came before: a line "#repeated N" above the first of them in a body means that N lines
 * equal to the next one stand in earlier bodies of this log. So each line has the id that it has
 * when the log comes whole, and a body that comes again, now or after a restart, says the same.
 */
#ifndef DECODE_REPEATS_H
#define DECODE_REPEATS_H

#include "collector/base/buf.h"
#include "collector/base/str.h"

/* Remembers the last REPEATS_REMEMBERED distinct lines at least, and at most twice as many: equal
 * lines of a log have one time, and stand near each other. */
#define REPEATS_REMEMBERED ((uint32_t)1 << 18)

struct repeats;
struct repeats *repeats_new(void);          /* NULL when memory is short */
void repeats_free(struct repeats *repeats); /* NULL is fine */
/* Counts the lines of the log's next piece and appends them with what must be said. False when
 * memory is short. */
bool repeats_write(struct repeats *repeats, struct str piece, struct buf *out);

/* Is the line of these, and of how many does it tell? */
bool repeats_line(struct str line, uint32_t *n);

#endif
