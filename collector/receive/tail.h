/* tail.h - what came last, and from whom: for those whose spans do not show. Any thread.
 *
 * The last batches alone would tell nothing of a sender that fails now and then beside a busy
 * one, so each sender has a line of its own too, with what was refused of it.
 */
#ifndef RECEIVE_TAIL_H
#define RECEIVE_TAIL_H

#include <stdint.h>

#include "collector/base/buf.h"

struct tail_entry {
    uint64_t at_ns, n_bytes;
    uint64_t event_ns; /* time of its last record; 0: none */
    char sender[64], format[24], reason[200];
    uint8_t transport;
    bool refused; /* as a whole */
    uint32_t n_records, n_rejected;
};

struct tail;
struct tail *tail_new(void); /* NULL when memory is short */
void tail_free(struct tail *tail);
void tail_add(struct tail *tail, const struct tail_entry *entry);
/* Of the last 20 those before batch `before` (0: all), at most `limit`, newest first:
 * {"items":[…],"next":…} of /api/v1/tail; `next` is the `before` of the rest. */
void tail_json(struct tail *tail, uint64_t before, uint32_t limit, struct buf *out);
/* For who stays: those after batch `after` that are remembered, oldest first, at most `limit`; for
 * TAIL_LAST the last `limit`. `next`, never null, is the number of the last one given, to go on
 * after: what it is ahead of `after` beyond the items was forgotten before it was asked for. It
 * lies before `after` when that is of an earlier start: then they are from the first one on. */
#define TAIL_LAST UINT64_MAX
void tail_follow_json(struct tail *tail, uint64_t after, uint32_t limit, struct buf *out);
/* "senders":[…] of /api/v1/status: who sent what since the start, the last heard of first; the 64
 * last. */
void tail_senders_json(struct tail *tail, struct buf *out);

#endif
