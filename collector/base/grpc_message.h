/* grpc_message.h - what gRPC lays over HTTP/2: a message's frame, and how long a caller waits. */
#ifndef BASE_GRPC_MESSAGE_H
#define BASE_GRPC_MESSAGE_H

#include "collector/base/str.h"

#define GRPC_FRAME_BYTES 5 /* a flag, a length of 32 bits in network order */

enum grpc_message {
    GRPC_PART,     /* not all is there */
    GRPC_WHOLE,    /* exactly one message */
    GRPC_TOO_BIG,  /* it states more than `max` bytes */
    GRPC_BAD_FLAG, /* neither plain nor compressed */
    GRPC_BEHIND    /* bytes behind the one message */
};

/* The message of a call that takes one, in what of the body has come. *message and *compressed are
 * set when it is whole. */
enum grpc_message grpc_message_read(struct str body, size_t max, struct str *message,
                                    bool *compressed);
/* A grpc-timeout: up to 8 digits and a unit of H M S m u n; no more than 2^62 ns. False when it is
 * none. */
bool grpc_timeout_read(struct str text, uint64_t *ns);

#endif
