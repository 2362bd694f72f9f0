/* spans.c - rows of span_row and their dictionaries into a batch. Resources that are equal within a
 * trace are one.
 */
#include "collector/store/spans.h"

#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/base/json.h"
#include "collector/base/map.h"
#include "collector/model/shapes.h"
#include "collector/store/query_internal.h"
#include "collector/store/rows.h"

#define MOST_TRACES 1000
#define SPANS_SQL                                                                                  \
    "SELECT t.id, s.span_id, s.parent_id, coalesce(s.name, no.text), h.kind, "                     \
    "CASE WHEN s.bits & 65536 THEN 0 ELSE t.start_ns END + s.start_offset, s.duration_ns, "        \
    "s.bits, h.bits, s.message, r.json, a.json, s.own, s.events, s.links FROM span_row s "         \
    "JOIN trace_row t ON t.trace_no = s.trace_no JOIN shape h ON h.id = s.shape "                  \
    "JOIN name no ON no.id = h.operation LEFT JOIN resource r ON r.id = h.resource "               \
    "LEFT JOIN attribute_set a ON a.id = s.attribute_set WHERE s.trace_no = ?1 ORDER BY s.i"

struct list {
    struct attr *items;
    uint32_t n, cap;
};

struct reading {
    struct batch *batch;
    struct map map; /* hash of a resource's text -> place in resources */
    struct resource **resources;
    uint32_t n_resources, cap_resources;
    uint32_t cap_spans;
};

static struct attr *list_add(struct arena *arena, struct list *list)
{
    bool room = arena_room(arena, (void **)&list->items, list->n, &list->cap, sizeof(*list->items));
    return room ? &list->items[list->n++] : NULL;
}

static void read_number(struct str raw, struct attr *attr)
{
    attr->type = str_to_i64(raw, &attr->integer) ? VALUE_INT : VALUE_DOUBLE;
    if (attr->type == VALUE_DOUBLE && !str_to_double(raw, &attr->real))
        attr->real = 0;
}

static bool read_value(struct arena *arena, struct json *json, struct attr *attr)
{
    struct json_text text;
    struct str raw;
    bool truth = false;
    switch (json_peek(json)) {
    case JSON_STRING:
        attr->type = VALUE_TEXT;
        if (!json_string(json, &text))
            return false;
        attr->text = json_unescape(arena, text);
        return attr->text.p || !text.raw.len;
    case JSON_NUMBER:
        if (json_number(json, &raw))
            read_number(raw, attr);
        return !json->error;
    case JSON_TRUE:
    case JSON_FALSE:
        attr->type = VALUE_BOOL;
        if (json_bool(json, &truth))
            attr->integer = truth;
        return !json->error;
    case JSON_NULL:
        attr->type = VALUE_EMPTY;
        return json_null(json);
    default:
        attr->type = VALUE_JSON;
        if (!json_skip(json, &raw))
            return false;
        attr->text = arena_dup(arena, raw);
        return attr->text.p;
    }
}

/* The inside of a JSON object as the store has it. False when the batch has no room. */
static bool read_attributes(struct arena *arena, struct str inside, struct list *list)
{
    struct json json;
    struct json_text key;
    char *object = arena_alloc_aligned(arena, inside.len + 2, 1);
    if (!object)
        return false;
    object[0] = '{';
    if (inside.len)
        memcpy(object + 1, inside.p, inside.len);
    object[inside.len + 1] = '}';
    json_init(&json, (struct str){object, inside.len + 2});
    json_open_object(&json);
    while (json_next_key(&json, &key)) {
        struct attr *attr = list_add(arena, list);
        if (!attr)
            return false;
        *attr = (struct attr){.key = json_unescape(arena, key)};
        if (!read_value(arena, &json, attr))
            return false;
    }
    return true;
}

static struct resource *resource_of(struct reading *reading, struct str json)
{
    struct arena *arena = &reading->batch->arena;
    uint64_t hash = hash_str(json);
    struct list list = {0};
    /* Equal keyed 64-bit hashes are taken for equal resources. */
    for (struct map_iter it = map_find(&reading->map, hash); map_next(&reading->map, &it);)
        return reading->resources[it.value];
    if (reading->n_resources == reading->cap_resources) {
        uint32_t cap = reading->cap_resources ? 2 * reading->cap_resources : 16;
        struct resource **grown = realloc(reading->resources, cap * sizeof(struct resource *));
        if (!grown)
            return NULL;
        reading->resources = grown;
        reading->cap_resources = cap;
    }
    struct resource *resource = arena_calloc(arena, sizeof(*resource));
    if (!resource || !read_attributes(arena, json, &list) ||
        !map_add(&reading->map, hash, reading->n_resources))
        return NULL;
    resource->attrs = list.items;
    resource->n_attrs = list.n;
    resource->index = reading->batch->n_resources++;
    return reading->resources[reading->n_resources++] = resource;
}

/* What shapes_record.c had to make an attribute of. */
static void take_made(struct span *span)
{
    const struct {
        struct str key, *field;
    } rows[] = {{STR("span.name"), &span->name},
                {STR("otel.scope.name"), &span->scope_name},
                {STR("otel.scope.version"), &span->scope_version},
                {STR("w3c.tracestate"), &span->trace_state}};
    uint32_t n = 0;
    for (uint32_t i = 0; i < span->n_attrs; i++) {
        unsigned row = 0;
        const struct attr *attr = &span->attrs[i];
        while (row < 4 && (attr->type != VALUE_TEXT || !str_eq(rows[row].key, attr->key)))
            row++;
        if (row < 4)
            *rows[row].field = attr->text;
        else
            span->attrs[n++] = *attr;
    }
    span->n_attrs = n;
}

