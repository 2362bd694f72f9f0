/* pipeline.c - wiring: which stage hands what to which, their start and their end. */
#include "collector/command/pipeline_internal.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"

#define SEGMENT_BYTES ((uint64_t)64 << 20)
#define TURN_INTERVAL_NS (100 * NS_PER_MS)
#define EXPORT_QUEUE 256
#define FLUSH_LIMIT_NS (60 * NS_PER_S)
#define REPLAY_LIMIT_NS (24 * 60 * NS_PER_MINUTE) /* nobody waits behind a connection */
/* Blocks of bodies and turns come and go a thousand times a second. Left alone, malloc gives each
 * back to the system and every new one costs page faults: half a second of CPU a million spans. So
 * it keeps them, and what is free goes back when nothing was stitched for a while. */
#define MALLOC_KEEP_BYTES (1 << 30)
#define MALLOC_OWN_MAPPING_BYTES (32 << 20) /* the most that malloc takes */
#define REST_TICKS 10
#define MAX_TALLIES 100000u /* of one turn */
#define MAX_SHAPES 300000u
#define MAX_SET_BYTES ((size_t)48 << 20)

struct limits settings_limits(const struct settings *settings)
{
    return (struct limits){
        .max_spans = settings->max_spans,
        .attributes = settings->limit_attributes,
        .attribute_bytes = settings->limit_attribute_bytes,
        .name_bytes = settings->limit_name_bytes,
        .events = settings->limit_events,
        .links = settings->limit_links,
        .max_decoded = settings->max_decoded,
    };
}

/* A failed sync is final: the kernel may have dropped the pages, and the next sync could succeed
 * without them. Nothing is answered or written any more: a start reads from the disk what is so. */
static void sync_failed(const struct err *err, void *ctx)
{
    char quoted[256];
    (void)ctx;
    log_event(LOG_ERROR, "sync_failed", "reason=%s", log_quote(str_of(err->text), quoted));
    _exit(3); /* CONTRACT §2: could not do it */
}

/* ---- from the stitcher to the writer, the exporters, and back ---- */

static bool emit_turn(void *ctx, struct turn *turn)
{
    struct pipeline *pipeline = ctx;
    return store_push(pipeline->store, turn);
}

static void turn_committed(struct turn *turn, void *ctx)
{
    struct pipeline *pipeline = ctx;
    if (pipeline->inbox)
        inbox_release(pipeline->inbox, turn->needed_from);
    queue_push(pipeline->exports, turn, 0);
}

static void make_room(void *ctx)
{
    struct pipeline *pipeline = ctx;
    if (pipeline->inbox)
        inbox_give_room(pipeline->inbox);
}

static void turn_done(struct turn *turn, void *ctx)
{
    struct pipeline *pipeline = ctx;
    uint64_t number = turn->number;
    stitcher_give_back(pipeline->stitcher, turn);
    pthread_mutex_lock(&pipeline->mutex);
    pipeline->exported = number;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->mutex);
}

static void put_incident(struct incident *incident, void *ctx)
{
    store_put_incident(((struct pipeline *)ctx)->store, incident);
}

static void *run_exporter(void *arg)
{
    struct pipeline *pipeline = arg;
    unsigned idle_ticks = 0;
    pthread_setname_np(pthread_self(), "prometheus");
    for (;;) {
        struct turn *turn = queue_pop(pipeline->exports, NS_PER_S);
        if (!turn && queue_closed(pipeline->exports) && !queue_length(pipeline->exports))
            return NULL;
        if (!turn) {
            if (++idle_ticks == REST_TICKS)
                malloc_trim(0);
            continue;
        }
        idle_ticks = 0;
        prometheus_take(pipeline->prometheus, turn, clock_wall_ns());
        if (pipeline->localiser)
            localiser_push(pipeline->localiser, turn);
        else
            turn_done(turn, pipeline);
    }
}

