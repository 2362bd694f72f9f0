/* kafka.c - the consumer: what librdkafka is told, where partitions begin, polling, the end.
 *
 * Debian 12's librdkafka 2.0.2 decides some of it: no cooperative assignment (it crashes and hangs
 * there), no pausing (offsets get lost; not polling is the back-pressure), offsets only in the list
 * that is assigned (seeking has a timeout of microseconds).
 */
#include "collector/receive/kafka.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/base/log.h"
#include "collector/receive/kafka_internal.h"

#define POLL_MS 100
#define ASK_MS 5000
#define WAKE_MS 100
#define COMMIT_EVERY_NS NS_PER_S
#define SETTLE_NS (50 * NS_PER_MS)
#define ANEW_NS (5 * NS_PER_S)
#define CLOSE_S 5

static struct stat_family unreadable_family =
    STAT_COUNTER("faultline_kafka_unreadable_total", "Messages of Kafka that were set aside.");
static struct stat_family gaps_family =
    STAT_COUNTER("faultline_kafka_gaps_total",
                 "Times that a partition no longer had the message that was next.");

/* Of the consumer; receive.kafka.options may set others, and all of these but the first four. */
static const char *const properties[][2] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "error"}, /* we look ourselves, and count the gap */
    {"partition.assignment.strategy", "range,roundrobin"},
    {"client.id", "faultline"},
    {"check.crcs", "true"},
    {"isolation.level", "read_committed"},
    {"queued.max.messages.kbytes", "32768"},
    {"fetch.message.max.bytes", "262144"}, /* so that a backlog of one partition starves no other */
    {"socket.keepalive.enable", "true"},
    {"topic.metadata.refresh.interval.ms", "5000"}, /* a topic may be made after our start */
};
#define N_OURS 4

/* ---- words ---- */

uint64_t kafka_topic_hash(const char *name)
{
    uint64_t hash = hash_stored(HASH_STORED, name, strlen(name));
    return hash ? hash : 1;
}

int kafka_format_of(const struct kafka_receiver *receiver, const char *topic)
{
    for (size_t i = 0; i < receiver->n_topics; i++) {
        const struct kafka_topic *known = &receiver->topics[i];
        if (known->is_pattern ? regexec(&known->pattern, topic, 0, NULL, 0) == 0
                              : strcmp(known->name, topic) == 0)
            return known->format;
    }
    return FORMAT_AUTO;
}

static int add_topic(struct kafka_receiver *receiver, const char *text, struct err *err)
{
    const char *equals = strrchr(text, '=');
    struct kafka_topic *topic = &receiver->topics[receiver->n_topics];
    if (!equals || equals == text)
        return err_set(err, ERR_INVALID, "receive.kafka.topics: '%s' is not topic=format", text);
    topic->format =
        strcmp(equals + 1, "auto") == 0 ? FORMAT_AUTO : format_from_word(str_of(equals + 1));
    if (topic->format < 0 && strcmp(equals + 1, "auto") != 0)
        return err_set(err, ERR_INVALID,
                       "receive.kafka.topics: '%s' is no format: one of otlp_pb, otlp_json, "
                       "zipkin_json … or auto",
                       equals + 1);
    if (topic->format == FORMAT_REMOTE_WRITE)
        return err_set(err, ERR_INVALID,
                       "receive.kafka.topics: remote_write comes over HTTP alone, not from Kafka");
    topic->name = strndup(text, (size_t)(equals - text));
    if (!topic->name)
        return err_set(err, ERR_BUSY, "memory is short");
    receiver->n_topics++;
    if (topic->name[0] != '^')
        return 0;
    topic->is_pattern = regcomp(&topic->pattern, topic->name, REG_EXTENDED | REG_NOSUB) == 0;
    return topic->is_pattern
               ? 0
               : err_set(err, ERR_INVALID, "receive.kafka.topics: '%s' is no pattern", topic->name);
}

static int read_topics(struct kafka_receiver *receiver, struct err *err)
{
    const char *const *texts = receiver->settings.topics;
    size_t n = 0;
    while (texts && texts[n])
        n++;
    if (!n)
        return err_set(err, ERR_INVALID,
                       "receive.kafka.topics is empty: name them as otlp_spans=otlp_pb");
    receiver->topics = calloc(n, sizeof(*receiver->topics));
    for (size_t i = 0; receiver->topics && i < n; i++) {
        if (add_topic(receiver, texts[i], err))
            return err->code;
    }
    return receiver->topics ? 0 : err_set(err, ERR_BUSY, "memory is short");
}

/* ---- what librdkafka says ---- */

