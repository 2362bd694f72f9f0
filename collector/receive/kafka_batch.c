/* kafka_batch.c - messages reach the inbox in their order: what is refused blocks the lane, so that
 * none behind it is on disk before it (model/body.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/decode/decode.h"
#include "collector/receive/kafka_internal.h"

#define AGAIN_NS (200 * NS_PER_MS)
#define MOST_SET_ASIDE 1000

/* ---- gathering ---- */

static struct kafka_item *item_add(struct kafka_receiver *receiver)
{
    if (receiver->n_items == receiver->cap_items) {
        size_t cap = receiver->cap_items ? 2 * receiver->cap_items : 256;
        struct kafka_item *grown = realloc(receiver->items, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        receiver->items = grown;
        receiver->cap_items = cap;
    }
    struct kafka_item *item = &receiver->items[receiver->n_items++];
    *item = (struct kafka_item){.receiver = receiver, .state = ITEM_AGAIN};
    return item;
}

/* What a message is: as the topic says, which knows no signal, or by how it begins. */
static bool content_of(int format, struct str value, struct content *content)
{
    bool guessed = decode_guess(value, content);
    if (format == FORMAT_AUTO || (guessed && content->format == format))
        return guessed;
    *content = (struct content){SIGNAL_TRACES, (uint8_t)format, ENCODING_IDENTITY};
    return true;
}

static bool is_json(const struct content *content)
{
    return content->format == FORMAT_OTLP_JSON || content->format == FORMAT_ZIPKIN_JSON;
}

/* Lines that are a document each; a document may also go over several lines. */
static bool is_json_lines(struct str value)
{
    size_t n = 0;
    while (value.len) {
        const char *end = memchr(value.p, '\n', value.len);
        size_t size = end ? (size_t)(end - value.p) : value.len;
        struct str line = str_trim((struct str){value.p, size});
        if (line.len && line.p[0] != '{' && line.p[0] != '[')
            return false;
        n += line.len > 1;
        value.p += size + (end != NULL);
        value.len -= size + (end != NULL);
    }
    return n > 1;
}

static bool add_lines(struct kafka_receiver *receiver, struct str value,
                      const struct content *content)
{
    struct kafka_item *item = NULL;
    while (value.len) {
        const char *end = memchr(value.p, '\n', value.len);
        size_t size = end ? (size_t)(end - value.p) : value.len;
        struct str line = str_trim((struct str){value.p, size});
        value.p += size + (end != NULL);
        value.len -= size + (end != NULL);
        if (!line.len)
            continue;
        item = item_add(receiver);
        if (!item)
            return false;
        item->part = line;
        item->content = *content;
        item->known = true;
    }
    return item != NULL;
}

static bool add_value(struct kafka_receiver *receiver, struct str value, int format)
{
    struct content content = {0};
    bool known = content_of(format, value, &content);
    if (known && is_json(&content) && is_json_lines(value))
        return add_lines(receiver, value, &content);
    struct kafka_item *item = item_add(receiver);
    if (item) {
        item->part = value;
        item->content = content;
        item->known = known;
    }
    return item != NULL;
}

static void pause_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)AGAIN_NS}, NULL);
}

void kafka_batch_add(struct kafka_receiver *receiver, rd_kafka_message_t *message)
{
    size_t before = receiver->n_items;
    struct str value = {message->payload, message->len};
    int format = kafka_format_of(receiver, rd_kafka_topic_name(message->rkt));
    while (!add_value(receiver, value, format)) { /* memory is short; nothing may overtake it */
        receiver->n_items = before;
        if (receiver->stopping) {
            rd_kafka_message_destroy(message);
            return;
        }
        pause_a_little();
    }
    struct kafka_item *last = &receiver->items[receiver->n_items - 1];
    last->message = message;
    last->last = true;
    receiver->batch_bytes += message->len;
}

/* ---- to the inbox ---- */

static void answered(const struct acceptance *acceptance, void *ctx)
{
    struct kafka_item *item = ctx;
    struct kafka_receiver *receiver = item->receiver;
    enum err_code code = acceptance->err.code;
    bool again = code == ERR_BUSY || code == ERR_IO;
    if (code)
        snprintf(item->reason, sizeof(item->reason), "%.199s", acceptance->err.text);
    if (again)
        receiver->lane.blocked = true; /* also where the inbox did not see it */
    pthread_mutex_lock(&receiver->mutex);
    item->state = !code ? ITEM_GOOD : again ? ITEM_AGAIN : ITEM_UNREADABLE;
    receiver->n_out--;
    pthread_cond_signal(&receiver->answered);
    pthread_mutex_unlock(&receiver->mutex);
}

static void name_sender(const rd_kafka_message_t *message, char sender[64])
{
    snprintf(sender, 64, "%.30s/%d@%lld", rd_kafka_topic_name(message->rkt),
             (int)message->partition, (long long)message->offset);
}