/* Once a trace: what it adds to the roll-ups, less what it had added before. */
static bool count_cut(void *ctx, struct nodes *nodes, struct turn *turn,
                      const struct cut_trace *cut)
{
    struct pipeline *pipeline = ctx;
    if (!pipeline->counting)
        pipeline->counting =
            counting_new(nodes, rollup_step_s(pipeline->settings->localise_window_ns));
    if (!turn->rollup && (turn->rollup = malloc(sizeof(*turn->rollup))))
        rollup_init(turn->rollup, MAX_TALLIES);
    if (!pipeline->counting || !turn->rollup)
        return false;
    return (!cut->was || count_trace(pipeline->counting, cut->was, -1, turn->rollup)) &&
           count_trace(pipeline->counting, &cut->now, 1, turn->rollup);
}

static bool maybe_stored(void *ctx, struct trace_id id)
{
    return trace_finder_maybe(((struct pipeline *)ctx)->finder, id);
}

static int fetch_stored(void *ctx, struct trace_id id, struct names *names, struct nodes *nodes,
                        struct shapes *shapes, struct arena *arena, struct cut_trace *found,
                        struct err *err)
{
    return trace_finder_fetch(((struct pipeline *)ctx)->finder, id, names, nodes, shapes, arena,
                              found, err);
}

static void stored_span_keys(void *ctx, const struct cut_trace *found,
                             void (*tell)(void *tell_ctx, struct trace_id id, uint64_t span_id,
                                          uint64_t start_ns),
                             void *tell_ctx)
{
    trace_finder_span_keys(((struct pipeline *)ctx)->finder, found, tell, tell_ctx);
}

static int stored_requests(void *ctx, struct names *names, struct nodes *nodes,
                           struct shapes *shapes,
                           void (*tell)(void *tell_ctx, const struct known_request *known),
                           void *tell_ctx, struct err *err)
{
    return trace_finder_requests(((struct pipeline *)ctx)->finder, names, nodes, shapes, tell,
                                 tell_ctx, err);
}

/* ---- starting ---- */

static int allow_plaintext(struct pipeline *pipeline, const struct settings *settings,
                           struct err *err)
{
    const struct text_list *rules = &settings->allow_plaintext;
    return store_allow_plaintext(pipeline->store, (const char *const *)rules->items, rules->n, err);
}

/* 'all' or '10%', as the settings let through. */
static unsigned keep_percent(const char *keep)
{
    return strcmp(keep, "all") == 0 ? 100 : (unsigned)atoi(keep);
}

static int start_store(struct pipeline *pipeline, struct err *err)
{
    const struct settings *settings = pipeline->settings;
    struct store_settings store = {
        .path = settings->store_path,
        .commit_interval_ns = settings->commit_interval_ns,
        .retention_ns = settings->retention_ns,
        .max_size = settings->max_size,
        .minute_retention_ns = settings->minute_retention_ns,
        .cache_bytes = settings->cache_bytes,
        .reopen_window_ns = settings->reopen_window_ns,
        .reopen_memory = settings->reopen_memory,
        .edges_max = settings->limit_edges,
        .keep_percent = keep_percent(settings->keep),
        .events_max = settings->limit_events,
        .committed = turn_committed,
        .no_room = make_room,
        .failed = sync_failed,
        .ctx = pipeline,
    };
    if (store_open(&store, &pipeline->store, err) || allow_plaintext(pipeline, settings, err))
        return err->code;
    return trace_finder_open(pipeline->store, settings->max_spans_per_trace, &pipeline->finder,
                             err);
}

static enum durability durability_of(const struct settings *settings)
{
    if (strcmp(settings->durability, "crash") == 0)
        return DURABILITY_CRASH;
    return strcmp(settings->durability, "queue") == 0 ? DURABILITY_QUEUE : DURABILITY_POWER;
}

static void setup_malloc(void)
{
    mallopt(M_MMAP_THRESHOLD, MALLOC_OWN_MAPPING_BYTES);
    mallopt(M_TRIM_THRESHOLD, MALLOC_KEEP_BYTES);
}

