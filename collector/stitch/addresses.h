/* addresses.h - which workload is at which address, and answers to which name that is not its own,
 * learnt across traces from what spans say of themselves and from who answered whom (STITCHING,
 * knowledge; §2.1).
 *
 * Spans make claims: this service has this address (of a sidecar on the loopback: its pod). Who
 * resolves an address reads a snapshot that does not change while traces are stitched; it is
 * renewed at most once a minute. All of it belongs to the stitcher's thread.
 */
#ifndef STITCH_ADDRESSES_H
#define STITCH_ADDRESSES_H

#include "collector/model/turn.h"

struct addresses;

/* NULL when memory is short. Borrows names and nodes. */
struct addresses *addresses_new(struct names *names, struct nodes *nodes);
void addresses_free(struct addresses *addresses);

/* A claim that was stored; before the first snapshot. False beyond the limit. */
bool addresses_claim(struct addresses *addresses, const struct known_address *known);
/* Who answered to a name: a claim as well. */
void addresses_answer(struct addresses *addresses, const struct answered *answered,
                      uint32_t minute);
/* Would the span's claim be the first of its kind? */
bool addresses_is_news(struct addresses *addresses, const struct record *record);
/* A span was cut: who it is, filled in, and where it says it is. */
void addresses_see(struct addresses *addresses, const struct record *record, node_no node);
/* Renews the snapshot when something changed and the last one is a minute old. */
void addresses_renew(struct addresses *addresses, uint64_t now_mono_ns);
/* The workload at an address in the snapshot; NODE_NONE for what nobody claims, or several do. */
node_no addresses_find(const struct addresses *addresses, struct str address);
/* Claims that are new or older in the file than they should be, in the turn's memory. */
void addresses_hand_on(struct addresses *addresses, struct turn *turn);

#endif