/* Before it was decoded; `status` as HTTP would say it, for `tail`. */
static void refuse(struct kafka_item *item, const rd_kafka_message_t *message, unsigned status,
                   const char *reason)
{
    char sender[64];
    name_sender(message, sender);
    snprintf(item->reason, sizeof(item->reason), "%s", reason);
    item->state = ITEM_UNREADABLE;
    accept_refused(item->receiver->settings.acceptor, TRANSPORT_KAFKA, status,
                   item->known ? format_word(item->content.format) : "", item->part.len,
                   str_of(sender), reason);
}

static rd_kafka_message_t *message_of(const struct kafka_receiver *receiver, size_t i)
{
    while (!receiver->items[i].last)
        i++;
    return receiver->items[i].message;
}

static void submit(struct kafka_receiver *receiver, size_t i)
{
    struct kafka_item *item = &receiver->items[i];
    const rd_kafka_message_t *origin = message_of(receiver, i);
    const char *topic = rd_kafka_topic_name(origin->rkt);
    char sender[64];
    if (!item->part.len) { /* a tombstone */
        item->state = ITEM_GOOD;
        return;
    }
    if (item->part.len > receiver->settings.max_body) {
        refuse(item, origin, 413, "the message is larger than receive.max_body");
        return;
    }
    if (!item->known || !decode_for(item->content)) {
        refuse(item, origin, 415, "its format is not known: say it in receive.kafka.topics");
        return;
    }
    char *bytes = malloc(item->part.len);
    if (!bytes) {
        snprintf(item->reason, sizeof(item->reason), "memory is short");
        receiver->lane.blocked = true;
        return;
    }
    memcpy(bytes, item->part.p, item->part.len);
    name_sender(origin, sender);
    struct message message = {
        .content = item->content,
        .bytes = bytes,
        .n_bytes = item->part.len,
        .lane = &receiver->lane,
        .sender = str_of(sender),
    };
    if (item->last)
        message.place = (struct kafka_place){.topic = kafka_topic_hash(topic),
                                             .partition = origin->partition,
                                             .offset = origin->offset};
    item->state = ITEM_WAITS;
    pthread_mutex_lock(&receiver->mutex);
    receiver->n_out++;
    pthread_mutex_unlock(&receiver->mutex);
    accept_message(receiver->settings.acceptor, &message, answered, item);
}

/* Sends what has to go, in order, and waits for the answers. */
static void submit_all(struct kafka_receiver *receiver)
{
    receiver->lane.blocked = false;
    for (size_t i = 0; i < receiver->n_items && !receiver->lane.blocked; i++) {
        if (receiver->items[i].state == ITEM_AGAIN)
            submit(receiver, i);
    }
    pthread_mutex_lock(&receiver->mutex);
    while (receiver->n_out)
        pthread_cond_wait(&receiver->answered, &receiver->mutex);
    pthread_mutex_unlock(&receiver->mutex);
}

/* ---- what cannot be read ---- */

static void set_aside(struct kafka_receiver *receiver, const struct kafka_item *item, size_t i)
{
    static struct log_limit limit;
    const rd_kafka_message_t *message = message_of(receiver, i);
    const char *topic = rd_kafka_topic_name(message->rkt), *folder = receiver->settings.set_aside;
    char path[4200], quoted[256];
    stat_add(receiver->unreadable, 1);
    log_limited(&limit, LOG_ERROR, "kafka_message_unreadable",
                "topic=%s partition=%d offset=%lld reason=%s", topic, (int)message->partition,
                (long long)message->offset, log_quote(str_of(item->reason), quoted));
    if (receiver->n_set_aside >= MOST_SET_ASIDE || (mkdir(folder, 0750) != 0 && errno != EEXIST))
        return;
    snprintf(path, sizeof(path), "%s/%.200s-%d-%lld", folder, topic, (int)message->partition,
             (long long)message->offset);
    FILE *file = fopen(path, "wbe");
    if (!file)
        return;
    receiver->n_set_aside++;
    fwrite(message->payload, 1, message->len, file);
    fclose(file);
}

/* ---- a batch ---- */

/* Passes over what is dealt with, from the front. True when nothing is left. */
static bool take_off(struct kafka_receiver *receiver, size_t *done)
{
    for (; *done < receiver->n_items; (*done)++) {
        struct kafka_item *item = &receiver->items[*done];
        if (item->state == ITEM_AGAIN)
            return false;
        if (item->state == ITEM_UNREADABLE)
            set_aside(receiver, item, *done);
        if (item->last)
            kafka_passed(receiver, item->message);
    }
    return true;
}

void kafka_batch_deliver(struct kafka_receiver *receiver)
{
    size_t done = 0;
    for (;;) {
        submit_all(receiver);
        if (take_off(receiver, &done) || receiver->stopping)
            break;
        static struct log_limit limit;
        char quoted[256];
        log_limited(&limit, LOG_WARN, "kafka_waits", "reason=%s",
                    log_quote(str_of(receiver->items[done].reason), quoted));
        pause_a_little();
    }
    for (size_t i = 0; i < receiver->n_items; i++) {
        if (receiver->items[i].last)
            rd_kafka_message_destroy(receiver->items[i].message);
    }
    receiver->n_items = receiver->batch_bytes = 0;
}
