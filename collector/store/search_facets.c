/* search_facets.c - counting by status, origin, entry, services, versions and response flags.
 *
 * A facet of which a trace has one value (status, entry …) counts without its own condition, so
 * that its other values can be compared; "passes through" counts within all conditions.
 */
#include "collector/store/search_facets.h"

#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/model/flag_words.h"

#define MOST_VALUES 8

static void add(struct facet_tally *tally, uint64_t key, uint64_t n)
{
    uint64_t hash = hash_u64(key);
    for (struct map_iter it = map_find(&tally->map, hash); map_next(&tally->map, &it);) {
        if (tally->rows[it.value].key == key) {
            tally->rows[it.value].n += n;
            return;
        }
    }
    if (tally->n == tally->cap) {
        uint32_t cap = tally->cap ? 2 * tally->cap : 32;
        struct facet_row *grown = realloc(tally->rows, cap * sizeof(*grown));
        if (!grown)
            return;
        tally->rows = grown;
        tally->cap = cap;
    }
    tally->rows[tally->n] = (struct facet_row){key, n};
    if (map_add(&tally->map, hash, tally->n))
        tally->n++;
}

static void facet_tally_fini(struct facet_tally *tally)
{
    map_fini(&tally->map);
    free(tally->rows);
}

static void link_services(struct facets *facets, const struct search *search)
{
    struct map by_name = {0};
    map_init(&by_name);
    for (uint32_t i = 0; i < search->n_nodes; i++) {
        uint64_t hash = hash_str(search->nodes[i].service);
        facets->service_of[i] = i;
        bool found = false;
        for (struct map_iter it = map_find(&by_name, hash); !found && map_next(&by_name, &it);) {
            found = str_eq(search->nodes[it.value].service, search->nodes[i].service);
            if (found)
                facets->service_of[i] = it.value;
        }
        if (!found)
            map_add(&by_name, hash, i);
    }
    map_fini(&by_name);
}

static enum facet facet_of(const struct search_condition *condition)
{
    switch (condition->field) {
    case FIELD_STATUS:
        return FACET_STATUS;
    case FIELD_BEGAN:
        return FACET_BEGAN;
    case FIELD_ENTRY:
        return FACET_ENTRY;
    case FIELD_VERSION:
        return FACET_VERSION;
    case FIELD_FLAG:
        return FACET_FLAG;
    default:
        return FACET_SERVICE;
    }
}

int facets_open(struct facets *facets, struct search *search, struct err *err)
{
    *facets = (struct facets){0};
    size_t n = search->n_nodes + 1;
    facets->service_of = calloc(n, sizeof(*facets->service_of));
    facets->stamps = calloc(2 * n, sizeof(*facets->stamps));
    if (!facets->service_of || !facets->stamps)
        return err_set(err, ERR_BUSY, "memory is short");
    link_services(facets, search);
    for (unsigned c = 0; c < search->text.n; c++) {
        const struct search_condition *condition = &search->text.conditions[c];
        enum facet facet = facet_of(condition);
        if (facet != FACET_SERVICE && condition->op == OP_EQUAL)
            facets->of_facet[facet] |= 1u << c;
        bool names = condition->field == FIELD_SERVICE && condition->op == OP_EQUAL;
        struct str focus = condition->field == FIELD_VERSION ? condition->scope
                           : names                           ? condition->value
                                                             : STR_NONE;
        for (uint32_t i = 0; focus.len && !facets->focus && i < search->n_nodes; i++) {
            if (str_eq(search->nodes[i].service, focus))
                facets->focus = facets->service_of[i];
        }
    }
    return 0;
}

void facets_close(struct facets *facets)
{
    for (int i = 0; i < N_FACETS; i++)
        facet_tally_fini(&facets->tallies[i]);
    facet_tally_fini(&facets->versions);
    free(facets->service_of);
    free(facets->stamps);
}

/* Once a trace; `n_nodes` further up stand the stamps of services. */
static bool first_time(struct facets *facets, uint32_t at)
{
    bool first = facets->stamps[at] != facets->stamp;
    facets->stamps[at] = facets->stamp;
    return first;
}

static void count_node(struct facets *facets, const struct search *search, uint64_t id, bool whole,
                       bool versions)
{
    if (!id || id >= search->n_nodes || search->nodes[id].role == ROLE_USER)
        return;
    uint32_t node = (uint32_t)id, service = facets->service_of[node];
    if (!search->nodes[node].service.len)
        return;
    if (versions && first_time(facets, node))
        add(&facets->versions, node, 1);
    if (whole && first_time(facets, search->n_nodes + 1 + service))
        add(&facets->tallies[FACET_SERVICE], service, 1);
}

