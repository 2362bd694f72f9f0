/* blame.c - what failed, and where it began (STITCHING §4).
 *
 * Failure is followed downwards: a failed call is carried when a failed call beneath it, that ended
 * within its caller's time, explains it; else it is the origin.
 */
#include "collector/base/clock.h"
#include "collector/stitch/work.h"

#define GONE_FLAGS (FLAG_BIT(FLAG_DC) | FLAG_BIT(FLAG_DR))
/* Delay injected and answered from a cache: these alone mean nothing. */
#define MEANINGLESS_FLAGS (FLAG_BIT(FLAG_DI) | FLAG_BIT(FLAG_RFCF))
#define GRPC_ERRORS                                                                                \
    (1u << 2 | 1u << 4 | 1u << 8 | 1u << 10 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 15)
#define GRPC_CLIENT_ERRORS (1u << 3 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 9 | 1u << 11 | 1u << 16)
#define SLACK_NS NS_PER_MS

static uint8_t outcome_of_4xx(const struct record *record, uint32_t flags)
{
    if (record->http_status == 429)
        return OUTCOME_FAILED;
    bool refused =
        record->http_status == 401 || record->http_status == 403 || record->http_status == 404;
    return refused && (flags & ~GONE_FLAGS) ? OUTCOME_FAILED : OUTCOME_CLIENT_ERROR;
}

uint8_t record_outcome(const struct record *record)
{
    uint32_t flags = record->flags & ~MEANINGLESS_FLAGS;
    uint32_t grpc = record->grpc_status > 0 ? 1u << record->grpc_status : 0;
    if (record->status == STATUS_OK)
        return OUTCOME_OK;
    if (record->http_status >= 500 || (grpc & GRPC_ERRORS))
        return OUTCOME_FAILED;
    if (record->http_status >= 400)
        return outcome_of_4xx(record, flags);
    bool unanswered = record->http_status <= 0;
    if ((flags & ~GONE_FLAGS) && !(grpc & GRPC_CLIENT_ERRORS))
        return OUTCOME_FAILED;
    if ((flags & GONE_FLAGS) || (record->canceled && unanswered) || record->grpc_status == 1)
        return OUTCOME_GONE;
    if (grpc & GRPC_CLIENT_ERRORS)
        return OUTCOME_CLIENT_ERROR;
    if (record->error_tag_4xx_only)
        return OUTCOME_CLIENT_ERROR;
    return record->status == STATUS_ERROR || record->error_tag ? OUTCOME_FAILED : OUTCOME_OK;
}

/* What the callee's own halves came to. */
static uint8_t callee_outcome(const struct stitch *stitch, const struct visit *visit)
{
    if (!visit_answered(stitch, visit))
        return OUTCOME_OK;
    uint8_t outer = stitch->spans[visit->first].outcome,
            inner = stitch->spans[visit->application].outcome;
    return outer > inner ? outer : inner;
}

/* Either side's word counts for a failure; the caller's, else the callee's, for the rest. */
static uint8_t call_outcome(const struct stitch *stitch, const struct work_call *call)
{
    uint8_t caller = OUTCOME_OK, callee = OUTCOME_OK;
    for (uint32_t at = call->bottom; at != NONE; at = row_next(stitch, call, at))
        caller = stitch->spans[at].outcome > caller ? stitch->spans[at].outcome : caller;
    if (call->callee_visit != NONE)
        callee = callee_outcome(stitch, &stitch->visits[call->callee_visit]);
    uint8_t worse = caller > callee ? caller : callee;
    if (worse >= OUTCOME_GONE)
        return worse;
    return call->bottom != NONE ? caller : callee;
}

void outcomes_find(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n; i++)
        stitch->spans[i].outcome = record_outcome(stitch->spans[i].record);
}

void calls_end(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        struct work_call *call = &stitch->calls[i];
        if (!call->folded)
            call->outcome = call_outcome(stitch, call);
        if (call->joined && call->joined->outcome > call->outcome &&
            call->joined->outcome >= OUTCOME_GONE)
            call->outcome = call->joined->outcome;
        if (call->top != NONE) {
            call->caller_end_ns = stitch->spans[call->top].end_ns;
            call->begin_ns = stitch->spans[call->top].record->start_ns;
        }
    }
}

/* A client that left needs an unbroken chain up to the entry; else somebody on the way gave up: a
 * timeout. Those beneath a call that was given up only lost their client. */
static void settle_gone(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        struct work_call *call = &stitch->calls[i];
        if (call->callee_visit != NONE) {
            struct visit *callee = &stitch->visits[call->callee_visit];
            callee->gone =
                call->outcome == OUTCOME_GONE || callee_outcome(stitch, callee) == OUTCOME_GONE;
        }
        const struct visit *caller =
            call->caller_visit == NONE ? NULL : &stitch->visits[call->caller_visit];
        bool unbroken = !caller || caller->gone || caller->call == NONE;
        if (!call->folded && call->outcome == OUTCOME_GONE && !unbroken) {
            call->outcome = OUTCOME_FAILED;
            call->timed_out = true;
        }
    }
}

static uint64_t slack_for(uint64_t duration_ns)
{
    uint64_t hundredth = duration_ns == DURATION_UNKNOWN ? 0 : duration_ns / 100;
    return hundredth > SLACK_NS ? hundredth : SLACK_NS;
}

/* The incoming span that this call lies beneath: the sidecar's where the application has spans but
 * handed on the context that it got. */
static uint32_t server_above(const struct stitch *stitch, const struct work_call *call,
                             uint32_t visit)
{
    uint32_t first = stitch->visits[visit].first;
    bool right_beneath = call->top != NONE && stitch->spans[call->top].parent == first;
    return right_beneath ? first : stitch->visits[visit].application;
}

