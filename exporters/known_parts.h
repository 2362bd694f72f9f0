/* known_parts.h - what is known of services minute by minute: an unknown version, namespace or
 * cluster is the only one that was known of that service, where there was one (STITCHING §1).
 *
 * "In that minute" is this minute or the one before, so that a minute's first calls have it too.
 * Not locked.
 */
#ifndef EXPORTERS_KNOWN_PARTS_H
#define EXPORTERS_KNOWN_PARTS_H

#include "collector/model/node.h"

struct known_parts;

/* NULL when memory is short. */
struct known_parts *known_parts_new(void);
void known_parts_free(struct known_parts *known);
/* A node took part in a call in this minute (Unix minutes). Short memory: it is not noted. */
void known_parts_see(struct known_parts *known, const struct nodes *nodes, node_no no,
                     uint32_t minute);
/* The node with its unknown parts filled in. Was any? */
bool known_parts_fill(const struct known_parts *known, const struct node *node, uint32_t minute,
                      struct node *filled);

#endif