static void count_nodes(struct facets *facets, const struct search *search,
                        const struct search_trace *trace, bool whole, bool versions)
{
    struct str blob = trace->calls;
    struct call call;
    struct call_ids ids;
    facets->stamp++;
    count_node(facets, search, trace->entry, whole, versions);
    while (blob.len && calls_unpack_one(&blob, &call, &ids)) {
        count_node(facets, search, ids.caller, whole, versions);
        count_node(facets, search, ids.callee, whole, versions);
    }
}

static uint64_t origin_key(const struct search *search, const struct search_origin *origin)
{
    uint64_t caller = origin->caller ? (uint64_t)(origin->caller - search->nodes) : 0;
    uint64_t callee = origin->callee ? (uint64_t)(origin->callee - search->nodes) : 0;
    return caller << 32 | callee;
}

void facets_count(struct facets *facets, const struct search *search,
                  const struct search_trace *trace, uint32_t failed)
{
    bool whole = !failed;
#define IN(facet) (whole || (failed & facets->of_facet[facet]))
    if (IN(FACET_STATUS))
        add(&facets->tallies[FACET_STATUS], trace->error, 1);
    if (IN(FACET_ENTRY))
        add(&facets->tallies[FACET_ENTRY], (uint64_t)trace->entry_operation, 1);
    if (trace->error && IN(FACET_BEGAN)) {
        struct search_origin origin = search_origin_of(search, trace);
        add(&facets->tallies[FACET_BEGAN], origin_key(search, &origin), 1);
    }
    if (IN(FACET_VERSION))
        count_nodes(facets, search, trace, whole, IN(FACET_VERSION));
#undef IN
}

void facets_count_flags(struct facets *facets, struct search *search, int64_t trace_no)
{
    struct str flags, head;
    bool any = false;
    facets->stamp++;
    sqlite3_bind_int64(search->flags, 1, trace_no);
    while (sqlite3_step(search->flags) == SQLITE_ROW) {
        flags = search_name(search, sqlite3_column_int64(search->flags, 0));
        while (flags.len && !str_eq(flags, STR("-"))) {
            str_cut(flags, ',', &head, &flags);
            uint64_t bits = response_flags_parse(head);
            if (bits && !(bits & FLAG_BIT_OTHER))
                add(&facets->tallies[FACET_FLAG], (uint64_t)__builtin_ctzll(bits) + 1, 1);
            any = any || bits;
        }
    }
    sqlite3_reset(search->flags);
    if (!any)
        add(&facets->tallies[FACET_FLAG], 0, 1);
}

/* ---- JSON ---- */

static int most_first(const void *a, const void *b)
{
    const struct facet_row *x = a, *y = b;
    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    return (x->key > y->key) - (x->key < y->key);
}

static int failed_first(const void *a, const void *b)
{
    const struct facet_row *x = a, *y = b;
    return (x->key < y->key) - (x->key > y->key);
}

static void value_text(struct search *search, enum facet facet, uint64_t key, struct buf *text)
{
    struct search_origin origin = {NULL, NULL};
    switch (facet) {
    case FACET_STATUS:
        buf_add_c(text, key ? "error" : "ok");
        break;
    case FACET_BEGAN:
        if (key >> 32)
            origin.caller = search_node_of(search, key >> 32);
        if ((uint32_t)key)
            origin.callee = search_node_of(search, (uint32_t)key);
        search_origin_text(&origin, text);
        if (!origin.callee)
            buf_add_c(text, "unknown");
        break;
    case FACET_ENTRY:
        buf_add_str(text, search_name(search, (int64_t)key));
        break;
    case FACET_SERVICE:
        buf_add_str(text, search_node_of(search, key)->service);
        break;
    case FACET_VERSION:
        buf_add_str(text, search_node_of(search, key)->version);
        break;
    default:
        buf_add_c(text, key ? response_flag_word((unsigned)key - 1) : "none");
    }
}

/* Is it the value of a condition? Such a value is shown however rare it is. */
static bool is_asked(const struct search *search, enum facet facet, struct str text)
{
    for (unsigned c = 0; c < search->text.n; c++) {
        const struct search_condition *condition = &search->text.conditions[c];
        if (condition->op != OP_NOT && facet_of(condition) == facet &&
            str_eq(condition->value, text))
            return true;
    }
    return false;
}

struct facet_shape {
    const char *key, *label;
    struct str scope; /* of its conditions */
    double scale;
};

