/* search_match.c - conditions against a trace: its row, its calls, and where needed its spans. */
#include "collector/store/search_match.h"

#include <stdlib.h>

#include "collector/base/json.h"

#define FITS(condition) ((condition)->op == OP_NOT ? OP_EQUAL : (condition)->op)

/* ---- nodes ---- */

static struct str part_of(const struct search_node *node, enum search_field field)
{
    return field == FIELD_SERVICE     ? node->service
           : field == FIELD_NAMESPACE ? node->namespace
           : field == FIELD_CLUSTER   ? node->cluster
                                      : node->version;
}

static bool in_scope(const struct search_condition *condition, const struct search_node *node)
{
    return !condition->scope.len || str_eq(condition->scope, node->service);
}

static bool known_service(const struct search *search, struct str name)
{
    for (uint32_t i = 0; i < search->n_nodes; i++) {
        if (search->nodes[i].service.len && str_eq(search->nodes[i].service, name))
            return true;
    }
    return false;
}

/* `guid:x-request-id` is an attribute: nobody is called guid. */
static void undo_scope(const struct search *search, struct search_condition *condition)
{
    if (!condition->scope.len || condition->peer.len || known_service(search, condition->scope))
        return;
    size_t len = condition->scope.len + 1 + condition->key.len;
    condition->key = (struct str){condition->scope.p, len};
    condition->scope = STR_NONE;
    condition->field = FIELD_ATTRIBUTE;
}

/* `flag=none` says that no span has a flag: not (some span has any). */
static void turn_none(struct search_condition *condition)
{
    if (condition->field != FIELD_FLAG || !str_eq(condition->value, STR("none")))
        return;
    condition->value = STR_NONE;
    condition->op = condition->op == OP_NOT ? OP_EQUAL : OP_NOT;
}

int search_match_open(struct search *search, struct err *err)
{
    for (unsigned c = 0; c < search->text.n; c++) {
        struct search_condition *condition = &search->text.conditions[c];
        undo_scope(search, condition);
        turn_none(condition);
        if (condition->field < FIRST_NODE_FIELD || condition->field >= FIELD_RETRIES)
            continue;
        search->node_fits[c] = arena_calloc(&search->arena, search->n_nodes + 1);
        if (!search->node_fits[c])
            return err_set(err, ERR_BUSY, "memory is short");
        for (uint32_t i = 0; i < search->n_nodes; i++)
            search->node_fits[c][i] =
                in_scope(condition, &search->nodes[i]) &&
                search_text_fits(condition, part_of(&search->nodes[i], condition->field));
    }
    return 0;
}

/* ---- the row and its calls ---- */

/* One side of "cart v2→redis" against a node: the service, and the version where one is named. */
static bool side_fits(struct str side, const struct search_node *node)
{
    if (!node || str_eq(side, node->service))
        return node != NULL;
    size_t n = node->service.len;
    return str_starts(side, node->service) && side.len > n + 1 && side.p[n] == ' ' &&
           str_eq(str_skip(side, n + 1), node->version);
}

static bool began_fits(const struct search *search, const struct search_condition *condition,
                       const struct search_trace *trace)
{
    static const struct str arrow = STR("\xe2\x86\x92");
    struct search_origin origin = search_origin_of(search, trace);
    struct str value = condition->value, head;
    if (str_eq(value, STR("unknown")))
        return trace->error && !origin.callee;
    if (condition->op == OP_LIKE)
        return origin.callee && (search_contains(origin.callee->service, value) ||
                                 (origin.caller && search_contains(origin.caller->service, value)));
    for (size_t i = 0; i < value.len; i++) {
        bool is_arrow = str_starts(str_skip(value, i), arrow);
        if (!is_arrow && value.p[i] != '>')
            continue;
        head = (struct str){value.p, i};
        return side_fits(str_trim(head), origin.caller) &&
               side_fits(str_trim(str_skip(value, i + (is_arrow ? arrow.len : 1))), origin.callee);
    }
    return side_fits(value, origin.callee);
}

static bool row_fits(struct search *search, const struct search_condition *condition,
                     const struct search_trace *trace)
{
    switch (condition->field) {
    case FIELD_STATUS:
        return search_number_fits(condition, trace->error);
    case FIELD_TOOK:
        return trace->duration_ns != DURATION_UNKNOWN &&
               search_number_fits(condition, (double)trace->duration_ns);
    case FIELD_SPANS:
        return search_number_fits(condition, trace->span_count);
    case FIELD_SERVICES:
        return search_number_fits(condition, trace->service_count);
    case FIELD_COMPLETE:
        return search_number_fits(condition, trace->complete);
    case FIELD_ENTRY:
        return in_scope(condition, search_node_of(search, trace->entry)) &&
               search_text_fits(condition, search_name(search, trace->entry_operation));
    case FIELD_REASON:
        return search_text_fits(condition, search_name(search, trace->origin_reason));
    default:
        return began_fits(search, condition, trace);
    }
}

