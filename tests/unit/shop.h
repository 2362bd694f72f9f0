/* shop.h - roll-ups of a small shop, made by hand, and what localise() says of them: a user, the
 * front, two versions of the cart, ads, and redis behind both. Time 0 is normal, 1 is now; both
 * begin with the same thousand requests. A test that cannot go on fails.
 */
#ifndef UNIT_SHOP_H
#define UNIT_SHOP_H

#include "collector/localise/localise.h"

struct shop {
    struct names *names;
    struct nodes *nodes;
    struct rollup rollups[2];
    node_no user, front, cart1, cart2, ads, redis;
    struct arena arena;
    struct diagnosis diagnosis; /* of the last shop_ask() */
};

void shop_init(struct shop *shop);
void shop_fini(struct shop *shop);

node_no shop_node(struct shop *shop, const char *service, const char *version, uint8_t role);

/* The counter of a key, made when it is not there. */
struct tally *shop_tally(struct shop *shop, int time, const struct tally_key *key);
struct tally *shop_count(struct shop *shop, int time, unsigned channel, node_no node, node_no peer,
                         const char *name);

/* n more, whose times lie a third around ms. */
void shop_times(struct shop *shop, int time, unsigned channel, node_no node, node_no peer,
                const char *name, double ms, int n);
/* n more calls, `failed` of them of their own accord. */
void shop_calls(struct shop *shop, int time, node_no caller, node_no callee, double ms, int n,
                int failed);
/* A caller's visits, all of one operation, and how many calls they made. */
void shop_visits(struct shop *shop, int time, node_no caller, node_no callee, int n, int n_calls);

/* Now, n requests fail: of a caller's calls to redis (what: ORIGIN_...), or in a node itself. */
void shop_fail_calls(struct shop *shop, node_no caller, int n, unsigned what);
void shop_fail_at(struct shop *shop, node_no node, int n);

/* Where it began, at a level: fills shop->diagnosis. */
void shop_ask(struct shop *shop, enum suspect_level level);
/* It is an incident, and the service is its first suspect, and significant. */
void shop_assert_first(const struct shop *shop, const char *service);
/* NULL: none of that kind. */
const struct evidence *evidence_of(const struct suspect *suspect, enum evidence_kind kind);

#endif
