/* cut.c - a live trace becomes part of a turn: stitched, numbered, booked. */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/stitch/stitcher_internal.h"

/* A turn is handed on early when it has grown to this many bytes: the writer then works meanwhile.
 */
#define TURN_BYTES (8u << 20)
#define TURN_CEILING ((size_t)2 << 30)

static struct turn *turn_open(struct stitcher *stitcher)
{
    struct filling *filling = &stitcher->filling;
    if (filling->turn)
        return filling->turn;
    struct arena arena;
    arena_init(&arena, TURN_CEILING);
    struct turn *turn = arena_calloc(&arena, sizeof(*turn));
    if (!turn)
        return NULL;
    turn->arena = arena;
    turn->number = stitcher->next_turn++;
    turn->names = stitcher->names;
    turn->nodes = stitcher->nodes;
    turn->shapes = stitcher->shapes;
    *filling = (struct filling){.turn = turn, .begun_mono_ns = clock_mono_ns()};
    return turn;
}

struct ledger_change *ledger_of(struct stitcher *stitcher, uint32_t arrival)
{
    struct turn *turn = turn_open(stitcher);
    if (!turn)
        return NULL;
    for (uint32_t i = turn->n_ledger; i > 0; i--) {
        if (turn->ledger[i - 1].arrival == arrival)
            return &turn->ledger[i - 1];
    }
    if (!arena_room(&turn->arena, (void **)&turn->ledger, turn->n_ledger,
                    &stitcher->filling.cap_ledger, sizeof(*turn->ledger)))
        return NULL;
    struct ledger_change *change = &turn->ledger[turn->n_ledger++];
    *change = (struct ledger_change){.arrival = arrival};
    return change;
}

bool turn_note_place(struct stitcher *stitcher, const struct kafka_place *place)
{
    struct turn *turn = turn_open(stitcher);
    if (!turn)
        return false;
    for (uint32_t i = 0; i < turn->n_places; i++) {
        struct kafka_place *other = &turn->places[i];
        if (other->topic == place->topic && other->partition == place->partition) {
            *other = *place;
            return true;
        }
    }
    if (!arena_room(&turn->arena, (void **)&turn->places, turn->n_places,
                    &stitcher->filling.cap_places, sizeof(*turn->places)))
        return false;
    turn->places[turn->n_places++] = *place;
    return true;
}

/* The records side by side, in the turn's memory. */
static struct record *copy_records(struct turn *turn, const struct live *live)
{
    struct record *records = arena_alloc(&turn->arena, (live->n + 1) * sizeof(*records));
    uint32_t i = 0;
    for (const struct live_record *item = live->first; records && item; item = item->next, i++) {
        records[i] = item->record;
        if (!item->record.own)
            continue;
        struct own *own = arena_alloc(&turn->arena, own_size(item->record.own));
        if (!own)
            return NULL;
        memcpy(own, item->record.own, own_size(item->record.own));
        records[i].own = own;
    }
    return records;
}

static const struct counted_trace *copy_was(struct turn *turn, const struct live *live)
{
    const struct counted_trace *was = live->was;
    struct counted_trace *copy = arena_alloc(&turn->arena, sizeof(*copy));
    size_t records = was->n_records * sizeof(struct record);
    size_t results = was->n_records * sizeof(struct span_result);
    size_t calls = was->graph.n_calls * sizeof(struct call);
    size_t hops = was->graph.n_hops * sizeof(struct hop);
    char *memory = copy ? arena_alloc(&turn->arena, records + results + calls + hops + 1) : NULL;
    if (!memory)
        return NULL;
    *copy = *was;
    copy->records = memcpy(memory, was->records, records);
    copy->graph.spans = memcpy(memory + records, was->graph.spans, results);
    copy->graph.calls = memcpy(memory + records + results, was->graph.calls, calls);
    copy->graph.hops = memcpy(memory + records + results + calls, was->graph.hops, hops);
    copy->graph.served = NULL;
    copy->graph.n_served = 0;
    copy->graph.answered = NULL;
    copy->graph.n_answered = 0;
    return copy;
}

/* Moves every span to its class: new ones from pending, counted ones from what they were. */
static bool book(struct stitcher *stitcher, const struct live *live, const struct cut_trace *cut)
{
    uint32_t i = 0, stored = 0;
    struct ledger_change *change = NULL;
    for (const struct live_record *item = live->first; item; item = item->next, i++) {
        uint32_t arrival = item->record.arrival;
        if (!change || change->arrival != arrival)
            change = ledger_of(stitcher, arrival);
        if (!change)
            return false;
        change->classes[cut->now.graph.spans[i].class]++;
        if (!item->stored)
            change->classes[LEDGER_PENDING]--;
        else
            change->classes[cut->was->graph.spans[stored++].class]--;
        change->late += cut->was && !item->stored;
    }
    return true;
}

