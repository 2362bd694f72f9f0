/* envoy_als.h - a stream of Envoy's access log service names its sender once, in its first message;
 * a body in the inbox stands for itself. So every message is kept with the part of that name that
 * is needed, in front of what it says.
 */
#ifndef DECODE_ENVOY_ALS_H
#define DECODE_ENVOY_ALS_H

#include "collector/base/buf.h"

/* What of the message's identifier is needed, as the field of a message; nothing when it has none.
 * False when the message is malformed. */
bool als_identity(struct str message, struct buf *identity);
/* The message with this identity in place of its own. False when it is malformed. */
bool als_body(struct str message, struct str identity, struct buf *body);
/* The first field of this number in any message; false when there is none, or it is no bytes. */
bool als_field(struct str message, unsigned field, struct str *bytes);

#endif
