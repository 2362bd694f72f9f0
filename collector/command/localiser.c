/* localiser.c - the thread that looks: by the clock, or through a replay in its own time. */
#include "collector/command/localiser.h"

#include <pthread.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/queue.h"
#include "collector/base/stats.h"
#include "collector/command/watch.h"
#include "collector/model/ingest_stats.h"

#define QUEUE_TURNS 64
#define METRIC_BYTES (1u << 18)
#define SERIES_SETTLE_NS (20 * NS_PER_S) /* a scrape, and its way here */

static struct stat_family opened_family =
    STAT_COUNTER("faultline_incidents_total", "Incidents opened.");

struct localiser {
    struct localiser_settings settings;
    struct queue *queue;
    pthread_t thread;
    struct watch watch;
    uint64_t looked_to; /* step before which all is looked at */
    uint64_t left_out;  /* counters, as far as it was told */
    struct stat_series *n_limited;
    pthread_mutex_t mutex; /* guards what follows */
    struct buf metrics;
};

/* ---- what others see ---- */

/* Those of spans, then the one of series. */
static const struct watched *first_open(const struct watch *watch)
{
    return watch->open ? watch->open : watch->by_series;
}

static const struct watched *next_open(const struct watch *watch, const struct watched *at)
{
    return at == watch->by_series ? NULL : at->next ? at->next : watch->by_series;
}

static void show(void *ctx)
{
    struct localiser *localiser = ctx;
    struct buf *out = &localiser->metrics;
    pthread_mutex_lock(&localiser->mutex);
    buf_reset(out);
    const struct watch *watch = &localiser->watch;
    for (const struct watched *at = first_open(watch); at; at = next_open(watch, at)) {
        if (at == first_open(watch))
            buf_add_c(out, "# HELP faultline_incident_active 1 while the incident is open.\n"
                           "# TYPE faultline_incident_active gauge\n");
        buf_add_str(out, buf_str(&at->active));
    }
    bool first = true;
    for (const struct watched *at = first_open(watch); at; at = next_open(watch, at)) {
        if (at->scores.len && first)
            buf_add_c(out, "# HELP faultline_suspect_score Share that is spoilt there, of the "
                           "first three suspects.\n# TYPE faultline_suspect_score gauge\n");
        first = first && !at->scores.len;
        buf_add_str(out, buf_str(&at->scores));
    }
    pthread_mutex_unlock(&localiser->mutex);
}

void localiser_metrics(struct localiser *localiser, struct buf *out)
{
    pthread_mutex_lock(&localiser->mutex);
    buf_add_str(out, buf_str(&localiser->metrics));
    pthread_mutex_unlock(&localiser->mutex);
}

/* ---- what is stored ---- */

/* The stored minutes of an hour, up to `end`, but those of incidents; their steps are known by the
 * minute only. */
static void read_minutes(struct localiser *localiser, uint64_t end)
{
    struct err err = {0};
    struct watch *watch = &localiser->watch;
    uint64_t begin = end > N_STEP_MINUTES ? end - N_STEP_MINUTES : 0;
    for (uint64_t at = begin; at < end && !err.code; at++) {
        struct rollup_question question = {{at * NS_PER_MINUTE, (at + 1) * NS_PER_MINUTE},
                                           ROLLUP_NORMAL,
                                           steps_names(watch->steps),
                                           steps_nodes(watch->steps)};
        query_rollup(watch->query, &question, steps_minute(watch->steps, at), &err);
    }
    steps_recount(watch->steps);
    char quoted[256];
    /* What cannot be read is learnt anew. */
    if (err.code)
        log_event(LOG_WARN, "baseline_unread", "reason=%s", log_quote(str_of(err.text), quoted));
}

/* ---- a replay, in order of its own time ---- */

/* The hour before it is what is stored. */
static void begin_walk(struct localiser *localiser, uint64_t step)
{
    uint64_t begin_ns = watch_step_ns(&localiser->watch, step);
    read_minutes(localiser, begin_ns / NS_PER_MINUTE);
    watch_forget_later(&localiser->watch, begin_ns);
    localiser->looked_to = step;
}

static void look_on(struct localiser *localiser, uint64_t to)
{
    const struct watch *watch = &localiser->watch;
    while (localiser->looked_to + watch->look_every <= to) {
        localiser->looked_to += watch->look_every;
        watch_look(&localiser->watch, localiser->looked_to);
    }
}

/* Looks at what lies between the last look and the next step that holds something: while the look
 * still sees something, and when an incident would have been closed. */
static void look_between(struct localiser *localiser, uint64_t step)
{
    struct watch *watch = &localiser->watch;
    uint64_t seen = localiser->looked_to + watch->look_steps + watch->look_every;
    look_on(localiser, step < seen ? step : seen);
    while (watch->open) {
        uint64_t close_ns = watch->open->bad_ns + localiser->settings.close_after_ns;
        uint64_t end = close_ns / watch_step_ns(watch, 1) + 1;
        const struct watched *first = watch->open;
        if (end > step)
            break;
        watch_look(watch, end);
        if (watch->open == first)
            break;
    }
    if (step - localiser->looked_to > watch->look_every)
        localiser->looked_to = step;
}

static void walk(struct localiser *localiser)
{
    struct watch *watch = &localiser->watch;
    uint64_t step;
    while (steps_next_held(watch->steps, &step)) {
        if (!localiser->looked_to)
            begin_walk(localiser, step);
        if (step > localiser->looked_to)
            look_between(localiser, step);
        steps_release(watch->steps);
        look_on(localiser, step + 1);
    }
}