static void facet_json(struct search *search, enum facet facet, struct facet_tally *tally,
                       const struct facet_shape *shape, struct buf *out)
{
    struct buf text;
    unsigned shown = 0;
    buf_init(&text, 1u << 16);
    if (out->p[out->len - 1] != '[')
        buf_add_char(out, ',');
    buf_add_char(out, '{');
    json_member(out, "key", str_of(shape->key));
    json_member(out, "label", str_of(shape->label));
    json_member(out, "scope", shape->scope);
    buf_addf(out, ",\"exact\":%s,\"values\":[", shape->scale == 1 ? "true" : "false");
    if (tally->n > 1)
        qsort(tally->rows, tally->n, sizeof(*tally->rows),
              facet == FACET_STATUS ? failed_first : most_first);
    for (uint32_t i = 0; i < tally->n; i++) {
        buf_reset(&text);
        value_text(search, facet, tally->rows[i].key, &text);
        bool asked = is_asked(search, facet, buf_str(&text));
        if (shown >= MOST_VALUES && !asked)
            continue;
        buf_add_c(out, shown++ ? ",{" : "{");
        json_member(out, "value", buf_str(&text));
        if (facet == FACET_FLAG && flag_note(buf_str(&text)))
            json_member(out, "note", str_of(flag_note(buf_str(&text))));
        json_number_member(out, "count", (int64_t)((double)tally->rows[i].n * shape->scale + .5));
        buf_add_char(out, '}');
    }
    buf_addf(out, "],\"more\":%u}", tally->n > shown ? tally->n - shown : 0);
    buf_fini(&text);
}

/* Rows whose values read alike become one: nodes differ in more than the text shows. */
static void merge_alike(struct search *search, enum facet facet, struct facet_tally *tally)
{
    struct buf a, b;
    buf_init(&a, 1u << 16);
    buf_init(&b, 1u << 16);
    for (uint32_t i = 0; i < tally->n && tally->n < 500; i++) {
        buf_reset(&a);
        value_text(search, facet, tally->rows[i].key, &a);
        for (uint32_t k = i + 1; k < tally->n;) {
            buf_reset(&b);
            value_text(search, facet, tally->rows[k].key, &b);
            if (!str_eq(buf_str(&a), buf_str(&b))) {
                k++;
                continue;
            }
            tally->rows[i].n += tally->rows[k].n;
            tally->rows[k] = tally->rows[--tally->n];
        }
    }
    buf_fini(&a);
    buf_fini(&b);
}

/* The versions of one service: the one that is asked for, else the most used that has several. */
static void choose_versions(struct facets *facets, struct search *search)
{
    struct facet_tally *all = &facets->versions;
    uint64_t best = 0;
    for (uint32_t i = 0; i < all->n && !facets->focus; i++) {
        uint32_t service = facets->service_of[all->rows[i].key];
        uint64_t n = 0, kinds = 0;
        for (uint32_t k = 0; k < all->n; k++) {
            bool same = facets->service_of[all->rows[k].key] == service &&
                        search->nodes[all->rows[k].key].version.len;
            n += same ? all->rows[k].n : 0;
            kinds += same;
        }
        if (kinds > 1 && n > best) {
            best = n;
            facets->focus = service;
        }
    }
    for (uint32_t i = 0; i < all->n; i++) {
        uint32_t node = (uint32_t)all->rows[i].key;
        if (facets->focus && facets->service_of[node] == facets->focus &&
            search->nodes[node].version.len)
            add(&facets->tallies[FACET_VERSION], node, all->rows[i].n);
    }
}

void facets_json(struct facets *facets, struct search *search, uint64_t n_sampled, uint64_t n_whole,
                 struct buf *out)
{
    static const char *const labels[N_FACETS] = {
        [FACET_STATUS] = "Status",   [FACET_BEGAN] = "Began in",
        [FACET_ENTRY] = "Entry",     [FACET_SERVICE] = "Passes through",
        [FACET_VERSION] = "version", [FACET_FLAG] = "Response flag"};
    static const enum search_field fields[N_FACETS] = {
        [FACET_STATUS] = FIELD_STATUS,   [FACET_BEGAN] = FIELD_BEGAN,
        [FACET_ENTRY] = FIELD_ENTRY,     [FACET_SERVICE] = FIELD_SERVICE,
        [FACET_VERSION] = FIELD_VERSION, [FACET_FLAG] = FIELD_FLAG};
    choose_versions(facets, search);
    buf_add_c(out, "\"facets\":[");
    for (int i = 0; i < N_FACETS; i++) {
        struct facet_shape shape = {search_field_word(fields[i]), labels[i], STR_NONE, 1};
        if (i == FACET_VERSION && facets->focus)
            shape.scope = search->nodes[facets->focus].service;
        if (i == FACET_FLAG && n_sampled)
            shape.scale = (double)n_whole / (double)n_sampled;
        merge_alike(search, i, &facets->tallies[i]);
        facet_json(search, i, &facets->tallies[i], &shape, out);
    }
    buf_add_char(out, ']');
}