static bool call_fits(const struct search *search, unsigned c, const struct call *call,
                      const struct call_ids *ids)
{
    const struct search_condition *condition = &search->text.conditions[c];
    const uint8_t *fits = search->node_fits[c];
    if (fits)
        return (ids->caller < search->n_nodes && fits[ids->caller]) ||
               (ids->callee < search->n_nodes && fits[ids->callee]);
    if (condition->peer.len &&
        !(str_eq(condition->scope, search_node_of(search, ids->caller)->service) &&
          str_eq(condition->peer, search_node_of(search, ids->callee)->service)))
        return false;
    return search_number_fits(condition, call->retries);
}

/* Bits of the conditions on nodes and calls that hold by the calls. */
static uint32_t calls_fit(const struct search *search, const struct search_trace *trace)
{
    struct str blob = trace->calls;
    struct call call;
    struct call_ids ids;
    uint32_t fit = 0;
    for (unsigned c = 0; c < search->text.n; c++) {
        const uint8_t *fits = search->node_fits[c];
        if (fits && trace->entry < search->n_nodes && fits[trace->entry])
            fit |= 1u << c;
    }
    while (blob.len && calls_unpack_one(&blob, &call, &ids)) {
        for (unsigned c = 0; c < search->text.n; c++) {
            uint8_t field = search->text.conditions[c].field;
            bool asked = field >= FIRST_NODE_FIELD && field < FIRST_SPAN_FIELD;
            if (asked && !(fit & 1u << c) && call_fits(search, c, &call, &ids))
                fit |= 1u << c;
        }
    }
    return fit;
}

/* ---- attributes ---- */

static bool value_fits(const struct search_condition *condition, struct json *json)
{
    struct search_condition positive = *condition;
    struct json_text text;
    struct str raw;
    positive.op = FITS(condition);
    if (json_peek(json) != JSON_STRING)
        return json_skip(json, &raw) && search_text_fits(&positive, raw);
    if (!json_string(json, &text))
        return false;
    if (!text.escaped)
        return search_text_fits(&positive, text.raw);
    struct arena scratch;
    arena_init(&scratch, 1u << 20);
    bool fits = search_text_fits(&positive, json_unescape(&scratch, text));
    arena_fini(&scratch);
    return fits;
}

/* The reader wants a whole document: the members get their braces. */
static bool member_fits(const struct search_condition *condition, struct str members)
{
    struct json json;
    struct json_text key;
    char small[2048], *document = small;
    bool fits = false;
    if (!members.len || !memmem(members.p, members.len, condition->key.p, condition->key.len))
        return false;
    if (members.len + 2 > sizeof(small) && !(document = malloc(members.len + 2)))
        return false;
    document[0] = '{';
    memcpy(document + 1, members.p, members.len);
    document[members.len + 1] = '}';
    json_init(&json, (struct str){document, members.len + 2});
    if (json_open_object(&json)) {
        while (!fits && json_next_key(&json, &key)) {
            if (str_eq(key.raw, condition->key))
                fits = value_fits(condition, &json);
            else
                json_skip(&json, NULL);
        }
    }
    if (document != small)
        free(document);
    return fits;
}

uint32_t search_attributes_fit(const struct search *search, struct str members)
{
    uint32_t fit = 0;
    for (unsigned c = 0; c < search->text.n; c++) {
        const struct search_condition *condition = &search->text.conditions[c];
        if (condition->field == FIELD_ATTRIBUTE && member_fits(condition, members))
            fit |= 1u << c;
    }
    return fit;
}

/* ---- spans ---- */

struct span_seen {
    const struct search_node *node;
    const struct search_shape *shape;
    struct str operation, flags;
    uint32_t attributes;              /* bits of conditions */
    int64_t http_status, grpc_status; /* −1: none */
};

static bool flag_fits(const struct search_condition *condition, struct str flags)
{
    struct str head;
    if (!flags.len || str_eq(flags, STR("-")))
        return false;
    while (flags.len) {
        str_cut(flags, ',', &head, &flags);
        if (!condition->value.len || str_eq(head, condition->value) ||
            (condition->op == OP_LIKE && search_contains(head, condition->value)))
            return true;
    }
    return false;
}

