/* intake.c - the spans of a body find their traces: live, settling, stored, or new. */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/model/access_id.h"
#include "collector/model/ingest_stats.h"
#include "collector/stitch/merge.h"
#include "collector/stitch/series.h"
#include "collector/stitch/stitcher_internal.h"

/* After the last entry that is known by its request id alone. */
#define RECALL_NS (600 * NS_PER_S)
#define FETCH_CEILING ((size_t)1 << 30)

/* What came of one format. */
struct tally_of_format {
    uint32_t n, n_duplicates, n_conflicts;
};

struct intake {
    struct stitcher *stitcher;
    const struct body *body;
    uint64_t now_ns;
    bool booked; /* the ledger has this body already: a restart reads it again */
    struct tally_of_format formats[N_FORMATS];
    struct trace_id recalled; /* whose entries were looked for last */
    struct trace_id giant;    /* a trace of which there is more than need be in memory */
    struct live *last;        /* trace of the span before: neighbours often share one */
};

#define FETCH_TRIES 3

/* As settings.fetch; what cannot be read may be readable the next time. */
static int fetch_stored(struct stitcher *stitcher, struct trace_id id, struct arena *arena,
                        struct cut_trace *found)
{
    struct stitcher_settings *settings = &stitcher->settings;
    int there = -1;
    for (int i = 0; i < FETCH_TRIES && there < 0; i++) {
        struct err err = {0};
        arena_reset(arena);
        *found = (struct cut_trace){0};
        there = settings->fetch(settings->ctx, id, stitcher->names, stitcher->nodes,
                                stitcher->shapes, arena, found, &err);
        if (there < 0) {
            static struct log_limit limit;
            log_limited(&limit, LOG_ERROR, "fetch_failed", "reason=\"%s\"", err.text);
        }
    }
    return there;
}

static void giant_span(void *ctx, struct trace_id id, uint64_t span_id, uint64_t start_ns)
{
    giants_add(((struct stitcher *)ctx)->giants, id, span_id, start_ns);
}

/* Which spans a trace has that is too big to be read back. */
static void learn_giant(struct stitcher *stitcher, const struct cut_trace *found)
{
    struct stitcher_settings *own = &stitcher->settings;
    if (own->span_keys && !giants_know(stitcher->giants, found->id))
        own->span_keys(own->ctx, found, giant_span, stitcher);
}

/* A trace that the store may have: read back with what the tables hold of it. NULL when it is not
 * there, cannot be read (what comes is a trace of its own then), or memory is short. */
static struct live *fetch(struct stitcher *stitcher, struct trace_id id, bool *too_late)
{
    struct stitcher_settings *settings = &stitcher->settings;
    struct cut_trace found;
    struct arena arena;
    *too_late = false;
    if (!settings->maybe || !settings->maybe(settings->ctx, id))
        return NULL;
    arena_init(&arena, FETCH_CEILING);
    int there = fetch_stored(stitcher, id, &arena, &found);
    /* By another half's name: not what is in memory already, and may have a name of its own now. */
    bool kin = there == 1 && !trace_id_eq(found.id, id);
    if (kin && (live_find(&stitcher->table, found.id) || live_find_low(&stitcher->table, id.low)))
        there = 0;
    *too_late = there == 2;
    struct live *live = there == 1 ? live_add(&stitcher->table, id.high ? id : found.id) : NULL;
    if (live && found.base) {
        learn_giant(stitcher, &found);
        live_continue(&stitcher->table, live, &found, found.base);
    } else if (live && !live_revive(&stitcher->table, live, &found)) {
        live_remove(&stitcher->table, live);
        live = NULL;
    } else if (live) {
        live->changed = !trace_id_eq(live->id, found.id);
    }
    arena_fini(&arena);
    return live;
}

static void became_live(struct intake *intake, struct live *live)
{
    live->first_seq = intake->body->seq;
    live->first_bytes = intake->stitcher->taken_bytes;
    live->first_mono_ns = intake->now_ns;
}

static struct live *revive(struct intake *intake, struct live *live)
{
    struct stitcher *stitcher = intake->stitcher;
    const struct cut_trace *held = &live->turn->traces[live->cut_no];
    uint32_t n = held->base + held->now.n_records;
    live->was_turn = live->turn->number;
    if (n >= stitcher->settings.max_spans_per_trace) {
        live_continue(&stitcher->table, live, held, n);
    } else if (!live_revive(&stitcher->table, live, held)) {
        /* Until its turn is committed nobody else has it. */
        live_settle(&stitcher->table, live, live->turn, live->cut_no);
        return NULL;
    }
    became_live(intake, live);
    return live;
}

/* Beyond what is read back: what is stored of it keeps its name. */
static bool is_giant(const struct stitcher *stitcher, const struct live *live)
{
    const struct cut_trace *held = live->turn ? &live->turn->traces[live->cut_no] : NULL;
    return live->base ||
           (held && held->base + held->now.n_records >= stitcher->settings.max_spans_per_trace);
}