static int open_inbox(struct pipeline *pipeline, struct err *err)
{
    const struct settings *settings = pipeline->settings;
    struct inbox_settings inbox = {
        .folder = pipeline->inbox_folder,
        .segment_bytes = SEGMENT_BYTES,
        .max_bytes = settings->inbox_max,
        .min_free = settings->min_free,
        .group_max = settings->group_max,
        .durability = durability_of(settings),
        .gave_room = pipeline->gave_room,
        .synced = feeder_take_synced,
        .failed = sync_failed,
        .ctx = pipeline,
    };
    return inbox_open(&inbox, store_booked_to(pipeline->store) + 1, &pipeline->inbox, err);
}

static bool know_address(void *stitcher, const struct known_address *known)
{
    return stitcher_know_address(stitcher, known);
}

static bool know_proxy(void *stitcher, const struct known_proxy *known)
{
    return stitcher_know_proxy(stitcher, known);
}

static int make_stitcher(struct pipeline *pipeline, struct err *err)
{
    const struct settings *settings = pipeline->settings;
    uint64_t needed_from = store_needed_from(pipeline->store);
    struct stitcher_settings stitcher = {
        .trace_idle_ns = settings->trace_idle_ns,
        .trace_max_age_ns = settings->trace_max_age_ns,
        .memory = settings->stitch_memory,
        .inbox_share = pipeline->inbox ? settings->inbox_max / 4 : 0,
        .max_spans_per_trace = settings->max_spans_per_trace,
        .turn_interval_ns = TURN_INTERVAL_NS,
        .ahead = !pipeline->inbox,
        .first_trace_no = store_next_trace_no(pipeline->store),
        .booked_to = store_booked_to(pipeline->store),
        .stored_to = needed_from ? needed_from - 1 : 0,
        .shapes = {.services = settings->limit_services,
                   .operations = settings->limit_operations,
                   .max_shapes = MAX_SHAPES,
                   .max_set_bytes = MAX_SET_BYTES},
        .knowledge = knowledge_new(settings),
        .maybe = maybe_stored,
        .fetch = fetch_stored,
        .span_keys = stored_span_keys,
        .requests = stored_requests,
        .count = count_cut,
        .emit = emit_turn,
        .ctx = pipeline,
    };
    if (!stitcher.knowledge)
        return err_set(err, ERR_BUSY, "memory is short");
    pipeline->stitcher = stitcher_new(&stitcher, err);
    if (!pipeline->stitcher) {
        free(stitcher.knowledge);
        return err->code;
    }
    struct store_learner learner = {know_address, know_proxy, pipeline->stitcher};
    return store_learn(pipeline->store, &learner, err);
}

/* What a crash left in the inbox comes behind it. Without an inbox it is a replay, whose times are
 * others than the clock's. */
static int start_localiser(struct pipeline *pipeline, struct err *err)
{
    const struct settings *settings = pipeline->settings;
    struct localiser_settings localiser = {
        .db_path = settings->store_path,
        .window_ns = settings->localise_window_ns,
        .baseline_ns = settings->localise_baseline_ns,
        .close_after_ns = settings->localise_close_after_ns,
        .settle_ns = settings->trace_idle_ns + settings->commit_interval_ns + NS_PER_S,
        .min_requests = (uint32_t)settings->localise_min_requests,
        .event_time = !pipeline->inbox,
        .done = turn_done,
        .put = put_incident,
        .ctx = pipeline,
    };
    if (!settings->localise_enabled)
        return 0;
    return localiser_start(&localiser, &pipeline->localiser, err);
}

static void judged_metrics(struct buf *out, void *ctx)
{
    const struct pipeline *pipeline = ctx;
    if (pipeline->localiser)
        localiser_metrics(pipeline->localiser, out);
    if (pipeline->canary)
        canary_metrics(pipeline->canary, out);
}

