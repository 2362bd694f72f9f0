/* pipeline_feeder.c - bodies reach the stitcher in order of their numbers: from memory while it
 * keeps up, from the inbox when it does not.
 */
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/command/pipeline_internal.h"
#include "collector/decode/decode.h"

#define AGAIN_NS (200 * NS_PER_MS)

void feeder_take_synced(struct body *body, void *ctx)
{
    struct pipeline *pipeline = ctx;
    pthread_mutex_lock(&pipeline->mutex);
    bool direct = !pipeline->behind && body->seq > pipeline->fed;
    if (direct) {
        uint64_t seq = body->seq;
        if (body->batch && stitcher_try_push(pipeline->stitcher, body)) {
            pipeline->fed = seq;
            body = NULL;
        } else {
            pipeline->behind = true;
        }
        pthread_cond_broadcast(&pipeline->changed);
    }
    pthread_mutex_unlock(&pipeline->mutex);
    body_free(body);
}

/* True when there is something to read; false when it is time to stop and all is fed. */
static bool wait_behind(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->mutex);
    while (!pipeline->behind && !pipeline->stopping)
        pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
    bool behind = pipeline->behind;
    pthread_mutex_unlock(&pipeline->mutex);
    return behind;
}

/* Was everything read that is on disk? Then bodies go straight again. */
static bool caught_up(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->mutex);
    bool done = pipeline->fed >= inbox_last_seq(pipeline->inbox);
    if (done)
        pipeline->behind = false;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->mutex);
    return done;
}

static void pause_reading(const struct err *err)
{
    static struct log_limit limit;
    char quoted[256];
    log_limited(&limit, LOG_ERROR, "inbox_waits", "reason=%s",
                log_quote(str_of(err->text), quoted));
    nanosleep(&(struct timespec){.tv_nsec = (long)AGAIN_NS}, NULL);
}

/* It was accepted: memory is waited for, and limits that became tighter since are not for it. */
static int decode_again(struct pipeline *pipeline, struct body *body, struct err *err)
{
    struct str bytes = {body->bytes, body->n_bytes};
    struct limits limits = pipeline->limits;
    limits.max_spans = UINT32_MAX;
    limits.max_decoded = SIZE_MAX / 2;
    struct content content = {body->signal, body->format, body->encoding};
    while (decode_content(content, bytes, &limits, &body->batch, err) == ERR_BUSY)
        pause_reading(err);
    return err->code;
}

static bool feed_again(struct pipeline *pipeline, struct body *body)
{
    struct err err = {0};
    uint64_t seq = body->seq;
    if (decode_again(pipeline, body, &err)) {
        char quoted[256];
        log_event(LOG_ERROR, "inbox_body_unreadable", "seq=%llu reason=%s", (unsigned long long)seq,
                  log_quote(str_of(err.text), quoted));
        body_free(body);
    } else if (!stitcher_push(pipeline->stitcher, body)) {
        body_free(body);
        return false;
    }
    pthread_mutex_lock(&pipeline->mutex);
    pipeline->fed = seq;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->mutex);
    return true;
}

/* Reads until the end so far, or until it cannot be read now. */
static int feed_rest(struct pipeline *pipeline, struct err *err)
{
    struct inbox_reader *reader;
    struct body *body;
    if (inbox_read_open(pipeline->inbox, pipeline->fed + 1, &reader, err))
        return err->code;
    while (inbox_read_next(reader, &body, err) == 0 && body) {
        if (!feed_again(pipeline, body))
            break;
    }
    inbox_read_close(reader);
    return err->code;
}

static void *run_feeder(void *arg)
{
    struct pipeline *pipeline = arg;
    pthread_setname_np(pthread_self(), "inbox-reader");
    while (wait_behind(pipeline)) {
        struct err err = {0};
        uint64_t before = pipeline->fed;
        if (feed_rest(pipeline, &err)) {
            pause_reading(&err); /* nothing is passed over that may be good */
            continue;
        }
        if (caught_up(pipeline) || pipeline->fed > before)
            continue;
        /* Nothing more can be read although the numbers go on: a damaged segment was skipped to its
         * end. */
        pthread_mutex_lock(&pipeline->mutex);
        pipeline->fed = inbox_last_seq(pipeline->inbox);
        pthread_mutex_unlock(&pipeline->mutex);
    }
    return NULL;
}

/* ---- life ---- */

int feeder_start(struct pipeline *pipeline, struct err *err)
{
    if (!pipeline->inbox)
        return 0;
    uint64_t needed_from = store_needed_from(pipeline->store);
    pipeline->fed = needed_from ? needed_from - 1 : 0;
    pipeline->found_to = inbox_last_seq(pipeline->inbox);
    pipeline->behind = pipeline->found_to > pipeline->fed;
    if (pthread_create(&pipeline->feeder, NULL, run_feeder, pipeline) != 0)
        return err_set(err, ERR_BUSY, "cannot start the feeder's thread");
    pipeline->feeding = true;
    return inbox_start(pipeline->inbox, err);
}

void feeder_stop(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->mutex);
    while (pipeline->behind)
        pthread_cond_wait(&pipeline->changed, &pipeline->mutex);
    pipeline->stopping = true;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->mutex);
    pthread_join(pipeline->feeder, NULL);
}

/* ---- bodies that come ---- */

int pipeline_append(struct body *body, void *ctx, struct err *err)
{
    struct pipeline *pipeline = ctx;
    const char *state = store_state(pipeline->store);
    if (state[0] && inbox_bytes(pipeline->inbox) > pipeline->settings->inbox_max / 2)
        return err_set(err, ERR_IO, "the database cannot be written (%s)", state);
    return inbox_append(pipeline->inbox, body, err);
}

int pipeline_feed(struct pipeline *pipeline, struct body *body, struct err *err)
{
    pthread_mutex_lock(&pipeline->mutex);
    body->seq = ++pipeline->fed;
    pthread_mutex_unlock(&pipeline->mutex);
    if (!stitcher_push(pipeline->stitcher, body))
        return err_set(err, ERR_BUSY, "the stitcher has stopped");
    return 0;
}