/* The trace that is known by an id of another length. One that has the lower half alone is cut
 * under the whole id from now on; while a turn has it, it stays where the turn will look for it. */
static struct live *find_kin(struct intake *intake, struct trace_id id)
{
    struct live_table *table = &intake->stitcher->table;
    struct live *live = live_find_kin(table, id);
    if (!live || !id.high)
        return live;
    if (is_giant(intake->stitcher, live) || (live->whole.high && live->whole.high != id.high))
        return NULL;
    if (live->turn)
        live->whole = id;
    else
        live_complete_id(table, live, id);
    live->changed = true;
    return live;
}

static struct live *live_for(struct intake *intake, struct trace_id id)
{
    struct stitcher *stitcher = intake->stitcher;
    if (intake->last && trace_id_eq(intake->last->id, id))
        return intake->last;
    struct live *live = live_find(&stitcher->table, id);
    if (!live)
        live = find_kin(intake, id);
    if (live && live->state == SETTLING) {
        live = revive(intake, live);
    } else if (!live) {
        bool too_late;
        live = fetch(stitcher, id, &too_late);
        if (!live && (live = live_add(&stitcher->table, id)))
            live->late_piece = too_late;
        if (live)
            became_live(intake, live);
    }
    intake->last = live;
    return live;
}

/* Entries of logs that were cut before a span, or an entry of its trace, told of the same request:
 * they are stitched again, so that they count no more. While no such entries come, nothing is
 * looked for. */
static void recall_entries(struct intake *intake, struct str request_id)
{
    struct stitcher *stitcher = intake->stitcher;
    if (!stitcher->asked_ns || intake->now_ns > stitcher->asked_ns + RECALL_NS)
        return;
    struct trace_id id = access_trace_of_request(request_id);
    if (trace_id_eq(id, intake->recalled))
        return;
    intake->recalled = id;
    struct live *live = live_find(&stitcher->table, id);
    bool too_late;
    if (live && live->state == LIVE)
        return; /* not cut yet */
    if (live)
        live = revive(intake, live);
    else if ((live = fetch(stitcher, id, &too_late)))
        became_live(intake, live);
    if (!live)
        return;
    live->changed = true;
    live_touch(&stitcher->table, live, intake->now_ns);
}

/* What a span's request id joins it to. */
static void note_request(struct intake *intake, struct trace_id id, const struct span *span,
                         const struct record *record)
{
    struct stitcher *stitcher = intake->stitcher;
    if (record->shape->log == LOG_OF_REQUEST) {
        stitcher->asked_ns = intake->now_ns;
        return;
    }
    requests_add(stitcher->requests, request_trace(id), record);
    if (record->shape->proxy != PROXY_NONE)
        recall_entries(intake, span->facts.request_id);
}

static bool merge_into(struct intake *intake, struct live *live, struct live_record *item,
                       const struct record *record)
{
    struct tally_of_format *tally = &intake->formats[ARRIVAL_FORMAT(record->arrival)];
    struct stitcher *stitcher = intake->stitcher;
    struct record united = item->record;
    enum merge_result result =
        merge_records(stitcher->shapes, &united, record, &stitcher->merge_scratch);
    tally->n_duplicates++;
    if (result != MERGE_CHANGED)
        return result == MERGE_SAME;
    const struct own *own = live_own(&stitcher->table, live, united.own);
    if (united.own && !own)
        return false;
    united.own = own;
    item->record = united;
    live->changed = true;
    tally->n_conflicts++;
    return true;
}

static void count_late(struct intake *intake, const struct live *live, const struct span *span)
{
    uint64_t end = span->start_ns + (span->duration_ns == DURATION_UNKNOWN ? 0 : span->duration_ns);
    uint64_t received = intake->body->received_ns;
    if (live->was && !span->bad_times && received > end)
        stat_observe_ns(intake->stitcher->lateness, received - end);
}

static uint8_t format_of(const struct intake *intake, const struct span *span)
{
    return span->format ? span->format : intake->body->format;
}

/* False when memory is short: the span stays pending, and its body in the inbox. */
static bool take_span(struct intake *intake, const struct span *span)
{
    struct stitcher *stitcher = intake->stitcher;
    const struct body *body = intake->body;
    uint8_t format = format_of(intake, span);
    struct record record;
    struct live *live = live_for(intake, span->trace_id);
    if (!live || !shapes_record(stitcher->shapes, span, format, &stitcher->scratch, &record))
        return false;
    record.arrival = ARRIVAL(body->received_ns / NS_PER_MINUTE, format, body->transport);
    live->cut_short |= !span->trace_id.high;
    if (record.request_id)
        note_request(intake, live->id, span, &record);
    struct live_record *same = live_find_same(live, &record);
    if (same)
        return merge_into(intake, live, same, &record);
    if (live->base &&
        giants_has(stitcher->giants, live_name(live), record.span_id, record.start_ns)) {
        intake->formats[format].n_duplicates++;
        return true;
    }
    uint32_t max = stitcher->settings.max_spans_per_trace;
    if (live->base + live->n >= max) {
        record.unstitched = true;
        stat_add(stitcher->n_over_spans, 1);
    }
    if (live->n >= (live->base ? max : 2 * max))
        intake->giant = live->id; /* no more of it is held together */
    count_late(intake, live, span);
    if (live->late_piece && !live->was)
        stat_add(stitcher->n_too_late, 1);
    if (!live_append(&stitcher->table, live, &record))
        return false;
    live->changed = true;
    live_touch(&stitcher->table, live, intake->now_ns);
    return true;
}