static void take_log(const rd_kafka_t *consumer, int level, const char *facility, const char *text)
{
    static struct log_limit limit;
    char quoted[256];
    (void)consumer;
    log_limited(&limit, level <= 4 ? LOG_WARN : LOG_DEBUG, "kafka", "facility=%s reason=%s",
                facility, log_quote(str_of(text), quoted));
}

static void take_error(rd_kafka_t *consumer, int code, const char *reason, void *ctx)
{
    static struct log_limit limit;
    char quoted[256];
    (void)consumer, (void)ctx;
    log_limited(&limit, LOG_WARN, "kafka_error", "code=%s reason=%s",
                rd_kafka_err2name((rd_kafka_resp_err_t)code), log_quote(str_of(reason), quoted));
}

/* ---- where partitions begin ---- */

static struct kafka_place *find_next(struct kafka_receiver *receiver, uint64_t topic,
                                     int32_t partition)
{
    for (size_t i = 0; i < receiver->n_next; i++) {
        if (receiver->next[i].topic == topic && receiver->next[i].partition == partition)
            return &receiver->next[i];
    }
    return NULL;
}

static void note_next(struct kafka_receiver *receiver, const struct kafka_place *next)
{
    struct kafka_place *known = find_next(receiver, next->topic, next->partition);
    if (known) {
        known->offset = next->offset;
        return;
    }
    struct kafka_place *grown =
        realloc(receiver->next, (receiver->n_next + 1) * sizeof(*receiver->next));
    if (!grown)
        return; /* the database knows it too, a second later */
    receiver->next = grown;
    receiver->next[receiver->n_next++] = *next;
}

void kafka_passed(struct kafka_receiver *receiver, const rd_kafka_message_t *message)
{
    struct kafka_place next = {.topic = kafka_topic_hash(rd_kafka_topic_name(message->rkt)),
                               .partition = message->partition,
                               .offset = message->offset + 1};
    note_next(receiver, &next);
    rd_kafka_offset_store(message->rkt, message->partition, message->offset);
}

/* What we know, or what the group has committed: whichever is further. */
static int64_t first_of(struct kafka_receiver *receiver,
                        const rd_kafka_topic_partition_t *partition)
{
    const struct kafka_settings *settings = &receiver->settings;
    uint64_t topic = kafka_topic_hash(partition->topic);
    const struct kafka_place *ours = find_next(receiver, topic, partition->partition);
    int64_t next = ours ? ours->offset : settings->next(settings->ctx, topic, partition->partition);
    int64_t first = partition->offset > next ? partition->offset : next;
    if (first >= 0)
        return first;
    return receiver->begins_at_end ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
}

static void assign(struct kafka_receiver *receiver, rd_kafka_topic_partition_list_t *partitions)
{
    for (int i = 0; i < partitions->cnt; i++)
        partitions->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
    rd_kafka_resp_err_t code = rd_kafka_committed(receiver->consumer, partitions, ASK_MS);
    if (code)
        take_error(receiver->consumer, code, "what the group has committed could not be asked",
                   NULL);
    for (int i = 0; i < partitions->cnt; i++)
        partitions->elems[i].offset = first_of(receiver, &partitions->elems[i]);
    rd_kafka_assign(receiver->consumer, partitions);
    log_event(LOG_INFO, "kafka_assigned", "partitions=%d", partitions->cnt);
}

static void rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *partitions, void *ctx)
{
    struct kafka_receiver *receiver = ctx;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        assign(receiver, partitions);
        return;
    }
    rd_kafka_commit(consumer, NULL, 0);
    rd_kafka_assign(consumer, NULL);
}

/* The log no longer has the message that was next: its first is next now. */
static void jump(struct kafka_receiver *receiver, const rd_kafka_message_t *event)
{
    rd_kafka_topic_partition_list_t *partitions;
    const char *topic = rd_kafka_topic_name(event->rkt);
    stat_add(receiver->gaps, 1);
    log_event(LOG_ERROR, "kafka_gap", "topic=%s partition=%d reason=\"%s\"", topic,
              (int)event->partition, rd_kafka_message_errstr(event));
    if (rd_kafka_assignment(receiver->consumer, &partitions) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (int i = 0; i < partitions->cnt; i++) {
        rd_kafka_topic_partition_t *at = &partitions->elems[i];
        bool here = at->partition == event->partition && strcmp(at->topic, topic) == 0;
        at->offset = here ? RD_KAFKA_OFFSET_BEGINNING : first_of(receiver, at);
    }
    rd_kafka_assign(receiver->consumer, partitions);
    rd_kafka_topic_partition_list_destroy(partitions);
}

/* ---- the consumer ---- */

static int set_property(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    char reason[300];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) == RD_KAFKA_CONF_OK)
        return 0;
    return err_set(err, ERR_INVALID, "receive.kafka.options: %s", reason);
}