/* Did this call end while its caller's own visit lasted, and before that visit's caller gave it up?
 * A proxy's two spans of one request end together: which of them it closes first says nothing. */
static bool ended_in_time(const struct stitch *stitch, const struct work_call *call, uint32_t visit)
{
    if (!call->caller_end_ns || !visit_answered(stitch, &stitch->visits[visit]))
        return true;
    uint32_t inner = server_above(stitch, call, visit);
    const struct work_span *server = &stitch->spans[inner];
    uint64_t slack_ns = slack_for(known_duration(server->record));
    bool one_request = hop_request(stitch, call->top) == inner;
    if (server->end_ns && call->caller_end_ns > server->end_ns + slack_ns && !one_request)
        return false;
    uint32_t led = stitch->visits[visit].call;
    if (led == NONE || stitch->calls[led].top == NONE || !server->end_ns)
        return true;
    uint64_t waited_ns = known_duration(stitch->spans[stitch->calls[led].top].record);
    if (waited_ns == DURATION_UNKNOWN || waited_ns >= known_duration(server->record))
        return true;
    return call->caller_end_ns <= server->record->start_ns + waited_ns + slack_ns;
}

static uint64_t call_end(const struct stitch *stitch, const struct work_call *call)
{
    if (call->caller_end_ns)
        return call->caller_end_ns;
    return call->callee_visit == NONE
               ? 0
               : stitch->spans[stitch->visits[call->callee_visit].first].end_ns;
}

/* Of two that ended at the same time the one whose spans come last in canonical order. */
static bool ends_later(const struct stitch *stitch, const struct work_call *call,
                       const struct work_call *other)
{
    uint64_t a = call_end(stitch, call), b = call_end(stitch, other);
    if (a != b)
        return a > b;
    const struct work_call *both[2] = {call, other};
    uint64_t spans[2];
    for (int i = 0; i < 2; i++) {
        uint32_t callee =
            both[i]->callee_visit == NONE ? 0 : stitch->visits[both[i]->callee_visit].first + 1;
        uint32_t bottom = both[i]->bottom == NONE ? 0 : both[i]->bottom + 1;
        spans[i] = (uint64_t)(bottom ? bottom : callee) << 32 | callee;
    }
    return spans[0] > spans[1];
}

/* Of the failed calls of a visit that ended in time, the one that ended last. */
static uint32_t worst_call(const struct stitch *stitch, uint32_t visit)
{
    uint32_t worst = NONE;
    for (uint32_t i = stitch->visits[visit].first_call; i != NONE;
         i = stitch->calls[i].next_of_visit) {
        const struct work_call *call = &stitch->calls[i];
        bool explains = !call->folded && !call->aside && call->outcome == OUTCOME_FAILED &&
                        ended_in_time(stitch, call, visit);
        if (explains && (worst == NONE || ends_later(stitch, call, &stitch->calls[worst])))
            worst = i;
    }
    return worst;
}

uint8_t outcome_fault(uint8_t outcome)
{
    switch (outcome) {
    case OUTCOME_FAILED:
        return FAULT_ORIGIN;
    case OUTCOME_GONE:
        return FAULT_CLIENT_GONE;
    case OUTCOME_CLIENT_ERROR:
        return FAULT_CLIENT_ERROR;
    default:
        return FAULT_NONE;
    }
}

static uint8_t fault_of(const struct stitch *stitch, const struct work_call *call)
{
    bool carried = call->outcome == OUTCOME_FAILED && call->callee_visit != NONE &&
                   stitch->visits[call->callee_visit].worst != NONE;
    return carried ? FAULT_CARRIED : outcome_fault(call->outcome);
}

/* Some SDKs end the server's span when the connection goes: work beneath it then outlives it. */
static bool cut_off_at_work(const struct stitch *stitch, uint32_t visit)
{
    const struct work_span *server = &stitch->spans[stitch->visits[visit].application];
    uint64_t until_ns = server->end_ns + slack_for(known_duration(server->record));
    if (!server->end_ns)
        return false;
    for (uint32_t i = stitch->visits[visit].first_call; i != NONE;
         i = stitch->calls[i].next_of_visit) {
        const struct work_call *beneath = &stitch->calls[i];
        if (beneath->caller_end_ns > until_ns && beneath->begin_ns < server->end_ns)
            return true;
    }
    return false;
}

bool call_is_timeout(const struct stitch *stitch, const struct work_call *call)
{
    if (call->timed_out)
        return true;
    if (call->bottom == NONE)
        return false;
    const struct record *record = stitch->spans[hop_request(stitch, call->bottom)].record;
    if ((record->flags & FLAG_BIT(FLAG_UT)) || record->http_status == 504 ||
        record->grpc_status == 4)
        return true;
    if (call->callee_visit == NONE || !visit_answered(stitch, &stitch->visits[call->callee_visit]))
        return false;
    if (record->http_status <= 0 && record->grpc_status < 0 &&
        cut_off_at_work(stitch, call->callee_visit))
        return true;
    const struct record *callee = stitch->spans[stitch->visits[call->callee_visit].first].record;
    uint64_t waited_ns = known_duration(stitch->spans[call->top].record),
             worked_ns = known_duration(callee);
    return waited_ns != DURATION_UNKNOWN && worked_ns != DURATION_UNKNOWN && worked_ns > waited_ns;
}

void blame_find(struct stitch *stitch)
{
    settle_gone(stitch);
    for (uint32_t i = 0; i < stitch->n_visits; i++)
        stitch->visits[i].worst = worst_call(stitch, i);
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        struct work_call *call = &stitch->calls[i];
        call->call.fault = fault_of(stitch, call);
        if (call->outcome == OUTCOME_FAILED)
            call->call.recovered = false;
    }
}