static int make_exporter(struct pipeline *pipeline, struct err *err)
{
    const struct settings *settings = pipeline->settings;
    struct prometheus_settings prometheus = {
        .expire_ns = settings->prometheus_expire_ns,
        .max_series = settings->prometheus_max_series,
        .ingested = settings->prometheus_ingested,
        .keep_percent = keep_percent(settings->keep),
        .max_operations = settings->limit_operations,
        .sqlite_version = store_sqlite_version(),
        .judged = judged_metrics,
        .ctx = pipeline,
    };
    if (pipeline->inbox)
        pipeline->canary =
            canary_new(settings->store_path, (uint32_t)settings->localise_min_requests);
    pipeline->prometheus = prometheus_new(&prometheus);
    pipeline->exports = queue_new(EXPORT_QUEUE, 0);
    if (!pipeline->prometheus || !pipeline->exports || (pipeline->inbox && !pipeline->canary) ||
        pthread_create(&pipeline->exporter, NULL, run_exporter, pipeline) != 0)
        return err_set(err, ERR_BUSY, "memory is short: the exporter cannot start");
    pipeline->exporting = true;
    return 0;
}

/* Without an inbox, one that holds bodies must be emptied first, or their numbers would be taken
 * twice. */
static int refuse_waiting_inbox(const struct pipeline *pipeline, struct err *err)
{
    struct stat info;
    struct store_web web;
    if (stat(pipeline->inbox_folder, &info) != 0)
        return 0;
    if (store_is_running(pipeline->settings->store_path, &web))
        return err_set(err, ERR_IO, "%s is in use by another faultline; stop it, or replay --to it",
                       pipeline->settings->store_path);
    return err_set(err, ERR_IO,
                   "%s holds bodies that are not stored yet; start and stop "
                   "'faultline serve' on this database first, or replay --to it",
                   pipeline->inbox_folder);
}

/* With an inbox others number bodies, and a replay that was interrupted cannot go on. */
static int begin_replay(struct pipeline *pipeline, struct replay_mark *replay, struct err *err)
{
    if (replay)
        return store_begin_replay(pipeline->store, replay, err);
    return store_end_replay(pipeline->store, err);
}

static void close_store(struct pipeline *pipeline)
{
    trace_finder_close(pipeline->finder);
    store_close(pipeline->store);
    pipeline->finder = NULL;
    pipeline->store = NULL;
}

/* On a disk without room the ballast of the inbox goes first: without the database nothing could
 * make room any more. */
static int open_store(struct pipeline *pipeline, struct replay_mark *replay, struct err *err)
{
    if (start_store(pipeline, err) || begin_replay(pipeline, replay, err)) {
        if (err->code != ERR_BUSY || !inbox_drop_ballast(pipeline->inbox_folder))
            return err->code;
        close_store(pipeline);
        *err = (struct err){0};
        pipeline->gave_room = true;
        if (start_store(pipeline, err) || begin_replay(pipeline, replay, err))
            return err->code;
    }
    return 0;
}

void pipeline_replay_ends(struct pipeline *pipeline)
{
    pipeline->replayed = true;
}

int pipeline_start(const struct settings *settings, struct replay_mark *replay,
                   struct pipeline **result, struct err *err)
{
    struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
    if (!pipeline)
        return err_set(err, ERR_BUSY, "memory is short");
    setup_malloc();
    pipeline->settings = settings;
    pipeline->limits = settings_limits(settings);
    pipeline->limits.redaction = &pipeline->redactions.now;
    pthread_mutex_init(&pipeline->mutex, NULL);
    pthread_cond_init(&pipeline->changed, NULL);
    if (asprintf(&pipeline->inbox_folder, "%s-inbox", settings->store_path) < 0) {
        pipeline->inbox_folder = NULL;
        err_set(err, ERR_BUSY, "memory is short");
        goto failed;
    }
    if (!redactions_set(&pipeline->redactions, settings, clock_mono_ns())) {
        err_set(err, ERR_BUSY, "memory is short");
        goto failed;
    }
    if ((replay && refuse_waiting_inbox(pipeline, err)) || open_store(pipeline, replay, err) ||
        (!replay && open_inbox(pipeline, err)) || make_stitcher(pipeline, err))
        goto failed;
    if (start_localiser(pipeline, err)) {
        store_look_for_damage(pipeline->store);
        goto failed;
    }
    if (make_exporter(pipeline, err) || store_start(pipeline->store, err) ||
        stitcher_start(pipeline->stitcher, err) || feeder_start(pipeline, err))
        goto failed;
    if (replay)
        pipeline->fed = replay->first_seq + replay->n_done - 1;
    *result = pipeline;
    return 0;
failed:
    pipeline_stop(pipeline);
    return err->code;
}