/* Spans of a body are of many traces, each somewhere else in memory. */
static void look_ahead(const struct stitcher *stitcher, const struct batch *batch, uint32_t i)
{
    if (i + 2 * LOOK_AHEAD < batch->n_spans)
        live_prefetch_slot(&stitcher->table, batch->spans[i + 2 * LOOK_AHEAD].trace_id);
    if (i + LOOK_AHEAD < batch->n_spans)
        live_prefetch_entry(&stitcher->table, batch->spans[i + LOOK_AHEAD].trace_id);
}

static void book_format(struct intake *intake, unsigned format, uint32_t rejected)
{
    const struct body *body = intake->body;
    /* What becomes of points and logs only the store can tell. */
    const struct tally_of_format *tally = &intake->formats[format];
    uint32_t accepted = tally->n - tally->n_duplicates;
    ingest_count(format, body->transport, INGEST_ACCEPTED, accepted);
    ingest_count(format, body->transport, INGEST_DUPLICATE, tally->n_duplicates);
    ingest_count(format, body->transport, INGEST_REJECTED, rejected);
    struct ledger_change *change = ledger_of(
        intake->stitcher, ARRIVAL(body->received_ns / NS_PER_MINUTE, format, body->transport));
    if (!change)
        return;
    change->received += tally->n + rejected;
    change->classes[LEDGER_REJECTED] += rejected;
    change->classes[LEDGER_DUPLICATE] += tally->n_duplicates;
    change->classes[LEDGER_PENDING] += accepted;
    change->conflict += tally->n_conflicts;
}

/* Rejected are records of the body's own format. */
static void book_body(struct intake *intake)
{
    uint8_t own = intake->body->format;
    const struct kafka_place *place = &intake->body->place;
    if (place->topic && !turn_note_place(intake->stitcher, place))
        return;
    for (unsigned i = 0; i < N_FORMATS; i++) {
        if (i == own || intake->formats[i].n)
            book_format(intake, i, i == own ? intake->body->batch->counts.n_rejected : 0);
    }
}

/* Metric points and logs of traces wait for nothing: they go to the store with the turn. A body
 * that is in the ledger already is stored already. */
static void pass_on(struct intake *intake, struct body *body)
{
    struct stitcher *stitcher = intake->stitcher;
    struct batch *batch = body->batch;
    if (intake->booked || batch->n_points + batch->n_logs + batch->n_families == 0) {
        body_free(body);
        return;
    }
    if (!series_read_batch(stitcher->stitch, stitcher->settings.knowledge, batch))
        stat_add(stitcher->n_memory_short, batch->n_points);
    if (!turn_add_body(stitcher, body)) {
        stat_add(stitcher->n_memory_short, body->batch->n_points + body->batch->n_logs);
        body_free(body);
        return;
    }
    if (stitcher->filling.turn->body_bytes >= TURN_BODY_BYTES)
        turn_hand_on(stitcher, false);
}

void intake_body(struct stitcher *stitcher, struct body *body, uint64_t now_ns)
{
    struct intake intake = {
        .stitcher = stitcher,
        .body = body,
        .now_ns = now_ns,
        .booked = body->seq <= stitcher->settings.booked_to,
    };
    const struct batch *batch = body->batch;
    uint32_t n_short = 0;
    stitcher->taken_seq = body->seq;
    stitcher->taken_bytes += body->n_bytes;
    if (!shapes_next_batch(stitcher->shapes, batch->n_resources))
        n_short = batch->n_spans;
    for (uint32_t i = 0; i < batch->n_spans; i++) {
        intake.formats[format_of(&intake, &batch->spans[i])].n++;
        if (n_short)
            continue;
        look_ahead(stitcher, batch, i);
        n_short += !take_span(&intake, &batch->spans[i]);
    }
    if (n_short) {
        static struct log_limit limit;
        log_limited(&limit, LOG_ERROR, "memory_short", "stage=stitcher seq=%llu",
                    (unsigned long long)body->seq);
        stat_add(stitcher->n_memory_short, n_short);
    }
    if (!intake.booked)
        book_body(&intake);
    pass_on(&intake, body);
    struct live *giant =
        intake.giant.high | intake.giant.low ? live_find(&stitcher->table, intake.giant) : NULL;
    if (giant && giant->state == LIVE)
        cut_trace(stitcher, giant, CUT_MEMORY);
}
