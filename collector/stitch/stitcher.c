/* stitcher.c - the stitcher's thread: its queue, its clock, its settings. */
#include "collector/stitch/stitcher.h"

#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/stitch/stitcher_internal.h"

#define MAX_NAMES (1u << 20)
#define MAX_NAME_BYTES ((size_t)96 << 20)
#define MAX_NODES 200000u
#define TICK_NS (20 * NS_PER_MS)
#define DEFAULT_QUEUE 64
/* From so many reopenings on, a trace waits twice as long as before for its next cut. */
#define PATIENCE_FROM 16u
#define PATIENCE_MAX 10u

static struct stat_family cut_family =
    STAT_COUNTER("faultline_stitch_cut_total", "Traces cut from memory, by what made it time.");
static struct stat_family reopened_family =
    STAT_COUNTER("faultline_stitch_reopened_total", "Traces cut again because a span came late.");
static struct stat_family too_late_family =
    STAT_COUNTER("faultline_stitch_too_late_total",
                 "Spans of traces that could not be opened again: they are traces of their own.");
static struct stat_family lateness_family =
    STAT_HISTOGRAM("faultline_stitch_lateness_seconds",
                   "Time from the end of a span that reopened a trace to its receipt.");
static struct stat_family overflow_family =
    STAT_COUNTER("faultline_stitch_overflow_total", "What met a limit of stitching, by limit.");
static struct stat_family traces_family =
    STAT_GAUGE("faultline_stitch_live_traces", "Traces in memory that wait for more spans.");
static struct stat_family bytes_family =
    STAT_GAUGE("faultline_stitch_live_bytes", "Bytes of traces in memory.");

/* What is in the queue: a body, or somebody who waits for a flush. */
struct flush_request {
    pthread_mutex_t mutex;
    pthread_cond_t done_changed;
    bool done;
    uint64_t turn, n_cut;
};

struct item {
    struct body *body; /* or NULL and */
    struct flush_request *flush;
};

static void make_stats(struct stitcher *stitcher)
{
    static const char *const reasons[N_CUT_REASONS] = {"idle",  "age",   "memory",
                                                       "inbox", "flush", "stop"};
    for (int i = 0; i < N_CUT_REASONS; i++)
        stitcher->n_cut[i] = stat_get(&cut_family, "reason", reasons[i], NULL);
    stitcher->n_reopened = stat_get(&reopened_family, NULL);
    stitcher->n_too_late = stat_get(&too_late_family, NULL);
    stitcher->lateness = stat_get(&lateness_family, NULL);
    stitcher->n_over_spans = stat_get(&overflow_family, "limit", "spans_per_trace", NULL);
    stitcher->n_over_services = stat_get(&overflow_family, "limit", "services", NULL);
    stitcher->n_over_versions = stat_get(&overflow_family, "limit", "versions", NULL);
    stitcher->n_over_operations = stat_get(&overflow_family, "limit", "operations", NULL);
    stitcher->n_over_names = stat_get(&overflow_family, "limit", "names", NULL);
    stitcher->n_memory_short = stat_get(&overflow_family, "limit", "memory", NULL);
    stitcher->live_traces_gauge = stat_get(&traces_family, NULL);
    stitcher->live_bytes_gauge = stat_get(&bytes_family, NULL);
}

static bool address_inside(const void *ctx, struct str address)
{
    const struct knowledge *knowledge = ((const struct stitcher_settings *)ctx)->knowledge;
    return address_is_loopback(address) ||
           cidr_contains(knowledge->inside, knowledge->n_inside, address);
}

static struct str zone_of_address(const void *ctx, struct str address)
{
    return knowledge_zone(((const struct stitcher_settings *)ctx)->knowledge, address);
}

static struct str alias_of_service(const void *ctx, struct str service)
{
    return knowledge_alias(((const struct stitcher_settings *)ctx)->knowledge, service);
}

static node_no resolve_address(const struct knowledge *knowledge, struct str address)
{
    return addresses_find(((const struct stitcher *)knowledge->ctx)->addresses, address);
}

static uint8_t learnt_kind(const struct knowledge *knowledge, const struct node *node)
{
    return proxies_kind(((const struct stitcher *)knowledge->ctx)->proxies, node);
}

/* The settings' part of the knowledge is others', what was learnt is the stitcher's own. */
static void add_learnt(struct stitcher *stitcher)
{
    stitcher->settings.knowledge->resolve = resolve_address;
    stitcher->settings.knowledge->proxy_kind = learnt_kind;
    stitcher->settings.knowledge->ctx = stitcher;
}