static bool fill_cut(struct stitcher *stitcher, struct turn *turn, const struct live *live,
                     struct cut_trace *cut)
{
    struct record *records = copy_records(turn, live);
    if (!records)
        return false;
    *cut = (struct cut_trace){
        .id = live_name(live), .trace_no = live->trace_no, .reopened = live->reopened};
    cut->cut_short = live->cut_short;
    cut->now.records = records;
    cut->now.n_records = live->n;
    cut->base = live->base;
    cut->reopened += live->base != 0;
    if (live->was) {
        cut->reopened++;
        cut->was = copy_was(turn, live);
        if (!cut->was)
            return false;
    }
    stitch_name_trace(stitcher->stitch, live->id);
    struct trace_result *trace = &cut->now.graph.trace;
    if (!stitch_trace(stitcher->stitch, records, live->n, stitcher->settings.knowledge,
                      &turn->arena, &cut->now.graph))
        return false;
    trace->late_piece = live->late_piece;
    trace->parts += live->late_piece; /* the other one is stored apart */
    trace->complete = trace->complete && !live->late_piece;
    return true;
}

static void note_giant(struct stitcher *stitcher, const struct cut_trace *cut)
{
    for (uint32_t i = 0; i < cut->now.n_records; i++)
        giants_add(stitcher->giants, cut->id, cut->now.records[i].span_id,
                   cut->now.records[i].start_ns);
}

/* A turn holds a trace once: what is cut again while its turn is still filled goes to the next. */
static bool is_in_filling_turn(const struct stitcher *stitcher, const struct live *live)
{
    const struct turn *turn = stitcher->filling.turn;
    return (live->was || live->base) && turn && live->was_turn == turn->number;
}

/* The trace as it is now, stitched, at the end of the turn. NULL when memory is short. */
static struct cut_trace *add_cut(struct stitcher *stitcher, struct turn *turn, struct live *live)
{
    bool room = turn && arena_room(&turn->arena, (void **)&turn->traces, turn->n_traces,
                                   &stitcher->filling.cap_traces, sizeof(*turn->traces));
    if (!room || !fill_cut(stitcher, turn, live, &turn->traces[turn->n_traces])) {
        static struct log_limit limit;
        log_limited(&limit, LOG_ERROR, "memory_short", "stage=stitcher spans=%u", live->n);
        stat_add(stitcher->n_memory_short, 1);
        return NULL;
    }
    struct cut_trace *cut = &turn->traces[turn->n_traces++];
    if (!cut->trace_no)
        cut->trace_no = stitcher->next_trace_no++;
    turn->n_records += live->n;
    return cut;
}

/* What later traces are stitched with: who has which address, what proxies are, what came already.
 */
static void learn_from(struct stitcher *stitcher, const struct cut_trace *cut)
{
    const struct graph *graph = &cut->now.graph;
    for (uint32_t i = 0; i < cut->now.n_records; i++)
        addresses_see(stitcher->addresses, &cut->now.records[i], graph->spans[i].node);
    for (uint32_t i = 0; i < graph->n_answered; i++)
        addresses_answer(stitcher->addresses, &graph->answered[i],
                         ARRIVAL_MINUTE(cut->now.records[0].arrival));
    if (graph->n_served)
        proxies_see(stitcher->proxies, graph, ARRIVAL_MINUTE(cut->now.records[0].arrival));
    if (cut->base + cut->now.n_records >= stitcher->settings.max_spans_per_trace)
        note_giant(stitcher, cut);
}

/* Of this many traces with a call of one shape the first that is answered tells who does. */
#define TRIES 8

static bool tells_news(struct stitcher *stitcher, const struct live *live, uint8_t *tries)
{
    bool news = false;
    for (const struct live_record *item = live->first; item; item = item->next) {
        const struct record *record = &item->record;
        news |= addresses_is_news(stitcher->addresses, record);
        if (record->shape->kind != KIND_CLIENT && !record->shape->upstream_cluster)
            continue;
        news |= tries[record->shape_no] < TRIES;
        tries[record->shape_no] += tries[record->shape_no] < TRIES;
    }
    return news;
}

