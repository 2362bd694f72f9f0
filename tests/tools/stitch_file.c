/* stitch_file.c - decodes bodies, gathers their spans by trace as intake does, stitches, and prints
 * a line of JSON a trace, in order of trace ids.
 *
 *   stitch_file [--gateways NODES] [--sidecars NODES] [--inside NETWORKS] [--learn 1] FORMAT
 * FILE...
 *
 * FILE: a body, or (*.frames) bodies each behind a byte 0 and its 32-bit length; - is frames from
 * standard input. Lists are comma-separated. With --learn all is stitched twice, the second time
 * with what the first one told of proxies.
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/buf.h"
#include "collector/base/hash.h"
#include "collector/decode/decode.h"
#include "collector/model/shapes.h"
#include "collector/stitch/live.h"
#include "collector/stitch/merge.h"
#include "collector/stitch/proxies.h"
#include "collector/stitch/stitch.h"

#define MAX_LIST 32
#define MANY (64u << 20)

struct tool {
    struct names *names;
    struct nodes *nodes;
    struct shapes *shapes;
    struct stitch *stitch;
    struct knowledge knowledge;
    struct proxies *proxies; /* with --learn */
    struct live_table table;
    struct buf scratch, merge_scratch, out;
    struct limits limits;
    unsigned n_spans, n_rejected, n_duplicates, n_conflicts;
};

static char *read_all(FILE *file, size_t *n)
{
    size_t cap = 1u << 20;
    char *bytes = malloc(cap);
    *n = 0;
    for (size_t got; bytes && (got = fread(bytes + *n, 1, cap - *n, file)) > 0;) {
        *n += got;
        if (*n == cap)
            bytes = realloc(bytes, cap *= 2);
    }
    if (!bytes)
        exit(3);
    return bytes;
}

static void merge_into(struct tool *tool, struct live *live, struct live_record *item,
                       const struct record *record)
{
    struct record united = item->record;
    tool->n_duplicates++;
    if (merge_records(tool->shapes, &united, record, &tool->merge_scratch) != MERGE_CHANGED)
        return;
    united.own = live_own(&tool->table, live, united.own);
    item->record = united;
    tool->n_conflicts++;
}

static void take_span(struct tool *tool, const struct span *span, enum format format)
{
    struct record record;
    struct live *live = live_find(&tool->table, span->trace_id);
    if (!live)
        live = live_add(&tool->table, span->trace_id);
    if (!live || !shapes_record(tool->shapes, span, (uint8_t)format, &tool->scratch, &record))
        exit(3);
    struct live_record *same = live_find_same(live, &record);
    if (same) {
        merge_into(tool, live, same, &record);
        return;
    }
    if (!live_append(&tool->table, live, &record))
        exit(3);
    tool->n_spans++;
}