struct stitcher *stitcher_new(const struct stitcher_settings *settings, struct err *err)
{
    struct stitcher *stitcher = calloc(1, sizeof(*stitcher));
    if (!stitcher) {
        err_set(err, ERR_BUSY, "memory is short: the stitcher cannot start");
        return NULL;
    }
    stitcher->settings = *settings;
    struct stitcher_settings *own = &stitcher->settings;
    if (!own->shapes.inside) {
        own->shapes.inside = address_inside;
        own->shapes.zone = zone_of_address;
        own->shapes.alias = alias_of_service;
        own->shapes.ctx = own;
    }
    stitcher->next_trace_no = own->first_trace_no ? own->first_trace_no : 1;
    stitcher->next_turn = 1;
    stitcher->taken_seq = own->stored_to;
    live_table_init(&stitcher->table);
    buf_init(&stitcher->scratch, (size_t)64 << 20);
    buf_init(&stitcher->merge_scratch, (size_t)64 << 20);
    stitcher->names = names_new(MAX_NAMES, MAX_NAME_BYTES);
    stitcher->nodes = nodes_new(MAX_NODES);
    stitcher->queue = queue_new(own->queue_bodies ? own->queue_bodies : DEFAULT_QUEUE, 0);
    if (stitcher->names && stitcher->nodes) {
        stitcher->shapes = shapes_new(stitcher->names, stitcher->nodes, &own->shapes);
        stitcher->stitch = stitch_new(stitcher->names, stitcher->nodes);
        stitcher->addresses = addresses_new(stitcher->names, stitcher->nodes);
        stitcher->proxies = proxies_new(stitcher->names, stitcher->nodes);
        stitcher->requests = requests_new();
    }
    stitcher->giants = giants_new();
    if (!stitcher->giants || !stitcher->shapes || !stitcher->stitch || !stitcher->addresses ||
        !stitcher->proxies || !stitcher->requests || !stitcher->queue) {
        err_set(err, ERR_BUSY, "memory is short: the stitcher cannot start");
        stitcher->settings.knowledge = NULL; /* taken only with success */
        stitcher_free(stitcher);
        return NULL;
    }
    add_learnt(stitcher);
    stitch_set_requests(stitcher->stitch, stitcher->requests);
    make_stats(stitcher);
    return stitcher;
}

void stitcher_free(struct stitcher *stitcher)
{
    if (!stitcher)
        return;
    turns_settle(stitcher);
    turn_free(stitcher->filling.turn);
    live_table_fini(&stitcher->table);
    buf_fini(&stitcher->scratch);
    buf_fini(&stitcher->merge_scratch);
    queue_free(stitcher->queue);
    stitch_free(stitcher->stitch);
    addresses_free(stitcher->addresses);
    proxies_free(stitcher->proxies);
    giants_free(stitcher->giants);
    requests_free(stitcher->requests);
    shapes_free(stitcher->shapes);
    nodes_free(stitcher->nodes);
    names_free(stitcher->names);
    free(stitcher->settings.knowledge);
    free(atomic_exchange(&stitcher->learnt, NULL));
    free(stitcher);
}

/* How long this trace may be quiet before it is cut. */
static uint64_t patience_ns(const struct stitcher *stitcher, const struct live *live)
{
    uint64_t idle = stitcher->settings.trace_idle_ns;
    if (live->reopened < PATIENCE_FROM)
        return idle;
    uint32_t doublings = live->reopened - PATIENCE_FROM + 1;
    return idle << (doublings < PATIENCE_MAX ? doublings : PATIENCE_MAX);
}

static struct live *longest_idle(const struct stitcher *stitcher)
{
    const struct live_table *table = &stitcher->table;
    return table->idle.next == &table->idle ? NULL : live_of_idle(table->idle.next);
}

static struct live *oldest(const struct stitcher *stitcher)
{
    const struct live_table *table = &stitcher->table;
    return table->age.next == &table->age ? NULL : live_of_age(table->age.next);
}

static void cut_idle(struct stitcher *stitcher, uint64_t now_ns)
{
    uint64_t idle = stitcher->settings.trace_idle_ns;
    struct live *live;
    while ((live = longest_idle(stitcher)) && live->last_mono_ns + idle <= now_ns) {
        bool patient = patience_ns(stitcher, live) > idle &&
                       live->first_mono_ns + patience_ns(stitcher, live) > now_ns;
        if (patient)
            live_touch(&stitcher->table, live, now_ns);
        else if (!cut_trace(stitcher, live, CUT_IDLE))
            return;
    }
}

static void cut_old(struct stitcher *stitcher, uint64_t now_ns)
{
    const struct stitcher_settings *settings = &stitcher->settings;
    struct live *live;
    while ((live = oldest(stitcher))) {
        bool old = live->first_mono_ns + settings->trace_max_age_ns <= now_ns &&
                   patience_ns(stitcher, live) <= settings->trace_idle_ns;
        bool holds = settings->inbox_share &&
                     stitcher->taken_bytes - live->first_bytes > settings->inbox_share;
        if (!old && !holds)
            return;
        if (!cut_trace(stitcher, live, holds ? CUT_INBOX : CUT_AGE))
            return;
    }
}

