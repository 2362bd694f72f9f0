/* simulation.c - ticks: requests begin, spans that have ended reach their senders, senders flush.
 */
#include "collector/simulate/simulation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/simulate/simulation_internal.h"

#define MAX_SLOT (1u << 30)
#define MAX_SPAN (64u << 10)
#define MAX_BODY (256u << 20)
#define BREATH_NS (7 * NS_PER_MINUTE) /* a short, low wave over the day's */

/* OpenTelemetry's threshold of a share: 56 bits in hex, zeros at the end left out. */
static void write_trace_state(struct simulation *sim)
{
    double share = sim->settings.sampling;
    uint64_t threshold = share > 0 ? (uint64_t)((1 - share) * 0x1p56) : (UINT64_C(1) << 56) - 1;
    char digits[20];
    snprintf(digits, sizeof(digits), "%014llx", (unsigned long long)threshold);
    for (size_t n = strlen(digits); n > 1 && digits[n - 1] == '0'; n--)
        digits[n - 1] = '\0';
    snprintf(sim->trace_state, sizeof(sim->trace_state), "ot=th:%s", digits);
}

struct simulation *simulation_new(const struct simulation_settings *settings)
{
    struct simulation *sim = calloc(1, sizeof(*sim));
    if (!sim)
        return NULL;
    sim->settings = *settings;
    sim->mesh = settings->mesh;
    sim->fault = settings->fault;
    sim->tick = settings->begin_ns / TICK_NS;
    write_trace_state(sim);
    for (uint32_t i = 0; i < RING; i++)
        buf_init(&sim->ring[i], MAX_SLOT);
    buf_init(&sim->span, MAX_SPAN);
    buf_init(&sim->body, MAX_BODY);
    if (senders_open(sim)) {
        sim->flushing = sim->n_senders;
        return sim;
    }
    simulation_free(sim);
    return NULL;
}

void simulation_free(struct simulation *sim)
{
    if (!sim)
        return;
    senders_close(sim);
    for (uint32_t i = 0; i < RING; i++)
        buf_fini(&sim->ring[i]);
    buf_fini(&sim->span);
    buf_fini(&sim->body);
    free(sim);
}

uint32_t simulation_senders(const struct simulation *sim)
{
    return sim->n_senders;
}

uint64_t simulation_requests(const struct simulation *sim)
{
    return sim->n_requests;
}

uint64_t simulation_spans(const struct simulation *sim)
{
    return sim->n_spans;
}

void simulation_end(struct simulation *sim)
{
    sim->ending = true;
    sim->ended_tick = sim->tick + RING;
}

void simulation_flush_every(struct simulation *sim, uint64_t flush_ns)
{
    sim->settings.flush_ns = flush_ns;
    for (uint32_t i = 0; i < sim->n_senders; i++) {
        struct draw phase = draw_from(11, i, 0);
        sim->senders[i].next_flush = sim->tick + draw_below(&phase, 1 + flush_ns / TICK_NS);
    }
}

/* The day's wave is lowest at four in the morning; a breath of some minutes lies over it. */
static double rate_at(const struct simulation *sim, uint64_t at_ns)
{
    const struct simulation_settings *settings = &sim->settings;
    double day = (double)(at_ns % settings->day_ns) / (double)settings->day_ns;
    double breath = (double)(at_ns % BREATH_NS) / (double)BREATH_NS;
    double rate = settings->rate * (1 - settings->wave * cos(2 * M_PI * (day - 4.0 / 24)));
    rate *= 1 + 0.05 * sin(2 * M_PI * breath);
    struct spot spot = {.callee = sim->mesh->gateway};
    const struct effect *surge = fault_effect(sim->fault, EFFECT_TRAFFIC, at_ns, &spot);
    if (!surge)
        return rate;
    uint64_t age_ns = at_ns - sim->fault->from_ns;
    double share = age_ns < surge->ramp_ns ? (double)age_ns / (double)surge->ramp_ns : 1;
    return rate * (1 + (surge->factor - 1) * share);
}

static void make_requests(struct simulation *sim)
{
    uint64_t at_ns = sim->tick * TICK_NS;
    struct draw draw = draw_from(sim->settings.seed, sim->tick, UINT64_MAX);
    unsigned n = draw_count(&draw, rate_at(sim, at_ns) * (double)TICK_NS / 1e9);
    for (unsigned i = 0; i < n; i++)
        request_walk(sim, sim->tick, i);
    sim->n_requests += n;
}

/* Spans that ended in this tick go to their senders: each is its sender's number, its length, and
 * its bytes. */
static void hand_over(struct simulation *sim)
{
    struct buf *slot = &sim->ring[sim->tick % RING];
    for (size_t at = 0; at < slot->len;) {
        uint32_t head[2];
        memcpy(head, slot->p + at, sizeof(head));
        struct sender *sender = &sim->senders[head[0]];
        buf_add(&sender->spans, slot->p + at + sizeof(head), head[1]);
        sender->n_spans++;
        at += sizeof(head) + head[1];
    }
    buf_reset(slot);
}

/* ExportTraceServiceRequest { ResourceSpans { resource, ScopeSpans { scope, spans } } } */
static void wrap(struct simulation *sim, uint32_t number, struct simulated_body *body)
{
    struct sender *sender = &sim->senders[number];
    struct str head = buf_str(&sender->head), spans = buf_str(&sender->spans);
    size_t n_scope = head.len - sender->n_resource + spans.len;
    struct buf *out = &sim->body;
    buf_reset(out);
    proto_head(out, 2, n_scope);
    size_t n_scope_head = out->len;
    buf_reset(out);
    proto_head(out, 1, sender->n_resource + n_scope_head + n_scope);
    buf_add(out, head.p, sender->n_resource);
    proto_head(out, 2, n_scope);
    buf_add(out, head.p + sender->n_resource, head.len - sender->n_resource);
    buf_add_str(out, spans);
    *body = (struct simulated_body){number, sender->n_spans, buf_str(out)};
    sim->n_spans += sender->n_spans;
    buf_reset(&sender->spans);
    sender->n_spans = 0;
}

/* Does this sender send now? Its next time is set when it was due. */
static bool is_due(struct simulation *sim, struct sender *sender)
{
    bool late = sim->ending && sim->tick >= sim->ended_tick;
    bool due = sim->tick >= sender->next_flush;
    if (due) {
        uint64_t every = sim->settings.flush_ns / TICK_NS;
        sender->next_flush = sim->tick + (every ? every : 1);
    }
    return sender->n_spans && (due || late || sender->n_spans >= sim->settings.body_spans);
}

bool simulation_next(struct simulation *sim, uint64_t until_ns, struct simulated_body *body)
{
    for (;;) {
        for (; sim->flushing < sim->n_senders; sim->flushing++) {
            if (is_due(sim, &sim->senders[sim->flushing])) {
                wrap(sim, sim->flushing, body);
                return true;
            }
        }
        if (sim->ending ? sim->tick >= sim->ended_tick : (sim->tick + 1) * TICK_NS > until_ns)
            return false;
        if (!sim->ending)
            make_requests(sim);
        hand_over(sim);
        sim->tick++;
        sim->flushing = 0;
    }
}
