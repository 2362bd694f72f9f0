/* kafka_internal.h - what the files of the Kafka receiver share.
 *
 *   kafka.c        the consumer: settings, assignments, polling, the end
 *   kafka_batch.c  a batch of messages: to the inbox, again, or set aside
 */
#ifndef RECEIVE_KAFKA_INTERNAL_H
#define RECEIVE_KAFKA_INTERNAL_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <regex.h>
#include <stdatomic.h>

#include "collector/base/stats.h"
#include "collector/receive/kafka.h"

#define BATCH_MESSAGES 1000
#define BATCH_BYTES ((size_t)16 << 20)
#define FORMAT_AUTO (-1)

struct kafka_topic {
    char *name; /* with '^' before it: a pattern */
    int format;
    regex_t pattern;
    bool is_pattern;
};

enum item_state { ITEM_WAITS, ITEM_GOOD, ITEM_AGAIN, ITEM_UNREADABLE };

/* A message of the batch at hand; a message of several JSON lines is several parts. */
struct kafka_item {
    struct kafka_receiver *receiver;
    rd_kafka_message_t *message; /* of the last part; the others only point into it */
    struct str part;
    struct content content;
    bool known; /* what it is */
    bool last;
    enum item_state state; /* while it is out, of the mutex */
    char reason[200];
};

struct kafka_receiver {
    struct kafka_settings settings;
    struct kafka_topic *topics;
    size_t n_topics;
    rd_kafka_t *consumer;
    bool begins_at_end; /* auto.offset.reset=latest */
    pthread_t thread;
    bool running;
    _Atomic bool stopping;

    struct kafka_item *items; /* the batch */
    size_t n_items, cap_items, batch_bytes;
    struct body_lane lane;
    pthread_mutex_t mutex; /* with `answered`: how many items are still in the inbox's hands */
    pthread_cond_t answered;
    size_t n_out;

    struct kafka_place *next; /* of the partitions read in this process; offset: the next message */
    size_t n_next;
    uint64_t committed_ns;
    unsigned n_set_aside; /* files there are */
    struct stat_series *unreadable, *gaps;
};

/* kafka.c */
uint64_t kafka_topic_hash(const char *name);
int kafka_format_of(const struct kafka_receiver *receiver, const char *topic);
/* The message is dealt with. */
void kafka_passed(struct kafka_receiver *receiver, const rd_kafka_message_t *message);

/* kafka_batch.c */
/* Takes the message. */
void kafka_batch_add(struct kafka_receiver *receiver, rd_kafka_message_t *message);
/* Until all of it is on disk or set aside; when stopping, what is not stays with the broker. */
void kafka_batch_deliver(struct kafka_receiver *receiver);

#endif