static int set_option(struct kafka_receiver *receiver, rd_kafka_conf_t *conf, const char *option,
                      struct err *err)
{
    const char *equals = strchr(option, '=');
    char name[128];
    if (!equals || (size_t)(equals - option) >= sizeof(name))
        return err_set(err, ERR_INVALID, "receive.kafka.options: '%s' is not property=value",
                       option);
    snprintf(name, sizeof(name), "%.*s", (int)(equals - option), option);
    if (strcmp(name, "auto.offset.reset") == 0) {
        receiver->begins_at_end =
            strcmp(equals + 1, "latest") == 0 || strcmp(equals + 1, "end") == 0;
        return 0;
    }
    for (size_t i = 0; i < N_OURS; i++) {
        if (strcmp(name, properties[i][0]) == 0)
            return err_set(err, ERR_INVALID,
                           "receive.kafka.options: %s cannot be set: what was accepted would be "
                           "lost or come twice",
                           name);
    }
    return set_property(conf, name, equals + 1, err);
}

static int configure(struct kafka_receiver *receiver, rd_kafka_conf_t *conf, struct err *err)
{
    const struct kafka_settings *settings = &receiver->settings;
    int code = 0;
    for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]) && !code; i++)
        code = set_property(conf, properties[i][0], properties[i][1], err);
    code = code ? code : set_property(conf, "bootstrap.servers", settings->brokers, err);
    code = code ? code : set_property(conf, "group.id", settings->group, err);
    if (!code && settings->instance[0])
        code = set_property(conf, "group.instance.id", settings->instance, err);
    for (size_t i = 0; settings->options && settings->options[i] && !code; i++)
        code = set_option(receiver, conf, settings->options[i], err);
    rd_kafka_conf_set_opaque(conf, receiver);
    rd_kafka_conf_set_rebalance_cb(conf, rebalance);
    rd_kafka_conf_set_error_cb(conf, take_error);
    rd_kafka_conf_set_log_cb(conf, take_log);
    return code;
}