static void cut_for_memory(struct stitcher *stitcher)
{
    struct live *live;
    while (stitcher->table.bytes > stitcher->settings.memory && (live = longest_idle(stitcher))) {
        if (!cut_trace(stitcher, live, CUT_MEMORY))
            return;
    }
}

static void publish(struct stitcher *stitcher)
{
    const struct live_table *table = &stitcher->table;
    atomic_store_explicit(&stitcher->progress_ns, clock_mono_ns(), memory_order_relaxed);
    atomic_store_explicit(&stitcher->n_live_traces, table->n_live, memory_order_relaxed);
    atomic_store_explicit(&stitcher->n_live_spans, table->n_records, memory_order_relaxed);
    atomic_store_explicit(&stitcher->n_live_bytes, table->bytes, memory_order_relaxed);
    stat_set(stitcher->live_traces_gauge, table->n_live);
    stat_set(stitcher->live_bytes_gauge, table->bytes);
    struct shapes_overflow over = shapes_overflowed(stitcher->shapes);
    struct nodes_overflow nodes = nodes_overflowed(stitcher->nodes);
    stat_set(stitcher->n_over_services, over.services + nodes.services);
    stat_set(stitcher->n_over_versions, nodes.versions);
    stat_set(stitcher->n_over_operations, over.operations);
    stat_set(stitcher->n_over_names, names_overflowed(stitcher->names) + over.others);
}

void stitcher_step(struct stitcher *stitcher, uint64_t now_ns)
{
    turns_settle(stitcher);
    cut_idle(stitcher, now_ns);
    cut_old(stitcher, now_ns);
    cut_for_memory(stitcher);
    const struct filling *filling = &stitcher->filling;
    if (filling->turn &&
        clock_mono_ns() - filling->begun_mono_ns >= stitcher->settings.turn_interval_ns)
        turn_hand_on(stitcher, false);
    publish(stitcher);
}

void stitcher_take(struct stitcher *stitcher, struct body *body, uint64_t now_ns)
{
    intake_body(stitcher, body, now_ns);
    if (stitcher->table.bytes > stitcher->settings.memory)
        cut_for_memory(stitcher);
}

uint64_t stitcher_flush_now(struct stitcher *stitcher, uint64_t *n_cut)
{
    uint64_t n = 0;
    struct live *live;
    enum cut_reason reason = stitcher->stopping ? CUT_STOP : CUT_FLUSH;
    turns_settle(stitcher);
    if (stitcher->settings.ahead)
        learn_ahead(stitcher);
    while ((live = longest_idle(stitcher))) {
        n += live->changed;
        if (!cut_trace(stitcher, live, reason))
            break;
    }
    uint64_t turn = turn_hand_on(stitcher, true);
    publish(stitcher);
    if (n_cut)
        *n_cut = n;
    return turn;
}

static void answer_flush(struct flush_request *request, uint64_t turn, uint64_t n_cut)
{
    pthread_mutex_lock(&request->mutex);
    request->turn = turn;
    request->n_cut = n_cut;
    request->done = true;
    pthread_cond_signal(&request->done_changed);
    pthread_mutex_unlock(&request->mutex);
}

void stitcher_learn(struct stitcher *stitcher, struct knowledge *knowledge)
{
    free(atomic_exchange(&stitcher->learnt, knowledge));
}

static void take_over_knowledge(struct stitcher *stitcher)
{
    struct knowledge *learnt = NULL;
    if (atomic_load_explicit(&stitcher->learnt, memory_order_relaxed))
        learnt = atomic_exchange(&stitcher->learnt, NULL);
    if (!learnt)
        return;
    free(stitcher->settings.knowledge);
    stitcher->settings.knowledge = learnt;
    add_learnt(stitcher);
    shapes_settings_changed(stitcher->shapes);
}

static void take_item(struct stitcher *stitcher, struct item *item)
{
    uint64_t now_ns = clock_mono_ns(), n_cut = 0;
    take_over_knowledge(stitcher);
    if (item->body) {
        stitcher_take(stitcher, item->body, now_ns);
    } else {
        uint64_t turn = stitcher_flush_now(stitcher, &n_cut);
        answer_flush(item->flush, turn, n_cut);
    }
    free(item);
}

static void *run(void *arg)
{
    struct stitcher *stitcher = arg;
    uint64_t next_step_ns = 0;
    pthread_setname_np(pthread_self(), "stitcher");
    for (;;) {
        struct item *item = queue_pop(stitcher->queue, TICK_NS);
        if (item)
            take_item(stitcher, item);
        else if (queue_closed(stitcher->queue) && !queue_length(stitcher->queue))
            break;
        uint64_t now_ns = clock_mono_ns();
        if (now_ns >= next_step_ns) {
            stitcher_step(stitcher, now_ns);
            next_step_ns = now_ns + TICK_NS;
        }
    }
    stitcher->stopping = true;
    stitcher_flush_now(stitcher, NULL);
    return NULL;
}

