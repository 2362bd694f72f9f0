/* origin.c - where the failure of the whole began: following the failed calls down (STITCHING §4).
 */
#include <stdio.h>

#include "collector/base/utf8.h"
#include "collector/stitch/work.h"

/* What a proxy says of itself, its filters and its settings: no callee is to blame. */
#define OWN_FLAGS                                                                                  \
    (FLAG_BIT(FLAG_NR) | FLAG_BIT(FLAG_NC) | FLAG_BIT(FLAG_RL) | FLAG_BIT(FLAG_RLSE) |             \
     FLAG_BIT(FLAG_UAEX) | FLAG_BIT(FLAG_FI) | FLAG_BIT(FLAG_OM) | FLAG_BIT(FLAG_NFCF) |           \
     FLAG_BIT(FLAG_LR) | FLAG_BIT(FLAG_DT) | FLAG_BIT(FLAG_DO) | FLAG_BIT(FLAG_DF))
#define MAX_REASON 80
#define MAX_CRITICAL_STEPS 64

static name_no reason_of(struct stitch *stitch, const struct work_span *span)
{
    const struct record *record = span->record;
    char text[MAX_REASON + 1];
    if (record->flags)
        return record->flags_text;
    if (record->http_status >= 400)
        snprintf(text, sizeof(text), "%d", record->http_status);
    else if (record->grpc_status > 0)
        snprintf(text, sizeof(text), "grpc %d", record->grpc_status);
    else
        snprintf(text, sizeof(text), "%s", "error");
    struct str message = own_message(record->own);
    if (record->http_status < 400 && record->grpc_status <= 0 && message.len)
        return names_add(stitch->names, utf8_cut(message, MAX_REASON));
    return names_add(stitch->names, str_of(text));
}

/* A timeout is owed by who used the time: down the longest calls while they take half of what is
 * above. */
static uint32_t time_user(const struct stitch *stitch, uint32_t number)
{
    for (unsigned step = 0; step < MAX_CRITICAL_STEPS; step++) {
        const struct work_call *call = &stitch->calls[number];
        if (call->callee_visit == NONE)
            return number;
        uint64_t above_ns = call->call.callee_ns, longest_ns = 0;
        uint32_t longest = NONE;
        for (uint32_t i = stitch->visits[call->callee_visit].first_call; i != NONE;
             i = stitch->calls[i].next_of_visit) {
            const struct call *beneath = &stitch->calls[i].call;
            uint64_t ns =
                beneath->caller_ns != DURATION_UNKNOWN ? beneath->caller_ns : beneath->callee_ns;
            if (!stitch->calls[i].folded && !stitch->calls[i].aside && ns != DURATION_UNKNOWN &&
                ns > longest_ns) {
                longest = i;
                longest_ns = ns;
            }
        }
        if (longest == NONE || above_ns == DURATION_UNKNOWN || longest_ns < above_ns / 2)
            return number;
        number = longest;
    }
    return number;
}

/* The caller's proxy refused it by itself: the callee, where it was reached at all, did nothing
 * wrong. */
static bool proxy_itself(const struct stitch *stitch, const struct work_call *call)
{
    if (call->bottom == NONE)
        return false;
    const struct record *request = stitch->spans[hop_request(stitch, call->bottom)].record;
    if (!(request->flags & OWN_FLAGS))
        return false;
    if (call->callee_visit == NONE || stitch->visits[call->callee_visit].silent)
        return true;
    const struct visit *visit = &stitch->visits[call->callee_visit];
    return stitch->spans[visit->first].outcome != OUTCOME_FAILED &&
           stitch->spans[visit->application].outcome != OUTCOME_FAILED &&
           !call_is_timeout(stitch, call);
}

static void write_origin_at(struct stitch *stitch, uint32_t number, struct trace_result *trace)
{
    const struct work_call *at = &stitch->calls[number];
    bool itself = proxy_itself(stitch, at);
    bool given_up = !itself && call_is_timeout(stitch, at);
    if (given_up) {
        number = time_user(stitch, number);
        at = &stitch->calls[number];
    }
    const struct work_span *callee =
        at->callee_visit == NONE ? NULL : &stitch->spans[stitch->visits[at->callee_visit].first];
    const struct work_span *caller =
        at->bottom == NONE ? NULL : &stitch->spans[hop_request(stitch, at->bottom)];
    trace->origin = itself ? at->call.caller : at->call.callee;
    trace->origin_operation = at->call.operation;
    const struct work_span *says =
        !itself && callee && callee->outcome >= OUTCOME_FAILED ? callee : caller;
    if (!says || says->outcome == OUTCOME_OK)
        says = caller && caller->outcome != OUTCOME_OK ? caller : callee ? callee : caller;
    trace->origin_reason = reason_of(stitch, says);
    bool unsaid = trace->origin_reason == names_add(stitch->names, STR("error"));
    if (says->outcome == OUTCOME_OK || (given_up && unsaid))
        trace->origin_reason = names_add(stitch->names, STR("timeout"));
}

void origin_find(struct stitch *stitch, uint32_t entry, struct trace_result *trace)
{
    uint32_t number = entry_call(stitch, entry);
    if (number == NONE)
        number = stitch->visits[stitch->spans[entry].visit].worst;
    if (number == NONE) {
        trace->origin = trace->entry;
        trace->origin_operation = trace->entry_operation;
        trace->origin_reason = reason_of(stitch, &stitch->spans[entry]);
        return;
    }
    for (uint32_t steps = 0; steps < stitch->n_visits; steps++) {
        uint32_t callee = stitch->calls[number].callee_visit;
        uint32_t next = callee == NONE ? NONE : stitch->visits[callee].worst;
        if (next == NONE)
            break;
        number = next;
    }
    write_origin_at(stitch, number, trace);
}