static int open_consumer(struct kafka_receiver *receiver, struct err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[300];
    if (configure(receiver, conf, err)) {
        rd_kafka_conf_destroy(conf);
        return err->code;
    }
    receiver->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
    if (!receiver->consumer) {
        rd_kafka_conf_destroy(conf);
        return err_set(err, ERR_INVALID, "receive.kafka: %s", reason);
    }
    rd_kafka_poll_set_consumer(receiver->consumer);
    rd_kafka_topic_partition_list_t *topics =
        rd_kafka_topic_partition_list_new((int)receiver->n_topics);
    for (size_t i = 0; i < receiver->n_topics; i++)
        rd_kafka_topic_partition_list_add(topics, receiver->topics[i].name, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(receiver->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return code ? err_set(err, ERR_INVALID, "receive.kafka.topics: %s", rd_kafka_err2str(code)) : 0;
}

static void close_consumer(struct kafka_receiver *receiver)
{
    if (!receiver->consumer)
        return;
    rd_kafka_commit(receiver->consumer, NULL, 0);
    rd_kafka_consumer_close(receiver->consumer);
    rd_kafka_destroy(receiver->consumer);
    receiver->consumer = NULL;
}

/* ---- polling ---- */

static void take_event(struct kafka_receiver *receiver, rd_kafka_message_t *event)
{
    if (event->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET && event->rkt)
        jump(receiver, event);
    else if (event->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        take_error(receiver->consumer, event->err, rd_kafka_message_errstr(event), NULL);
    rd_kafka_message_destroy(event);
}

/* librdkafka 2.0 looks again only a second after its queue was full, though that may be empty long
 * before. What it is asked wakes its threads: the offsets of what is read anyway. */
static void wake_fetchers(struct kafka_receiver *receiver)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    if (rd_kafka_assignment(receiver->consumer, &list) || !list)
        return;
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = RD_KAFKA_OFFSET_END;
    rd_kafka_offsets_for_times(receiver->consumer, list, WAKE_MS);
    rd_kafka_topic_partition_list_destroy(list);
}

/* What is there, up to a batch; waits a little for the first. */
static void gather(struct kafka_receiver *receiver)
{
    int wait_ms = POLL_MS;
    while (!receiver->stopping && receiver->n_items < BATCH_MESSAGES &&
           receiver->batch_bytes < BATCH_BYTES) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(receiver->consumer, wait_ms);
        if (!message)
            return;
        wait_ms = 0;
        if (message->err) {
            take_event(receiver, message);
            return; /* what was assigned may have changed: what is here goes first */
        }
        kafka_batch_add(receiver, message);
    }
}

/* A fenced static member, or worse: this consumer is of no more use. */
static bool is_fatal(struct kafka_receiver *receiver)
{
    char reason[200], quoted[256];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(receiver->consumer, reason, sizeof(reason));
    if (code)
        log_event(LOG_ERROR, "kafka_fatal", "code=%s reason=%s", rd_kafka_err2name(code),
                  log_quote(str_of(reason), quoted));
    return code != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void consume(struct kafka_receiver *receiver)
{
    while (!receiver->stopping && !is_fatal(receiver)) {
        gather(receiver);
        if (receiver->batch_bytes > BATCH_BYTES / 4)
            wake_fetchers(receiver);
        if (receiver->n_items)
            kafka_batch_deliver(receiver);
        if (clock_mono_ns() >= receiver->committed_ns + COMMIT_EVERY_NS) {
            receiver->committed_ns = clock_mono_ns();
            rd_kafka_commit(receiver->consumer, NULL, 1);
        }
    }
}

static void pause_for(const struct kafka_receiver *receiver, uint64_t ns)
{
    uint64_t until_ns = clock_mono_ns() + ns;
    while (!receiver->stopping && clock_mono_ns() < until_ns)
        nanosleep(&(struct timespec){.tv_nsec = (long)SETTLE_NS}, NULL);
}

static void *run(void *arg)
{
    struct kafka_receiver *receiver = arg;
    struct err err = {0};
    pthread_setname_np(pthread_self(), "kafka");
    while (!receiver->stopping && !receiver->settings.settled(receiver->settings.ctx))
        pause_for(receiver, SETTLE_NS);
    while (!receiver->stopping) {
        if (receiver->consumer || open_consumer(receiver, &err) == 0)
            consume(receiver);
        else
            log_event(LOG_ERROR, "kafka_cannot_start", "reason=\"%s\"", err.text);
        close_consumer(receiver);
        pause_for(receiver, ANEW_NS);
    }
    close_consumer(receiver);
    return NULL;
}

/* ---- life ---- */

static unsigned count_files(const char *folder)
{
    DIR *opened = opendir(folder);
    unsigned n = 0;
    while (opened && readdir(opened))
        n++;
    if (opened)
        closedir(opened);
    return n > 2 ? n - 2 : 0;
}

static void receiver_free(struct kafka_receiver *receiver)
{
    for (size_t i = 0; i < receiver->n_topics; i++) {
        free(receiver->topics[i].name);
        if (receiver->topics[i].is_pattern)
            regfree(&receiver->topics[i].pattern);
    }
    if (receiver->consumer)
        rd_kafka_destroy(receiver->consumer);
    free(receiver->topics);
    free(receiver->items);
    free(receiver->next);
    pthread_cond_destroy(&receiver->answered);
    pthread_mutex_destroy(&receiver->mutex);
    free(receiver);
}

int kafka_receiver_start(const struct kafka_settings *settings, struct kafka_receiver **result,
                         struct err *err)
{
    struct kafka_receiver *receiver = calloc(1, sizeof(*receiver));
    if (!receiver)
        return err_set(err, ERR_BUSY, "memory is short");
    receiver->settings = *settings;
    pthread_mutex_init(&receiver->mutex, NULL);
    pthread_cond_init(&receiver->answered, NULL);
    receiver->unreadable = stat_get(&unreadable_family, NULL);
    receiver->gaps = stat_get(&gaps_family, NULL);
    receiver->n_set_aside = count_files(settings->set_aside);
    /* Settings are tried here, where somebody reads what is wrong; the group is joined later. */
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int code = read_topics(receiver, err);
    code = code ? code : configure(receiver, conf, err);
    rd_kafka_conf_destroy(conf);
    if (!code && pthread_create(&receiver->thread, NULL, run, receiver) != 0)
        code = err_set(err, ERR_IO, "cannot start the thread of Kafka");
    if (code) {
        receiver_free(receiver);
        return code;
    }
    receiver->running = true;
    *result = receiver;
    return 0;
}

void kafka_receiver_stop(struct kafka_receiver *receiver)
{
    struct timespec until;
    if (!receiver)
        return;
    receiver->stopping = true;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_S;
    /* librdkafka 2.0.2 may wait for ever for a broker that is gone; the process ends anyway. */
    if (pthread_timedjoin_np(receiver->thread, NULL, &until) != 0) {
        log_event(LOG_WARN, "kafka_left_behind", "reason=\"the group could not be left in time\"");
        return;
    }
    receiver_free(receiver);
}
