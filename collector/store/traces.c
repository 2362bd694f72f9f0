/* traces.c - the traces of a turn become rows: trace, spans, calls; minutes and keys on the way. */
#include "collector/store/traces.h"

#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/store/dictionary.h"
#include "collector/store/gaps.h"
#include "collector/store/minutes.h"
#include "collector/store/points.h"
#include "collector/store/relations.h"
#include "collector/store/rows.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

int traces_open(struct store *store)
{
    buf_init(&store->calls_blob, (size_t)256 << 20);
    return store_prepare(store,
                         "INSERT INTO trace_row VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                         &store->put_trace) ||
           feed_register(store) ||
           /* FAIL: without it SQLite keeps a journal of each statement, to take it back alone */
           store_prepare(store, "INSERT OR FAIL INTO span_row SELECT * FROM turn_span",
                         &store->put_spans) ||
           store_prepare(store, "DELETE FROM trace_row WHERE trace_no = ? RETURNING bits, id",
                         &store->drop_trace) ||
           store_prepare(store, "UPDATE trace_row SET bits = bits | 16 WHERE trace_no = ?",
                         &store->mark_trace) ||
           store_prepare(store, "DELETE FROM span_row WHERE trace_no = ?", &store->drop_spans);
}

void traces_close(struct store *store)
{
    sqlite3_finalize(store->put_trace);
    sqlite3_finalize(store->put_spans);
    sqlite3_finalize(store->drop_trace);
    sqlite3_finalize(store->mark_trace);
    sqlite3_finalize(store->drop_spans);
    buf_fini(&store->calls_blob);
    free(store->feed_ids);
}

static int find_ids(struct store *store, const struct turn *turn, const struct record *record,
                    const struct span_result *result, uint32_t generation, struct span_ids *ids)
{
    int code = dictionary_shape(store, turn, record, generation, &ids->shape);
    code = code ? code : dictionary_set(store, record->attr_set, generation, &ids->set);
    code = code ? code : dictionary_node(store, turn, result->node, &ids->node);
    code = code ? code : dictionary_node(store, turn, result->peer, &ids->peer);
    return code ? code : dictionary_name(store, turn, record->flags_text, &ids->flags_text);
}

static bool reserve_ids(struct store *store, const struct turn *turn)
{
    size_t n = 0;
    for (uint32_t i = 0; i < turn->n_traces; i++)
        n += turn->traces[i].now.n_records;
    if (n <= store->cap_feed_ids)
        return true;
    struct span_ids *grown = realloc(store->feed_ids, n * sizeof(*grown));
    if (!grown)
        return false;
    store->feed_ids = grown;
    store->cap_feed_ids = n;
    return true;
}

/* All spans of the turn, by one statement. */
static int put_spans(struct store *store, const struct turn *turn)
{
    size_t n = 0;
    int code = reserve_ids(store, turn) ? 0 : SQLITE_NOMEM;
    for (uint32_t i = 0; i < turn->n_traces; i++) {
        const struct cut_trace *trace = &turn->traces[i];
        uint32_t generation = (uint32_t)(trace->trace_no / RUN_TRACES);
        for (uint32_t k = 0; k < trace->now.n_records && !code; k++)
            code = find_ids(store, turn, &trace->now.records[k], &trace->now.graph.spans[k],
                            generation, &store->feed_ids[n++]);
    }
    store->feed_turn = turn;
    code = code || !n ? code : statement_run(store->put_spans);
    store->feed_turn = NULL;
    return code;
}

static int pack_hop(struct store *store, const struct turn *turn, const struct call *call,
                    const struct hop *hop)
{
    int64_t name = 0, from;
    uint8_t named = HOP_NAME_OTHER;
    if (hop->name == nodes_get(turn->nodes, call->callee)->service)
        named = HOP_NAME_CALLEE;
    else if (hop->name == nodes_get(turn->nodes, call->caller)->service)
        named = HOP_NAME_CALLER;
    int code = named == HOP_NAME_OTHER ? dictionary_name(store, turn, hop->name, &name) : 0;
    code = code ? code : dictionary_name(store, turn, hop->from, &from);
    if (code)
        return code;
    struct hop_ids ids = {named, (uint64_t)name, (uint64_t)from};
    hops_pack_one(&store->calls_blob, hop, call, &ids);
    return 0;
}

static int pack_calls(struct store *store, const struct turn *turn, const struct graph *graph)
{
    buf_reset(&store->calls_blob);
    for (uint32_t i = 0; i < graph->n_calls; i++) {
        const struct call *call = &graph->calls[i];
        int64_t caller, callee, protocol, via, operation;
        int code = dictionary_node(store, turn, call->caller, &caller);
        code = code ? code : dictionary_node(store, turn, call->callee, &callee);
        code = code ? code : dictionary_name(store, turn, call->protocol, &protocol);
        code = code ? code : dictionary_name(store, turn, call->via, &via);
        code = code ? code : dictionary_name(store, turn, call->operation, &operation);
        if (code)
            return code;
        struct call_ids ids = {(uint64_t)caller, (uint64_t)callee,    (uint64_t)protocol,
                               (uint64_t)via,    (uint64_t)operation, STR_NONE};
        calls_pack_one(&store->calls_blob, call, &ids);
        for (uint32_t k = 0; k < call->n_hops && !code; k++)
            code = pack_hop(store, turn, call, &graph->hops[call->first_hop + k]);
        if (code)
            return code;
    }
    return buf_failed(&store->calls_blob) ? SQLITE_NOMEM : 0;
}

static int bind_trace_names(struct store *store, const struct turn *turn,
                            const struct trace_result *result)
{
    int64_t entry = 0, entry_operation = 0, origin = 0, origin_operation = 0, origin_reason = 0;
    int code = dictionary_node(store, turn, result->entry, &entry);
    code = code ? code : dictionary_name(store, turn, result->entry_operation, &entry_operation);
    code = code ? code : dictionary_node(store, turn, result->origin, &origin);
    code = code ? code : dictionary_name(store, turn, result->origin_operation, &origin_operation);
    code = code ? code : dictionary_name(store, turn, result->origin_reason, &origin_reason);
    sqlite3_bind_int64(store->put_trace, 5, entry);
    sqlite3_bind_int64(store->put_trace, 6, entry_operation);
    sqlite3_bind_int64(store->put_trace, 7, origin);
    sqlite3_bind_int64(store->put_trace, 8, origin_operation);
    sqlite3_bind_int64(store->put_trace, 9, origin_reason);
    return code;
}

/* A bit for each service's name, by its row id: what search looks at first. */
static int services_mask(struct store *store, const struct turn *turn,
                         const struct cut_trace *trace, int64_t *mask)
{
    *mask = 0;
    for (uint32_t i = 0; i < trace->now.n_records; i++) {
        int64_t name;
        int code = dictionary_name(
            store, turn, nodes_get(turn->nodes, trace->now.graph.spans[i].node)->service, &name);
        if (code)
            return code;
        *mask |= INT64_C(1) << (name % 62);
    }
    return 0;
}

static void id_bytes(struct trace_id id, unsigned char bytes[16])
{
    uint64_t halves[2] = {__builtin_bswap64(id.high), __builtin_bswap64(id.low)};
    memcpy(bytes, halves, 16);
}

static int put_trace(struct store *store, const struct turn *turn, const struct cut_trace *trace)
{
    const struct trace_result *result = &trace->now.graph.trace;
    sqlite3_stmt *put = store->put_trace;
    unsigned char id[16];
    int64_t mask;
    id_bytes(trace->id, id);
    int code = pack_calls(store, turn, &trace->now.graph);
    code = code ? code : bind_trace_names(store, turn, result);
    code = code ? code : services_mask(store, turn, trace, &mask);
    if (code)
        return code;
    sqlite3_bind_int64(put, 1, (int64_t)trace->trace_no);
    sqlite3_bind_blob(put, 2, id, 16, SQLITE_STATIC);
    sqlite3_bind_int64(put, 3, (int64_t)result->start_ns);
    statement_bind_ns(put, 4, result->duration_ns);
    sqlite3_bind_int64(put, 10, result->span_count);
    sqlite3_bind_int64(put, 11, result->service_count);
    sqlite3_bind_int64(put, 12, result->error_count);
    sqlite3_bind_int64(put, 13, result->parts);
    sqlite3_bind_int64(put, 14,
                       (result->error ? TRACE_ERROR : 0) | (result->complete ? TRACE_COMPLETE : 0) |
                           TRACE_SPANS_KEPT | (result->began_by_proxy ? TRACE_BEGAN_BY_PROXY : 0) |
                           (result->late_piece ? TRACE_LATE_PIECE : 0));
    sqlite3_bind_int64(put, 15, trace->reopened);
    sqlite3_bind_int64(put, 16, (int64_t)(clock_wall_ns() / NS_PER_S));
    sqlite3_bind_int64(put, 17, mask);
    sqlite3_bind_blob(put, 18, store->calls_blob.len ? store->calls_blob.p : "",
                      (int)store->calls_blob.len, SQLITE_STATIC);
    return statement_run(put);
}

/* `renamed`: it had another id. */
static int drop_old(struct store *store, const struct cut_trace *trace, bool *showed_new,
                    bool *renamed)
{
    sqlite3_stmt *drop = store->drop_trace;
    unsigned char id[16];
    id_bytes(trace->id, id);
    sqlite3_bind_int64(drop, 1, (int64_t)trace->trace_no);
    sqlite3_bind_int64(store->drop_spans, 1, (int64_t)trace->trace_no);
    int code = sqlite3_step(drop);
    *showed_new = code == SQLITE_ROW && sqlite3_column_int64(drop, 0) & TRACE_SHOWED_NEW;
    *renamed = code == SQLITE_ROW && sqlite3_column_bytes(drop, 1) == 16 &&
               memcmp(sqlite3_column_blob(drop, 1), id, 16) != 0;
    if (code == SQLITE_ROW)
        code = sqlite3_step(drop);
    sqlite3_reset(drop);
    return code == SQLITE_DONE ? statement_run(store->drop_spans) : code;
}

static int mark_new(struct store *store, uint64_t trace_no)
{
    sqlite3_bind_int64(store->mark_trace, 1, (int64_t)trace_no);
    return statement_run(store->mark_trace);
}

static int count_call(struct store *store, const struct turn *turn, const struct graph *graph,
                      const struct call *call, int sign)
{
    int code = minutes_add_call(store, turn, call, sign);
    code = code ? code : hops_add_call(store, turn, graph, call, sign);
    return code ? code : relations_add_call(store, turn, call, sign);
}

static int count(struct store *store, const struct turn *turn, const struct counted_trace *counted,
                 int sign)
{
    int code = 0;
    for (uint32_t i = 0; i < counted->graph.n_calls && !code; i++)
        code = count_call(store, turn, &counted->graph, &counted->graph.calls[i], sign);
    for (uint32_t i = 0; i < counted->n_records && !code; i++)
        code = minutes_add_span(store, turn, &counted->records[i], &counted->graph.spans[i], sign);
    code = code ? code : gaps_add(store, turn, &counted->graph, sign);
    store->position.n_spans += (uint64_t)(sign * (int64_t)counted->n_records);
    return code;
}

/* More spans behind those that stay: rows of spans are put with the others' of the turn. */
static int extend_trace(struct store *store, const struct turn *turn, const struct cut_trace *trace)
{
    sqlite3_stmt *extend;
    int64_t mask;
    int code = services_mask(store, turn, trace, &mask);
    code = code ? code
                : store_prepare(store,
                                "UPDATE trace_row SET span_count = span_count + ?2, "
                                "services = services | ?3, reopened = ?4, bits = bits & ~?5, "
                                "error_count = error_count + ?6 "
                                "WHERE trace_no = ?1",
                                &extend);
    if (code)
        return code;
    sqlite3_bind_int64(extend, 1, (int64_t)trace->trace_no);
    sqlite3_bind_int64(extend, 2, trace->now.n_records);
    sqlite3_bind_int64(extend, 3, mask);
    sqlite3_bind_int64(extend, 4, trace->reopened);
    sqlite3_bind_int64(extend, 5, TRACE_COMPLETE);
    sqlite3_bind_int64(extend, 6, trace->now.graph.trace.error_count);
    code = statement_run(extend);
    sqlite3_finalize(extend);
    return code ? code : count(store, turn, &trace->now, 1);
}

static int apply_trace(struct store *store, const struct turn *turn, const struct cut_trace *trace)
{
    int code = 0;
    bool renamed = !trace->was;
    store->relations.told = false;
    if (trace->base)
        return extend_trace(store, turn, trace);
    if (trace->was) {
        code = count(store, turn, trace->was, -1);
        code = code ? code : drop_old(store, trace, &store->relations.told, &renamed);
        if (!code && renamed)
            code = logs_rename(store, trace->id);
    }
    code = code ? code : put_trace(store, turn, trace);
    code = code ? code : count(store, turn, &trace->now, 1);
    if (!code && store->relations.told)
        code = mark_new(store, trace->trace_no);
    if (!code && (renamed || trace->cut_short))
        code = keys_add(store, trace->id, trace->trace_no, trace->cut_short);
    code = code ? code : trace_minutes_add(store, trace->now.graph.trace.start_ns, trace->trace_no);
    if (trace->trace_no >= store->position.next_trace_no)
        store->position.next_trace_no = trace->trace_no + 1;
    return code;
}

static int apply_body(struct store *store, const struct turn *turn, struct body *body)
{
    uint32_t n[4] = {0};
    int code = metrics_add(store, turn, body->batch, &n[0], &n[1]);
    code = code ? code : logs_add(store, body, &n[2], &n[3]);
    body->n_stored = n[0] + n[2];
    body->n_duplicate = n[1] + n[3];
    struct ledger_change change = {
        .arrival = ARRIVAL(body->received_ns / NS_PER_MINUTE, body->format, body->transport),
        .received = (int64_t)body->n_stored + body->n_duplicate,
    };
    change.classes[LEDGER_STORED] = body->n_stored;
    change.classes[LEDGER_DUPLICATE] = body->n_duplicate;
    return code ? code : minutes_add_ledger(store, &change);
}

int traces_apply(struct store *store, const struct turn *turn)
{
    int code = 0;
    relations_set_now(store);
    for (uint32_t i = 0; i < turn->n_traces && !code; i++)
        code = apply_trace(store, turn, &turn->traces[i]);
    code = code ? code : put_spans(store, turn);
    code = code ? code : gaps_apply(store);
    code = code ? code : knowledge_write(store, turn);
    code = code ? code : rollups_add(store, turn);
    code = code ? code : kafka_add(store, turn);
    clocks_add(store, turn);
    for (struct body *body = turn->bodies; body && !code; body = body->next)
        code = apply_body(store, turn, body);
    for (uint32_t i = 0; i < turn->n_ledger && !code; i++)
        code = minutes_add_ledger(store, &turn->ledger[i]);
    store->position.booked_to = turn->booked_to;
    store->position.needed_from = turn->needed_from;
    return code;
}
