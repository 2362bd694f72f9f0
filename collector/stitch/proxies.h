/* proxies.h - sidecar or gateway: learnt across traces from whom a proxy serves, where it does not
 * say (STITCHING §3, knowledge).
 *
 * A proxy that hands what it gets to its own application is a sidecar; one that hands it to others
 * is a gateway, as long as nothing within the hour spoke for a sidecar. Who asks reads a snapshot
 * that does not change while traces are stitched; it is renewed at most once a minute. All of it
 * belongs to the stitcher's thread.
 */
#ifndef STITCH_PROXIES_H
#define STITCH_PROXIES_H

#include "collector/model/turn.h"

struct proxies;

/* NULL when memory is short. Borrows names and nodes. */
struct proxies *proxies_new(struct names *names, struct nodes *nodes);
void proxies_free(struct proxies *proxies);

/* What was stored of a proxy; before the first snapshot. False beyond the limit. */
bool proxies_know(struct proxies *proxies, const struct known_proxy *known);
/* A trace was cut in this minute (Unix minutes, of receipt). */
void proxies_see(struct proxies *proxies, const struct graph *graph, uint32_t minute);
/* Renews the snapshot when something changed and the last one is a minute old. */
void proxies_renew(struct proxies *proxies, uint64_t now_mono_ns);
/* By the snapshot: PROXY_SIDECAR, PROXY_GATEWAY, or PROXY_UNKNOWN. */
uint8_t proxies_kind(const struct proxies *proxies, const struct node *node);
/* What is new or older in the file than it should be, in the turn's memory. */
void proxies_hand_on(struct proxies *proxies, struct turn *turn);

#endif
