/* requests.h - where x-request-ids were seen lately, in whatever trace: what joins a log's entry,
 * or a trace whose headers were lost, to spans of another trace (STITCHING §2, rule 6).
 *
 * A ring of fixed size: the oldest place gives way. It is in memory alone; a start begins without.
 */
#ifndef STITCH_REQUESTS_H
#define STITCH_REQUESTS_H

#include "collector/base/map.h"
#include "collector/model/record.h"

struct request_place {
    uint64_t request_id, span_id;
    uint64_t start_ns, duration_ns; /* as struct record */
    const struct shape *shape;
};

struct requests;
/* NULL when memory is short. The memory of places is taken with the first of them. */
struct requests *requests_new(void);
void requests_free(struct requests *requests);
/* Notes a span that has a request id. Short memory leaves it out: the join is a help, no promise.
 */
void requests_add(struct requests *requests, const struct record *record);

struct requests_iter {
    struct map_iter it;
    uint64_t request_id;
};
struct requests_iter requests_find(const struct requests *requests, uint64_t request_id);
/* The next place of the id; NULL behind the last. */
const struct request_place *requests_next(const struct requests *requests,
                                          struct requests_iter *iter);

#endif
