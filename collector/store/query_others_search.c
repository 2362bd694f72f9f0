/* query_others_search.c - traces that have a span like this. From the newest trace down, in pieces
 * of the window, each twice as long: what the row of a trace rules out costs nothing, of the others
 * the spans are read until they are enough. What recurs (attribute sets, resources) is looked at
 * once a search.
 */
#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "collector/store/query_others.h"
#include "collector/store/rows.h"
#include "collector/store/search.h"
#include "collector/store/search_match.h"
#include "collector/store/statements.h"

#define LOOK_EVERY 64 /* traces between two looks at the clock */
#define FIRST_PIECE_NS NS_PER_MINUTE
#define GRACE_NS (500 * NS_PER_MS) /* after which SQLite is interrupted */

/* Parts of what is wanted; bits below are those of tags. */
enum { PART_SERVICE = 1 << 16, PART_OPERATION = 1 << 17, PART_PEER = 1 << 18, PART_TIME = 1 << 19 };
#define PARTS_OF_TAGS 0xffffu

/* Columns of a span; the search reads it from left to right and stops as soon as it is ruled out.
 */
enum { NODE, PEER, DURATION, BITS, SHAPE, SET, NAME, MESSAGE, OWN, EVENTS };
#define SPANS_SQL                                                                                  \
    "SELECT node, peer, duration_ns, bits, shape, attribute_set, name, message, own, events FROM " \
    "span_row WHERE trace_no = ? ORDER BY i"
#define TRACES_SQL                                                                                 \
    "SELECT trace_no, start_ns FROM trace_row WHERE trace_no BETWEEN ?1 AND ?2 AND start_ns >= "   \
    "?3 AND start_ns < ?4 AND (?5 = 0 OR services & ?5) AND bits & ?6 ORDER BY start_ns DESC, "    \
    "trace_no DESC"

struct finder {
    /* For its caches. Its conditions are the tags, and behind them the name that the sender gave.
     */
    struct search search;
    const struct span_wanted *wanted;
    uint8_t *nodes; /* by row id: PART_SERVICE >> 16, PART_PEER >> 16 */
    uint32_t n_nodes;
    uint64_t services; /* of trace_row.services: bits of those that fit */
    bool any_service;  /* one fits */
    sqlite3_stmt *spans;
    uint32_t all;      /* parts that are asked for */
    uint64_t until_ns; /* monotonic; it stops then */
    unsigned n_looked; /* traces */
};

/* ---- names ---- */

static bool name_is(const struct finder *finder, struct str name, struct str asked)
{
    return finder->wanted->fold_case ? str_eq_nocase(name, asked) : str_eq(name, asked);
}

/* "cart", "cart.shop" */
static bool node_is(const struct finder *finder, struct str service, struct str namespace,
                    struct str asked)
{
    if (name_is(finder, service, asked))
        return true;
    return namespace.len && asked.len == service.len + 1 + namespace.len &&
           asked.p[service.len] == '.' &&
           name_is(finder, service, (struct str){asked.p, service.len}) &&
           name_is(finder, namespace, str_skip(asked, service.len + 1));
}

static void look_at_node(struct finder *finder, sqlite3_stmt *row)
{
    const struct span_wanted *wanted = finder->wanted;
    uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);
    struct str service = column_str(row, 2), namespace = column_str(row, 3);
    if (id >= finder->n_nodes || !service.len)
        return;
    if (wanted->peer.len && node_is(finder, service, namespace, wanted->peer))
        finder->nodes[id] |= PART_PEER >> 16;
    if (!wanted->service.len || !node_is(finder, service, namespace, wanted->service))
        return;
    finder->nodes[id] |= PART_SERVICE >> 16;
    finder->services |= UINT64_C(1) << (sqlite3_column_int64(row, 1) % 62);
    finder->any_service = true;
}