void pipeline_stop(struct pipeline *pipeline)
{
    struct err err = {0}; /* of what the next replay finds again */
    if (!pipeline)
        return;
    if (pipeline->inbox)
        inbox_join(pipeline->inbox);
    if (pipeline->feeding)
        feeder_stop(pipeline);
    if (pipeline->stitcher)
        stitcher_join(pipeline->stitcher);
    if (pipeline->store)
        store_join(pipeline->store);
    if (pipeline->replayed)
        store_end_replay(pipeline->store, &err);
    if (pipeline->exporting) {
        queue_close(pipeline->exports);
        pthread_join(pipeline->exporter, NULL);
    }
    localiser_stop(pipeline->localiser);
    canary_free(pipeline->canary);
    inbox_close(pipeline->inbox, true);
    pipeline->inbox = NULL;
    close_store(pipeline);
    stitcher_free(pipeline->stitcher);
    counting_free(pipeline->counting);
    prometheus_free(pipeline->prometheus);
    queue_free(pipeline->exports);
    redactions_fini(&pipeline->redactions);
    free(pipeline->inbox_folder);
    pthread_cond_destroy(&pipeline->changed);
    pthread_mutex_destroy(&pipeline->mutex);
    free(pipeline);
}

/* ---- while it runs ---- */

/* Waits for *number to reach `wanted`; false past the deadline. */
static bool wait_for(struct pipeline *pipeline, const uint64_t *number, uint64_t wanted,
                     uint64_t deadline_ns)
{
    struct timespec until = {.tv_sec = deadline_ns / NS_PER_S, .tv_nsec = deadline_ns % NS_PER_S};
    int late = 0;
    pthread_mutex_lock(&pipeline->mutex);
    while (*number < wanted && !late)
        late = pthread_cond_timedwait(&pipeline->changed, &pipeline->mutex, &until);
    bool reached = *number >= wanted;
    pthread_mutex_unlock(&pipeline->mutex);
    return reached;
}

int pipeline_flush(struct pipeline *pipeline, uint64_t *n_cut, struct err *err)
{
    if (store_is_taken_away(pipeline->store))
        return err_set(err, ERR_BUSY, "the database was removed or replaced; restart");
    uint64_t deadline_ns = clock_wall_ns() + (pipeline->inbox ? FLUSH_LIMIT_NS : REPLAY_LIMIT_NS);
    if (pipeline->inbox &&
        !wait_for(pipeline, &pipeline->fed, inbox_last_seq(pipeline->inbox), deadline_ns))
        return err_set(err, ERR_BUSY, "the inbox is still being read; try again");
    uint64_t turn = stitcher_flush(pipeline->stitcher, n_cut);
    if (!turn || !wait_for(pipeline, &pipeline->exported, turn, deadline_ns) ||
        !store_wait_incidents(pipeline->store, deadline_ns))
        return err_set(err, ERR_BUSY, "the commit is not through yet; try again");
    if (pipeline->canary)
        canary_forget(pipeline->canary);
    return 0;
}

const struct limits *pipeline_limits(const struct pipeline *pipeline)
{
    return &pipeline->limits;
}

int pipeline_reload(struct pipeline *pipeline, const struct settings *settings, struct err *err)
{
    struct knowledge *knowledge = knowledge_new(settings);
    if (!knowledge)
        return err_set(err, ERR_BUSY, "memory is short");
    if (allow_plaintext(pipeline, settings, err)) {
        free(knowledge);
        return err->code;
    }
    if (!redactions_set(&pipeline->redactions, settings, clock_mono_ns())) {
        free(knowledge);
        return err_set(
            err, ERR_BUSY,
            "redact.keys changed too often within a minute, or memory is short; try again");
    }
    stitcher_learn(pipeline->stitcher, knowledge);
    return 0;
}