/* ---- by the clock ---- */

/* Once a minute, when the scrapes of its end are in. */
static void look_at_series(struct watch *watch, uint64_t now_ns, bool at_once)
{
    uint64_t minute =
        at_once ? now_ns / NS_PER_MINUTE + 1 : (now_ns - SERIES_SETTLE_NS) / NS_PER_MINUTE;
    if (minute <= watch->series_minute && !at_once)
        return;
    watch->series_minute = at_once ? minute - 1 : minute;
    watch_series_look(watch, minute);
}

static void look_when_due(struct localiser *localiser, bool at_once)
{
    struct watch *watch = &localiser->watch;
    uint64_t now_ns = clock_wall_ns(), step_ns = watch_step_ns(watch, 1);
    uint64_t end =
        at_once ? now_ns / step_ns + 1 : (now_ns - localiser->settings.settle_ns) / step_ns;
    if (end < localiser->looked_to + watch->look_every && !at_once)
        return;
    /* A step that is not over is looked at again when it is. */
    localiser->looked_to = at_once ? end - 1 : end;
    watch_look(watch, end);
    look_at_series(watch, now_ns, at_once);
}

/* ---- the thread ---- */

/* Said once, counted always. */
static void tell_bound(struct localiser *localiser)
{
    uint64_t left_out = steps_left_out(localiser->watch.steps);
    if (left_out == localiser->left_out)
        return;
    if (!localiser->left_out)
        log_event(
            LOG_WARN, "baseline_shortened",
            "reason=\"too many counters for memory: the oldest minutes of what is normal go\"");
    stat_add(localiser->n_limited, left_out - localiser->left_out);
    localiser->left_out = left_out;
}

static void look_at_turns(struct localiser *localiser, bool flush)
{
    tell_bound(localiser);
    if (!localiser->settings.event_time)
        look_when_due(localiser, flush);
    else if (flush || steps_are_full(localiser->watch.steps))
        walk(localiser);
    if (localiser->settings.event_time && flush)
        watch_series_walk(&localiser->watch);
}

static void *run(void *arg)
{
    struct localiser *localiser = arg;
    pthread_setname_np(pthread_self(), "localiser");
    for (;;) {
        struct turn *turn = queue_pop(localiser->queue, NS_PER_S);
        if (!turn && queue_closed(localiser->queue) && !queue_length(localiser->queue))
            break;
        bool flush = turn && turn->flush;
        if (turn)
            steps_take(localiser->watch.steps, turn);
        look_at_turns(localiser, flush);
        if (turn)
            localiser->settings.done(turn, localiser->settings.ctx);
    }
    return NULL;
}

void localiser_push(struct localiser *localiser, struct turn *turn)
{
    if (!queue_push(localiser->queue, turn, 0))
        localiser->settings.done(turn, localiser->settings.ctx);
}

/* ---- starting ---- */

static int read_stored(struct localiser *localiser, uint64_t now_ns, struct err *err)
{
    struct watch *watch = &localiser->watch;
    struct incident *incidents;
    if (query_open(localiser->settings.db_path, &watch->query, err))
        return err->code;
    if (!localiser->settings.event_time)
        read_minutes(localiser, now_ns / NS_PER_MINUTE + 1);
    if (query_open_incidents(watch->query, &incidents, &watch->last_id, err) == 0)
        watch_go_on(watch, incidents);
    return err->code;
}

int localiser_start(const struct localiser_settings *settings, struct localiser **result,
                    struct err *err)
{
    struct localiser *localiser = calloc(1, sizeof(*localiser));
    if (!localiser)
        return err_set(err, ERR_BUSY, "memory is short");
    uint64_t now_ns = clock_wall_ns();
    localiser->settings = *settings;
    localiser->n_limited = series_limited("localise");
    pthread_mutex_init(&localiser->mutex, NULL);
    buf_init(&localiser->metrics, METRIC_BYTES);
    localiser->watch = (struct watch){.settings = &localiser->settings,
                                      .n_opened = stat_get(&opened_family, NULL),
                                      .changed = show,
                                      .ctx = localiser};
    localiser->queue = queue_new(QUEUE_TURNS, 0);
    if (!watch_init(&localiser->watch) || !localiser->queue)
        err_set(err, ERR_BUSY, "memory is short");
    else if (!settings->event_time)
        localiser->looked_to = now_ns / watch_step_ns(&localiser->watch, 1);
    if (!err->code && read_stored(localiser, now_ns, err) == 0 &&
        pthread_create(&localiser->thread, NULL, run, localiser) == 0) {
        *result = localiser;
        return 0;
    }
    if (!err->code)
        err_set(err, ERR_BUSY, "cannot start the localiser's thread");
    localiser->thread = 0;
    localiser_stop(localiser);
    return err->code;
}

void localiser_stop(struct localiser *localiser)
{
    if (!localiser)
        return;
    if (localiser->thread) {
        queue_close(localiser->queue);
        pthread_join(localiser->thread, NULL);
    }
    query_close(localiser->watch.query);
    watch_fini(&localiser->watch);
    queue_free(localiser->queue);
    buf_fini(&localiser->metrics);
    pthread_mutex_destroy(&localiser->mutex);
    free(localiser);
}