static int look_at_nodes(struct finder *finder, struct err *err)
{
    sqlite3_stmt *select;
    int code;
    finder->n_nodes = finder->search.n_nodes;
    finder->nodes = arena_calloc(&finder->search.arena, finder->n_nodes + 1);
    if (!finder->nodes)
        return err_set(err, ERR_BUSY, "memory is short");
    if (query_begin(finder->search.query,
                    "SELECT d.id, d.service, s.text, n.text FROM node d JOIN name s ON s.id = "
                    "d.service JOIN name n ON n.id = d.namespace",
                    &select, err))
        return err->code;
    while ((code = sqlite3_step(select)) == SQLITE_ROW)
        look_at_node(finder, select);
    return query_end(finder->search.query, select, code, err);
}

/* ---- tags ---- */

/* Attributes of the span's set and its resource are remembered by the search's caches. */
static void set_conditions(struct finder *finder)
{
    const struct span_wanted *wanted = finder->wanted;
    struct search_text *text = &finder->search.text;
    for (unsigned i = 0; i < wanted->n_tags; i++) {
        const struct span_tag *tag = &wanted->tags[i];
        text->conditions[i] = (struct search_condition){
            .field = FIELD_ATTRIBUTE,
            .op = tag->any_value ? OP_LIKE : OP_EQUAL, /* every value contains '' */
            .key = tag->key,
            .value = tag->any_value ? STR_NONE : tag->value};
    }
    text->n = wanted->n_tags;
    if (wanted->operation.len)
        text->conditions[text->n++] = (struct search_condition){.field = FIELD_ATTRIBUTE,
                                                                .op = OP_EQUAL,
                                                                .key = STR("span.name"),
                                                                .value = wanted->operation};
}

/* What writers make a tag of, '' when it is not there. */
static struct str made_tag(const struct search_shape *shape, sqlite3_stmt *span, struct str key)
{
    int status = SPAN_STATUS(sqlite3_column_int(span, BITS));
    if (str_eq(key, STR("error")))
        return status == STATUS_ERROR ? STR("true") : STR_NONE;
    if (str_eq(key, STR("span.kind")))
        return shape->kind == KIND_UNSET ? STR_NONE : str_of(kind_word(shape->kind));
    if (str_eq(key, STR("otel.status_code")))
        return status == STATUS_ERROR ? STR("ERROR") : status == STATUS_OK ? STR("OK") : STR_NONE;
    if (str_eq(key, STR("otel.status_description")))
        return column_str(span, MESSAGE);
    return STR_NONE;
}

static uint32_t made_tags_fit(const struct finder *finder, const struct search_shape *shape,
                              sqlite3_stmt *span)
{
    uint32_t fit = 0;
    for (unsigned i = 0; i < finder->wanted->n_tags; i++) {
        const struct span_tag *tag = &finder->wanted->tags[i];
        struct str made = made_tag(shape, span, tag->key);
        /* Zipkin's `error` is what went wrong. */
        bool fits =
            made.len &&
            (tag->any_value || str_eq(made, tag->value) ||
             (str_eq(tag->key, STR("error")) && str_eq(column_str(span, MESSAGE), tag->value)));
        fit |= (uint32_t)fits << i;
    }
    return fit;
}

static uint32_t event_name_fits(const struct finder *finder, struct str name)
{
    uint32_t fit = 0;
    for (unsigned i = 0; i < finder->wanted->n_tags; i++) {
        const struct span_tag *tag = &finder->wanted->tags[i];
        if (tag->any_value ? str_eq(tag->key, name)
                           : str_eq(tag->key, STR("event")) && str_eq(tag->value, name))
            fit |= 1u << i;
    }
    return fit;
}

/* [{"time":…,"name":…,"attributes":{…}}, …] */
static uint32_t events_fit(struct finder *finder, struct str events)
{
    struct json json;
    struct json_text key, text;
    struct str raw;
    uint32_t fit = 0;
    json_init(&json, events.len ? events : STR("[]"));
    json_open_array(&json);
    while (json_next_item(&json) && json_open_object(&json)) {
        while (json_next_key(&json, &key)) {
            if (str_eq(key.raw, STR("name")) && json_peek(&json) == JSON_STRING &&
                json_string(&json, &text))
                fit |= event_name_fits(finder, text.raw);
            else if (json_skip(&json, &raw) && str_eq(key.raw, STR("attributes")) && raw.len > 2)
                fit |= search_attributes_fit(&finder->search, (struct str){raw.p + 1, raw.len - 2});
        }
    }
    return fit & PARTS_OF_TAGS;
}