static bool span_fits(struct search *search, unsigned c, const struct span_seen *span)
{
    const struct search_condition *condition = &search->text.conditions[c];
    struct search_condition positive = *condition;
    positive.op = FITS(condition);
    if (condition->field != FIELD_WORD && !in_scope(condition, span->node))
        return false;
    switch (condition->field) {
    case FIELD_OPERATION:
        return search_text_fits(&positive, span->operation);
    case FIELD_INSTANCE:
        return search_text_fits(&positive, search_name(search, span->shape->instance));
    case FIELD_FLAG:
        return flag_fits(&positive, span->flags);
    case FIELD_CODE:
        return (span->http_status >= 0 &&
                search_number_fits(&positive, (double)span->http_status)) ||
               (span->grpc_status >= 0 && search_number_fits(&positive, (double)span->grpc_status));
    case FIELD_WORD:
        return search_contains(span->operation, condition->value) ||
               search_contains(span->node->service, condition->value);
    default:
        return (span->attributes & 1u << c) != 0;
    }
}

static bool read_span(struct search *search, struct span_seen *span)
{
    sqlite3_stmt *row = search->spans;
    span->shape = search_shape_of(search, sqlite3_column_int64(row, 0));
    if (!span->shape)
        return false;
    struct search_text_row *set =
        search_cached(search, &search->sets, sqlite3_column_int64(row, 1));
    span->attributes = set ? set->fits : 0;
    struct search_text_row *resource =
        search_cached(search, &search->resources, span->shape->resource);
    span->attributes |= resource ? resource->fits : 0;
    span->http_status =
        sqlite3_column_type(row, 3) == SQLITE_NULL ? -1 : sqlite3_column_int64(row, 3);
    span->grpc_status =
        sqlite3_column_type(row, 4) == SQLITE_NULL ? -1 : sqlite3_column_int64(row, 4);
    span->flags = search_name(search, sqlite3_column_int64(row, 5));
    span->node = search_node_of(search, (uint64_t)sqlite3_column_int64(row, 6));
    if (sqlite3_column_type(row, 7) != SQLITE_NULL)
        span->attributes |= search_attributes_fit(search, column_str(row, 7));
    span->operation = sqlite3_column_type(row, 8) == SQLITE_NULL
                          ? search_name(search, span->shape->operation)
                          : column_str(row, 8);
    return true;
}

/* Adds to `fit` what holds by some span, of the conditions in `asked`. */
static uint32_t spans_fit(struct search *search, const struct search_trace *trace, uint32_t asked)
{
    struct span_seen span;
    uint32_t fit = 0;
    sqlite3_bind_int64(search->spans, 1, trace->trace_no);
    while ((asked & ~fit) && sqlite3_step(search->spans) == SQLITE_ROW) {
        uint64_t node = (uint64_t)sqlite3_column_int64(search->spans, 6);
        if (!read_span(search, &span))
            break;
        for (unsigned c = 0; c < search->text.n; c++) {
            if (!(asked & ~fit & 1u << c))
                continue;
            const uint8_t *nodes = search->node_fits[c];
            if (nodes ? node < search->n_nodes && nodes[node] : span_fits(search, c, &span))
                fit |= 1u << c;
        }
    }
    sqlite3_reset(search->spans);
    return fit;
}

/* ---- all of it ---- */

uint32_t search_match(struct search *search, const struct search_trace *trace, unsigned most_failed)
{
    uint32_t fit = calls_fit(search, trace), by_spans = 0, failed = 0, not = 0;
    for (unsigned c = 0; c < search->text.n; c++) {
        const struct search_condition *condition = &search->text.conditions[c];
        uint32_t bit = 1u << c;
        if (condition->op == OP_NOT)
            not |= bit;
        if (condition->field < FIRST_NODE_FIELD)
            fit |= row_fits(search, condition, trace) ? bit : 0;
        else if (condition->field >= FIRST_SPAN_FIELD)
            by_spans |= bit;
        else if (!(fit & bit) && search->node_fits[c] && (!trace->calls.len || !trace->complete))
            by_spans |= bit; /* spans without a call: their nodes are in no call */
    }
    failed = (~fit ^ not ) & ~by_spans & (search->text.n ? (2u << (search->text.n - 1)) - 1 : 0);
    if (!by_spans || (unsigned)__builtin_popcount(failed) > most_failed)
        return failed;
    fit |= spans_fit(search, trace, by_spans);
    return failed | ((~fit ^ not ) & by_spans);
}
