/* replay_send.h - pieces of files to a running collector, by the ports that take their format. */
#ifndef COMMAND_REPLAY_SEND_H
#define COMMAND_REPLAY_SEND_H

#include "collector/model/batch.h"

struct sender;

/* `to`: its OTLP/HTTP address, borrowed. NULL when memory is short. */
struct sender *sender_new(const char *to);
void sender_free(struct sender *sender); /* NULL is fine */
/* Sends one piece and waits for the answer: the bytes as they are, or the batch as OTLP where
 * its address does not take the format, in several requests where one is too large for the
 * collector. */
int sender_send(struct sender *sender, struct content content, struct str bytes,
                const struct batch *batch, struct err *err);
/* Has the collector flush; that it may not is only said. */
int sender_flush(struct sender *sender, struct err *err);

#endif