/* ---- spans ---- */

static bool lasts(const struct finder *finder, sqlite3_stmt *span)
{
    const struct span_wanted *wanted = finder->wanted;
    if (sqlite3_column_type(span, DURATION) == SQLITE_NULL)
        return false;
    uint64_t ns = (uint64_t)sqlite3_column_int64(span, DURATION);
    return ns >= wanted->least_ns && (!wanted->most_ns || ns <= wanted->most_ns);
}

static bool node_has(const struct finder *finder, sqlite3_stmt *span, int column, uint32_t part)
{
    uint64_t id = (uint64_t)sqlite3_column_int64(span, column);
    return id < finder->n_nodes && (finder->nodes[id] & part >> 16);
}

/* Parts of what is wanted that hold by what stands in the span's row and recurs. */
static uint32_t attributes_fit(struct finder *finder, const struct search_shape *shape,
                               sqlite3_stmt *span)
{
    struct search *search = &finder->search;
    struct search_text_row *set =
        search_cached(search, &search->sets, sqlite3_column_int64(span, SET));
    struct search_text_row *resource = search_cached(search, &search->resources, shape->resource);
    uint32_t fit = (set ? set->fits : 0) | (resource ? resource->fits : 0);
    if (sqlite3_column_type(span, OWN) != SQLITE_NULL)
        fit |= search_attributes_fit(search, column_str(span, OWN));
    return fit;
}

static bool operation_fits(struct finder *finder, const struct search_shape *shape,
                           sqlite3_stmt *span, uint32_t attributes)
{
    const struct span_wanted *wanted = finder->wanted;
    struct str operation = sqlite3_column_type(span, NAME) == SQLITE_NULL
                               ? search_name(&finder->search, shape->operation)
                               : column_str(span, NAME);
    return name_is(finder, operation, wanted->operation) || (attributes & 1u << wanted->n_tags);
}

/* The parts that hold by what the span is called, and by its tags. */
static uint32_t texts_fit(struct finder *finder, sqlite3_stmt *span)
{
    const struct span_wanted *wanted = finder->wanted;
    const struct search_shape *shape =
        search_shape_of(&finder->search, sqlite3_column_int64(span, SHAPE));
    if (!shape)
        return 0;
    uint32_t attributes = attributes_fit(finder, shape, span);
    uint32_t fit = attributes & ((1u << wanted->n_tags) - 1);
    fit |= made_tags_fit(finder, shape, span);
    if (wanted->operation.len && operation_fits(finder, shape, span, attributes))
        fit |= PART_OPERATION;
    else if (wanted->operation.len && !wanted->apart)
        return 0;
    if (finder->all & ~fit & PARTS_OF_TAGS)
        fit |= events_fit(finder, column_str(span, EVENTS));
    return fit;
}

/* The parts that hold by this span. A span of another service has none, nor has one that alone must
 * have all and does not. */
static uint32_t span_fits(struct finder *finder, sqlite3_stmt *span)
{
    const struct span_wanted *wanted = finder->wanted;
    uint32_t fit = 0;
    if (wanted->service.len && !node_has(finder, span, NODE, PART_SERVICE))
        return 0;
    fit |= PART_SERVICE & finder->all;
    if ((finder->all & PART_PEER) && node_has(finder, span, PEER, PART_PEER))
        fit |= PART_PEER;
    if ((finder->all & PART_TIME) && lasts(finder, span))
        fit |= PART_TIME;
    if (!wanted->apart && (finder->all & ~fit & (PART_PEER | PART_TIME)))
        return 0;
    bool texts = (finder->all & (PART_OPERATION | PARTS_OF_TAGS)) != 0;
    return texts ? fit | texts_fit(finder, span) : fit;
}