static void take_body(struct tool *tool, enum format format, struct str body)
{
    struct batch *batch;
    struct err err = {0};
    if (decode_body(format, ENCODING_IDENTITY, body, &tool->limits, &batch, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    tool->n_rejected += batch->counts.n_rejected;
    if (!shapes_next_batch(tool->shapes, batch->n_resources))
        exit(3);
    for (uint32_t i = 0; i < batch->n_spans; i++)
        take_span(tool, &batch->spans[i], format);
    batch_free(batch);
}

static void take_frames(struct tool *tool, enum format format, char *bytes, size_t n)
{
    for (size_t at = 0, len; at + 5 <= n; at += 5 + len) {
        const unsigned char *head = (const unsigned char *)bytes + at;
        len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        if (at + 5 + len > n)
            exit(1);
        take_body(tool, format, (struct str){bytes + at + 5, len});
    }
}

static void take_file(struct tool *tool, enum format format, const char *path)
{
    size_t n;
    bool piped = strcmp(path, "-") == 0;
    FILE *file = piped ? stdin : fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(3);
    }
    char *bytes = read_all(file, &n);
    if (piped || strstr(path, ".frames"))
        take_frames(tool, format, bytes, n);
    else
        take_body(tool, format, (struct str){bytes, n});
    free(bytes);
    fclose(file);
}

/* ---- the answer ---- */

static void member(struct tool *tool, const char *name, struct str text)
{
    buf_addf(&tool->out, ",\"%s\":", name);
    buf_add_json(&tool->out, text);
}

static void member_name(struct tool *tool, const char *name, name_no text)
{
    member(tool, name, names_text(tool->names, text));
}

static void member_ns(struct tool *tool, const char *name, uint64_t ns)
{
    if (ns == DURATION_UNKNOWN)
        buf_addf(&tool->out, ",\"%s\":null", name);
    else
        buf_addf(&tool->out, ",\"%s\":%llu", name, (unsigned long long)ns);
}

/* [cluster, namespace, service, version, role]; null for no node. */
static void member_node(struct tool *tool, const char *name, node_no no)
{
    const struct node *node = nodes_get(tool->nodes, no);
    if (no == NODE_NONE) {
        buf_addf(&tool->out, ",\"%s\":null", name);
        return;
    }
    const name_no parts[4] = {node->cluster, node->namespace, node->service, node->version};
    buf_addf(&tool->out, ",\"%s\":[", name);
    for (int i = 0; i < 4; i++) {
        buf_add_json(&tool->out, names_text(tool->names, parts[i]));
        buf_add_char(&tool->out, ',');
    }
    buf_addf(&tool->out, "\"%s\"]", role_word(node->role));
}

static void span_id(struct tool *tool, const char *name, const struct record *records, uint32_t i)
{
    if (i == NO_SPAN)
        buf_addf(&tool->out, ",\"%s\":\"\"", name);
    else
        buf_addf(&tool->out, ",\"%s\":\"%016llx\"", name, (unsigned long long)records[i].span_id);
}

static void print_call(struct tool *tool, const struct record *records, const struct call *call)
{
    buf_addf(&tool->out, "{\"known_by\":\"%s\"", known_by_word(call->known_by));
    member_node(tool, "caller", call->caller);
    member_node(tool, "callee", call->callee);
    member(tool, "connection_type", str_of(connection_type_word(call->connection_type)));
    member_name(tool, "protocol", call->protocol);
    member_name(tool, "via", call->via);
    member_name(tool, "operation", call->operation);
    member(tool, "crossing", str_of(crossing_word(call->crossing)));
    member(tool, "security", str_of(security_word(call->security)));
    member(tool, "fault", str_of(fault_word(call->fault)));
    member_ns(tool, "start_ns", call->start_ns);
    member_ns(tool, "caller_ns", call->caller_ns);
    member_ns(tool, "callee_ns", call->callee_ns);
    member_ns(tool, "transit_ns", call->transit_ns);
    span_id(tool, "caller_span", records, call->caller_span);
    span_id(tool, "callee_span", records, call->callee_span);
    buf_addf(&tool->out, ",\"retries\":%u,\"recovered\":%s,\"hairpin\":%s}", call->retries,
             call->recovered ? "true" : "false", call->hairpin ? "true" : "false");
}

static void print_span(struct tool *tool, const struct record *record,
                       const struct span_result *result)
{
    buf_addf(&tool->out, "{\"span_id\":\"%016llx\"", (unsigned long long)record->span_id);
    member_node(tool, "node", result->node);
    member_node(tool, "peer", result->peer);
    member(tool, "fault", str_of(fault_word(result->fault)));
    member(tool, "class", str_of(ledger_word(result->class)));
    member_ns(tool, "self_ns", result->self_ns);
    buf_addf(&tool->out, ",\"kind\":\"%s\",\"start_ns\":%llu}", kind_word(record->shape->kind),
             (unsigned long long)record->start_ns);
}

static void print_trace(struct tool *tool, const struct live *live, const struct record *records,
                        const struct graph *graph)
{
    const struct trace_result *trace = &graph->trace;
    buf_addf(&tool->out, "{\"trace_id\":\"%016llx%016llx\",\"status\":\"%s\"",
             (unsigned long long)live->id.high, (unsigned long long)live->id.low,
             trace->error ? "error" : "ok");
    member_node(tool, "entry", trace->entry);
    member_name(tool, "entry_operation", trace->entry_operation);
    member_node(tool, "origin", trace->origin);
    member_name(tool, "origin_operation", trace->origin_operation);
    member_name(tool, "origin_reason", trace->origin_reason);
    member_ns(tool, "start_ns", trace->start_ns);
    member_ns(tool, "duration_ns", trace->duration_ns);
    buf_addf(&tool->out,
             ",\"complete\":%d,\"parts\":%u,\"span_count\":%u,\"service_count\":%u,"
             "\"error_count\":%u,\"calls\":[",
             trace->complete, trace->parts, trace->span_count, trace->service_count,
             trace->error_count);
    for (uint32_t i = 0; i < graph->n_calls; i++) {
        buf_add_c(&tool->out, i ? "," : "");
        print_call(tool, records, &graph->calls[i]);
    }
    buf_add_c(&tool->out, "],\"spans\":[");
    for (uint32_t i = 0; i < live->n; i++) {
        buf_add_c(&tool->out, i ? "," : "");
        print_span(tool, &records[i], &graph->spans[i]);
    }
    buf_add_c(&tool->out, "]}\n");
}

static void stitch_one(struct tool *tool, const struct live *live, bool print)
{
    struct arena arena;
    struct graph graph;
    uint32_t i = 0;
    arena_init(&arena, (size_t)4 << 30);
    struct record *records = arena_alloc(&arena, (live->n + 1) * sizeof(*records));
    for (const struct live_record *item = live->first; item; item = item->next)
        records[i++] = item->record;
    if (!stitch_trace(tool->stitch, records, live->n, &tool->knowledge, &arena, &graph))
        exit(3);
    if (print) {
        print_trace(tool, live, records, &graph);
        fwrite(tool->out.p, 1, tool->out.len, stdout);
        buf_reset(&tool->out);
    } else {
        proxies_see(tool->proxies, &graph, 1);
    }
    arena_fini(&arena);
}

static void stitch_all(struct tool *tool, bool print)
{
    for (uint32_t i = 0; i < tool->table.n; i++)
        stitch_one(tool, tool->table.entries[i], print);
}

static uint8_t learnt_kind(const struct knowledge *knowledge, const struct node *node)
{
    return proxies_kind(knowledge->ctx, node);
}

static void learn(struct tool *tool)
{
    stitch_all(tool, false);
    proxies_renew(tool->proxies, 1);
    tool->knowledge.proxy_kind = learnt_kind;
    tool->knowledge.ctx = tool->proxies;
}

static int by_id(const void *a, const void *b)
{
    const struct live *x = *(struct live *const *)a, *y = *(struct live *const *)b;
    if (x->id.high != y->id.high)
        return x->id.high < y->id.high ? -1 : 1;
    return (x->id.low > y->id.low) - (x->id.low < y->id.low);
}

/* ---- the command line ---- */

static bool take_option(struct tool *tool, const char *name, const char *value)
{
    static struct str lists[2][MAX_LIST];
    static struct cidr inside[MAX_LIST];
    struct str item, rest = str_of(value);
    size_t n = 0;
    if (strcmp(name, "--learn") == 0) {
        tool->proxies = proxies_new(tool->names, tool->nodes);
        return tool->proxies != NULL;
    }
    int list = strcmp(name, "--gateways") == 0   ? 0
               : strcmp(name, "--sidecars") == 0 ? 1
               : strcmp(name, "--inside") == 0   ? 2
                                                 : -1;
    for (; list >= 0 && rest.len && n < MAX_LIST; n++) {
        str_cut(rest, ',', &item, &rest);
        if (list == 2 && !cidr_parse(item, &inside[n]))
            return false;
        if (list < 2)
            lists[list][n] = item;
    }
    struct knowledge *knowledge = &tool->knowledge;
    if (list == 0)
        knowledge->gateways = lists[0], knowledge->n_gateways = n;
    else if (list == 1)
        knowledge->sidecars = lists[1], knowledge->n_sidecars = n;
    else
        knowledge->inside = inside, knowledge->n_inside = n;
    return list >= 0;
}

static bool address_inside(const void *ctx, struct str address)
{
    const struct knowledge *knowledge = ctx;
    return address_is_loopback(address) ||
           cidr_contains(knowledge->inside, knowledge->n_inside, address);
}

static void make_tool(struct tool *tool)
{
    struct shapes_limits limits = {.max_shapes = 1u << 20,
                                   .max_set_bytes = (size_t)1 << 30,
                                   .inside = address_inside,
                                   .ctx = &tool->knowledge};
    tool->names = names_new(1u << 20, (size_t)256 << 20);
    tool->nodes = nodes_new(1u << 18);
    tool->shapes = shapes_new(tool->names, tool->nodes, &limits);
    tool->stitch = stitch_new(tool->names, tool->nodes);
    tool->limits = limits_default;
    tool->limits.max_spans = UINT32_MAX;
    tool->limits.max_decoded = (size_t)1 << 31;
    live_table_init(&tool->table);
    buf_init(&tool->scratch, MANY);
    buf_init(&tool->merge_scratch, MANY);
    buf_init(&tool->out, (size_t)4 << 30);
}

/* It runs once and gives its memory back by ending. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

int main(int argc, char **argv)
{
    struct tool tool = {0};
    int at = 1;
    make_tool(&tool);
    take_option(&tool, "--inside", "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7");
    for (; at + 1 < argc && argv[at][0] == '-' && argv[at][1] == '-'; at += 2) {
        if (!take_option(&tool, argv[at], argv[at + 1]))
            return 2;
    }
    int format = at + 1 < argc ? format_from_word(str_of(argv[at])) : -1;
    if (format < 0) {
        fprintf(stderr, "usage: stitch_file [--gateways A,B] [--sidecars A,B] [--inside A,B] "
                        "[--learn 1] FORMAT FILE...\n");
        return 2;
    }
    for (int i = at + 1; i < argc; i++)
        take_file(&tool, (enum format)format, argv[i]);
    qsort(tool.table.entries, tool.table.n, sizeof(struct live *), by_id);
    if (tool.proxies)
        learn(&tool);
    stitch_all(&tool, true);
    fprintf(stderr, "spans %u rejected %u duplicates %u conflicts %u traces %u\n", tool.n_spans,
            tool.n_rejected, tool.n_duplicates, tool.n_conflicts, tool.table.n);
    return 0;
}
