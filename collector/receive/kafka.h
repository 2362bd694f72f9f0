/* kafka.h - a member of a consumer group: messages become bodies as if they had been posted. The
 * home of librdkafka.
 *
 * Messages are polled one after the other into a batch, the batch goes to the inbox, and only when
 * all of it is on disk are the offsets told to the broker and the next batch is polled.
 * Back-pressure is not polling. A message that cannot be read is set aside as a file and passed
 * over; one that cannot be taken now (a full disk, memory) is tried again until it is.
 *
 * Where to go on is what the database knows of a partition or what the group has committed,
 * whichever is further; a partition nobody knows begins at its first message.
 */
#ifndef RECEIVE_KAFKA_H
#define RECEIVE_KAFKA_H

#include "collector/receive/accept.h"

struct kafka_settings {
    const char *brokers, *group;
    const char *instance;       /* static membership; '' for none */
    const char *const *topics;  /* "name=format", format a word or `auto`; NULL-terminated */
    const char *const *options; /* "property=value" for librdkafka; NULL-terminated */
    const char *set_aside;      /* folder for messages that cannot be read; made when needed */
    size_t max_body;            /* bytes of a message: larger ones are set aside */
    struct acceptor *acceptor;  /* borrows */
    /* Is everything that an earlier process accepted in the database? Asked until it is. */
    bool (*settled)(void *ctx);
    /* The next message of a partition as the database knows it; -1 when it does not. */
    int64_t (*next)(void *ctx, uint64_t topic, int32_t partition);
    void *ctx;
};

struct kafka_receiver;
/* ERR_INVALID names the topic or option that is wrong. Brokers are looked for behind it. */
int kafka_receiver_start(const struct kafka_settings *settings, struct kafka_receiver **receiver,
                         struct err *err);
/* Ends the batch at hand, tells the broker how far it is, leaves the group. */
void kafka_receiver_stop(struct kafka_receiver *receiver);

#endif