static bool trace_fits(struct finder *finder, int64_t trace_no)
{
    uint32_t fit = 0;
    bool good = false;
    sqlite3_bind_int64(finder->spans, 1, trace_no);
    while (!good && sqlite3_step(finder->spans) == SQLITE_ROW) {
        uint32_t own = span_fits(finder, finder->spans);
        fit = finder->wanted->apart ? fit | own : own;
        good = (finder->all & ~fit) == 0;
    }
    sqlite3_reset(finder->spans);
    return good;
}

/* ---- the scan ---- */

static uint32_t parts_of(const struct span_wanted *wanted)
{
    uint32_t all = (1u << wanted->n_tags) - 1;
    return all | (wanted->service.len ? PART_SERVICE : 0) |
           (wanted->operation.len ? PART_OPERATION : 0) | (wanted->peer.len ? PART_PEER : 0) |
           (wanted->least_ns || wanted->most_ns ? PART_TIME : 0);
}

static int begin_piece(struct finder *finder, struct window piece, sqlite3_stmt **select,
                       struct err *err)
{
    struct query *query = finder->search.query;
    int64_t first, last;
    if (query_trace_numbers(query, piece, &first, &last, err) ||
        query_begin(query, TRACES_SQL, select, err))
        return err->code;
    query->deadline_ns = finder->until_ns + GRACE_NS;
    sqlite3_bind_int64(*select, 1, first);
    sqlite3_bind_int64(*select, 2, last);
    sqlite3_bind_int64(*select, 3, (int64_t)piece.from_ns);
    sqlite3_bind_int64(*select, 4, (int64_t)piece.to_ns);
    sqlite3_bind_int64(*select, 5, (int64_t)finder->services);
    sqlite3_bind_int64(*select, 6, TRACE_SPANS_KEPT);
    return 0;
}

static bool is_time_up(struct finder *finder)
{
    return ++finder->n_looked % LOOK_EVERY == 0 && clock_mono_ns() > finder->until_ns;
}

static int scan_piece(struct finder *finder, struct window piece, struct span_found *found,
                      struct err *err)
{
    sqlite3_stmt *select;
    int code;
    found->stopped_at_ns = piece.to_ns;
    if (begin_piece(finder, piece, &select, err))
        return err->code;
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        int64_t trace_no = sqlite3_column_int64(select, 0);
        found->stopped_at_ns = (uint64_t)sqlite3_column_int64(select, 1);
        if (trace_fits(finder, trace_no))
            found->numbers[found->n++] = trace_no;
        found->stopped = is_time_up(finder);
        if (found->n == finder->wanted->limit || found->stopped)
            break;
    }
    if (code == SQLITE_INTERRUPT) {
        found->stopped = true;
        code = SQLITE_DONE;
    }
    return query_end(finder->search.query, select, code, err);
}

static int scan(struct finder *finder, struct span_found *found, struct err *err)
{
    struct window whole = finder->wanted->window;
    uint64_t to_ns = whole.to_ns, length_ns = FIRST_PIECE_NS;
    finder->until_ns = clock_mono_ns() + SEARCH_SCAN_NS;
    while (to_ns > whole.from_ns && found->n < finder->wanted->limit && !found->stopped) {
        uint64_t from_ns = to_ns - whole.from_ns > length_ns ? to_ns - length_ns : whole.from_ns;
        if (scan_piece(finder, (struct window){from_ns, to_ns}, found, err))
            return err->code;
        to_ns = from_ns;
        length_ns *= 2;
    }
    return 0;
}

int query_span_search(struct query *query, const struct span_wanted *wanted,
                      struct span_found *found, struct err *err)
{
    struct finder finder = {.wanted = wanted, .all = parts_of(wanted)};
    found->n = 0;
    found->stopped = false;
    if (search_open(&finder.search, query, wanted->window, STR_NONE, err))
        return err->code;
    set_conditions(&finder);
    if (look_at_nodes(&finder, err) == 0 && (finder.any_service || !wanted->service.len)) {
        if (sqlite3_prepare_v2(query->db, SPANS_SQL, -1, &finder.spans, NULL) != SQLITE_OK)
            err_set(err, ERR_IO, "%s", sqlite3_errmsg(query->db));
        else
            scan(&finder, found, err);
    }
    sqlite3_finalize(finder.spans);
    search_close(&finder.search);
    return err->code;
}