static bool dup(struct arena *arena, sqlite3_stmt *row, int column, struct str *text)
{
    struct str found = column_str(row, column);
    if (!found.len)
        return true;
    *text = arena_dup(arena, found);
    return text->p;
}

static void read_fields(sqlite3_stmt *row, struct span *span)
{
    uint64_t halves[2] = {0, 0};
    int64_t bits = sqlite3_column_int64(row, 7);
    if (sqlite3_column_bytes(row, 0) == 16)
        memcpy(halves, sqlite3_column_blob(row, 0), 16);
    *span = (struct span){
        .trace_id = {__builtin_bswap64(halves[0]), __builtin_bswap64(halves[1])},
        .span_id = (uint64_t)sqlite3_column_int64(row, 1),
        .parent_id = (uint64_t)sqlite3_column_int64(row, 2),
        .kind = (uint8_t)sqlite3_column_int(row, 4),
        .start_ns = (uint64_t)sqlite3_column_int64(row, 5),
        .duration_ns = sqlite3_column_type(row, 6) == SQLITE_NULL
                           ? DURATION_UNKNOWN
                           : (uint64_t)sqlite3_column_int64(row, 6),
        .status = SPAN_STATUS(bits),
        .bad_times = (bits & SPAN_BAD_TIMES) != 0,
    };
    struct shape shape = {0};
    shape_bits_read(sqlite3_column_int(row, 8), &shape);
    span->shared = shape.shared;
}

static struct span *next_span(struct reading *reading)
{
    struct batch *batch = reading->batch;
    bool room = arena_room(&batch->arena, (void **)&batch->spans, batch->n_spans,
                           &reading->cap_spans, sizeof(*batch->spans));
    return room ? &batch->spans[batch->n_spans] : NULL;
}

static bool read_span(struct reading *reading, sqlite3_stmt *row)
{
    struct arena *arena = &reading->batch->arena;
    struct span *span = next_span(reading);
    struct list list = {0};
    if (!span)
        return false;
    read_fields(row, span);
    if (!dup(arena, row, 3, &span->name) || !dup(arena, row, 9, &span->status_message) ||
        !dup(arena, row, 13, &span->events) || !dup(arena, row, 14, &span->links) ||
        !read_attributes(arena, column_str(row, 11), &list) ||
        !read_attributes(arena, column_str(row, 12), &list))
        return false;
    span->resource = resource_of(reading, column_str(row, 10));
    span->attrs = list.items;
    span->n_attrs = list.n;
    take_made(span);
    reading->batch->n_spans++;
    return span->resource;
}

static int read_trace(struct query *query, int64_t trace_no, struct reading *reading,
                      struct err *err)
{
    sqlite3_stmt *select;
    bool room = true;
    int code = SQLITE_DONE;
    if (query_begin(query, SPANS_SQL, &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, trace_no);
    while (room && (code = sqlite3_step(select)) == SQLITE_ROW)
        room = read_span(reading, select);
    if (query_end(query, select, code, err) == 0 && !room)
        err_set(err, ERR_TOO_BIG, "the answer is too large; ask for fewer traces");
    return err->code;
}

static int read_traces(struct query *query, const int64_t *numbers, uint32_t n, struct batch *batch,
                       struct err *err)
{
    struct reading reading = {.batch = batch, .cap_spans = batch->n_spans};
    map_init(&reading.map);
    for (uint32_t i = 0; i < n && !err->code; i++) {
        map_clear(&reading.map);
        reading.n_resources = 0;
        read_trace(query, numbers[i], &reading, err);
    }
    map_fini(&reading.map);
    free(reading.resources);
    return err->code;
}

int spans_of_trace(struct query *query, struct str id, struct batch *batch, struct err *err)
{
    struct trace_pieces pieces;
    if (query_trace_pieces(query, id, &pieces, err))
        return err->code;
    if (!pieces.n)
        return err_set(err, ERR_NOT_FOUND, "there is no trace %.*s", STR_ARG(id));
    if (read_traces(query, pieces.no, pieces.n, batch, err) == 0 && !batch->n_spans)
        err_set(err, ERR_NOT_FOUND, "the spans of this trace were not kept (store.keep)");
    return err->code;
}

int spans_of_number(struct query *query, int64_t trace_no, struct batch *batch, struct err *err)
{
    return read_traces(query, &trace_no, 1, batch, err);
}

int spans_of_traces(struct query *query, const struct query_filter *filter, struct batch *batch,
                    struct err *err)
{
    int64_t numbers[MOST_TRACES];
    uint32_t n = 0;
    struct traces_reading reading;
    int code = SQLITE_DONE;
    if (query_traces_begin(query, filter, &reading, err))
        return err->code;
    while (n < filter->limit && n < MOST_TRACES &&
           (code = query_traces_next(&reading)) == SQLITE_ROW)
        numbers[n++] = sqlite3_column_int64(reading.rows, 0);
    if (query_traces_end(&reading, code, err))
        return err->code;
    return read_traces(query, numbers, n, batch, err);
}