bool stitcher_know_address(struct stitcher *stitcher, const struct known_address *known)
{
    return addresses_claim(stitcher->addresses, known);
}

bool stitcher_know_proxy(struct stitcher *stitcher, const struct known_proxy *known)
{
    return proxies_know(stitcher->proxies, known);
}

static void know_request(void *ctx, const struct known_request *known)
{
    struct stitcher *stitcher = ctx;
    uint8_t log = known->record.shape->log;
    if (log == LOG_OF_REQUEST)
        stitcher->asked_ns = clock_mono_ns();
    struct request_place *place =
        log == LOG_OF_REQUEST
            ? NULL
            : requests_add(stitcher->requests, request_trace(known->id), &known->record);
    if (!place)
        return;
    place->told = known->entry ? REQUEST_ENTRY : known->joined ? REQUEST_JOINED : REQUEST_UNTOLD;
    place->counted = known->counted;
    place->tells = known->tells;
}

/* What was stored cannot be read now and then: requests are then joined from here on. */
static void know_requests(struct stitcher *stitcher)
{
    struct stitcher_settings *own = &stitcher->settings;
    struct err err = {0};
    if (own->requests && own->requests(own->ctx, stitcher->names, stitcher->nodes, stitcher->shapes,
                                       know_request, stitcher, &err))
        log_event(LOG_WARN, "requests_unknown", "reason=\"%s\"", err.text);
}

int stitcher_start(struct stitcher *stitcher, struct err *err)
{
    know_requests(stitcher);
    atomic_store(&stitcher->progress_ns, clock_mono_ns());
    addresses_renew(stitcher->addresses, clock_mono_ns());
    proxies_renew(stitcher->proxies, clock_mono_ns());
    if (pthread_create(&stitcher->thread, NULL, run, stitcher) != 0)
        return err_set(err, ERR_BUSY, "cannot start the stitcher's thread");
    stitcher->running = true;
    return 0;
}

static bool push(struct stitcher *stitcher, struct body *body, struct flush_request *flush,
                 bool wait)
{
    struct item *item = malloc(sizeof(*item));
    if (!item)
        return false;
    *item = (struct item){.body = body, .flush = flush};
    if (wait ? queue_push(stitcher->queue, item, 0) : queue_try_push(stitcher->queue, item, 0))
        return true;
    free(item);
    return false;
}

bool stitcher_try_push(struct stitcher *stitcher, struct body *body)
{
    return push(stitcher, body, NULL, false);
}

bool stitcher_push(struct stitcher *stitcher, struct body *body)
{
    return push(stitcher, body, NULL, true);
}

void stitcher_give_back(struct stitcher *stitcher, struct turn *turn)
{
    turn->next = atomic_load(&stitcher->returned);
    while (!atomic_compare_exchange_weak(&stitcher->returned, &turn->next, turn)) {
    }
}

uint64_t stitcher_flush(struct stitcher *stitcher, uint64_t *n_cut)
{
    struct flush_request request = {.done = false};
    pthread_mutex_init(&request.mutex, NULL);
    pthread_cond_init(&request.done_changed, NULL);
    bool pushed = push(stitcher, NULL, &request, true);
    pthread_mutex_lock(&request.mutex);
    while (pushed && !request.done)
        pthread_cond_wait(&request.done_changed, &request.mutex);
    pthread_mutex_unlock(&request.mutex);
    pthread_cond_destroy(&request.done_changed);
    pthread_mutex_destroy(&request.mutex);
    if (n_cut)
        *n_cut = request.n_cut;
    return request.turn;
}

void stitcher_join(struct stitcher *stitcher)
{
    if (!stitcher->running)
        return;
    queue_close(stitcher->queue);
    pthread_join(stitcher->thread, NULL);
    stitcher->running = false;
}

uint64_t stitcher_progress_ns(struct stitcher *stitcher)
{
    return atomic_load_explicit(&stitcher->progress_ns, memory_order_relaxed);
}

uint64_t stitcher_live_traces(struct stitcher *stitcher)
{
    return atomic_load_explicit(&stitcher->n_live_traces, memory_order_relaxed);
}

uint64_t stitcher_live_spans(struct stitcher *stitcher)
{
    return atomic_load_explicit(&stitcher->n_live_spans, memory_order_relaxed);
}

uint64_t stitcher_live_bytes(struct stitcher *stitcher)
{
    return atomic_load_explicit(&stitcher->n_live_bytes, memory_order_relaxed);
}