void learn_ahead(struct stitcher *stitcher)
{
    const struct live_table *table = &stitcher->table;
    struct turn none = {.number = 0}; /* for its memory */
    struct cut_trace cut;
    uint8_t *tries = calloc(shapes_count(stitcher->shapes) + 1, 1);
    if (!tries)
        return;
    arena_init(&none.arena, TURN_CEILING);
    for (struct link *at = table->idle.next; at != &table->idle; at = at->next) {
        const struct live *live = live_of_idle(at);
        if (live->base || !tells_news(stitcher, live, tries))
            continue;
        arena_reset(&none.arena);
        if (fill_cut(stitcher, &none, live, &cut))
            learn_from(stitcher, &cut);
    }
    arena_fini(&none.arena);
    free(tries);
    addresses_renew(stitcher->addresses, clock_mono_ns());
    proxies_renew(stitcher->proxies, clock_mono_ns());
}

static void count_cut(struct stitcher *stitcher, struct turn *turn, struct cut_trace *cut,
                      enum cut_reason reason)
{
    const struct stitcher_settings *settings = &stitcher->settings;
    if (settings->count && !cut->base &&
        !settings->count(settings->ctx, stitcher->nodes, turn, cut))
        stat_add(stitcher->n_memory_short, 1);
    stat_add(stitcher->n_cut[reason], 1);
    if (cut->was)
        stat_add(stitcher->n_reopened, 1);
}

bool cut_trace(struct stitcher *stitcher, struct live *live, enum cut_reason reason)
{
    if (!live->changed) { /* nothing new came: it leaves as it is stored, or will be */
        if (live->turn)
            live_settle(&stitcher->table, live, live->turn, live->cut_no);
        else
            live_remove(&stitcher->table, live);
        return true;
    }
    if (is_in_filling_turn(stitcher, live))
        turn_hand_on(stitcher, false);
    struct turn *turn = turn_open(stitcher);
    struct cut_trace *cut = add_cut(stitcher, turn, live);
    if (!cut || !book(stitcher, live, cut))
        return false;
    learn_from(stitcher, cut);
    count_cut(stitcher, turn, cut, reason);
    live_settle(&stitcher->table, live, turn, turn->n_traces - 1);
    if (turn->arena.used >= TURN_BYTES)
        turn_hand_on(stitcher, false);
    return true;
}

bool turn_add_body(struct stitcher *stitcher, struct body *body)
{
    struct turn *turn = turn_open(stitcher);
    struct filling *filling = &stitcher->filling;
    if (!turn)
        return false;
    body->next = NULL;
    if (filling->last_body)
        filling->last_body->next = body;
    else
        turn->bodies = body;
    filling->last_body = body;
    turn->body_bytes += body->n_bytes + body->batch->n_bytes;
    return true;
}

/* Bodies from here on may hold spans that no turn so far has. */
static uint64_t needed_from(const struct stitcher *stitcher)
{
    const struct live_table *table = &stitcher->table;
    uint64_t seq = stitcher->taken_seq + 1;
    if (table->age.next != &table->age) {
        const struct live *oldest = live_of_age(table->age.next);
        seq = oldest->first_seq < seq ? oldest->first_seq : seq;
    }
    return seq;
}

uint64_t turn_hand_on(struct stitcher *stitcher, bool flush)
{
    if (!stitcher->filling.turn && !(flush && turn_open(stitcher)))
        return 0;
    struct turn *turn = stitcher->filling.turn;
    stitcher->filling = (struct filling){0};
    addresses_hand_on(stitcher->addresses, turn);
    addresses_renew(stitcher->addresses, clock_mono_ns());
    proxies_hand_on(stitcher->proxies, turn);
    proxies_renew(stitcher->proxies, clock_mono_ns());
    turn->flush = flush;
    turn->booked_to = stitcher->taken_seq > stitcher->settings.booked_to
                          ? stitcher->taken_seq
                          : stitcher->settings.booked_to;
    turn->needed_from = needed_from(stitcher);
    uint64_t number = turn->number;
    if (!stitcher->settings.emit(stitcher->settings.ctx, turn))
        stitcher_give_back(stitcher, turn);
    return number;
}

static void settle(struct stitcher *stitcher, struct turn *turn)
{
    for (uint32_t i = 0; i < turn->n_traces; i++) {
        if (i + LOOK_AHEAD < turn->n_traces)
            live_prefetch_entry(&stitcher->table, turn->traces[i + LOOK_AHEAD].id);
        struct trace_id id = turn->traces[i].id;
        struct live *live = live_find(&stitcher->table, id);
        if (!live || live->turn != turn) /* see `whole` */
            live = live_find(&stitcher->table, (struct trace_id){0, id.low});
        if (!live || live->turn != turn)
            continue;
        live->turn = NULL;
        if (live->state == SETTLING)
            live_remove(&stitcher->table, live);
    }
    turn_free(turn);
}

void turns_settle(struct stitcher *stitcher)
{
    struct turn *turn = atomic_exchange(&stitcher->returned, NULL);
    while (turn) {
        struct turn *next = turn->next;
        settle(stitcher, turn);
        turn = next;
    }
}
