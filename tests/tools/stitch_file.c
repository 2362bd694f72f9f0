/* stitch_file.c - decodes bodies, groups their spans by trace, stitches, and prints the graph: one
 * line an edge, then one line an origin. For golden tests against what the senders know.
 *
 *   stitch_file otlp_pb|otlp_json|zipkin_json FILE...      FILE: a body, or frames (byte 0, 32-bit
 * length, message)
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/buf.h"
#include "collector/base/hash.h"
#include "collector/decode/decode.h"
#include "collector/model/shapes.h"
#include "collector/stitch/live.h"
#include "collector/stitch/merge.h"
#include "collector/stitch/stitch.h"

struct tool {
    struct names *names;
    struct nodes *nodes;
    struct shapes *shapes;
    struct live_table table;
    struct buf scratch, out;
    unsigned n_spans, n_rejected, n_duplicates;
};

static char *read_file(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(3);
    }
    fseek(file, 0, SEEK_END);
    *n = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*n + 1);
    if (!bytes || fread(bytes, 1, *n, file) != *n)
        exit(3);
    fclose(file);
    return bytes;
}

static void take_span(struct tool *tool, const struct span *span, enum format format)
{
    struct record record;
    struct live *live = live_find(&tool->table, span->trace_id);
    if (!live)
        live = live_add(&tool->table, span->trace_id);
    if (!live || !shapes_record(tool->shapes, span, (uint8_t)format, &tool->scratch, &record))
        exit(3);
    for (struct live_record *item = live_next_same_id(live, record.span_id, NULL); item;
         item = live_next_same_id(live, record.span_id, item)) {
        if (merge_same_key(&item->record, &record)) {
            tool->n_duplicates++;
            return;
        }
    }
    if (!live_append(&tool->table, live, &record))
        exit(3);
    tool->n_spans++;
}

static void take_body(struct tool *tool, enum format format, struct str body)
{
    struct batch *batch;
    struct err err = {0};
    if (decode_body(format, ENCODING_IDENTITY, body, &limits_default, &batch, &err)) {
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

static void take_file(struct tool *tool, enum format format, const char *path)
{
    size_t n, at = 0;
    char *bytes = read_file(path, &n);
    if (strstr(path, ".frames")) {
        while (at + 5 <= n) {
            const unsigned char *head = (const unsigned char *)bytes + at;
            size_t len =
                (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
            take_body(tool, format, (struct str){bytes + at + 5, len});
            at += 5 + len;
        }
    } else {
        take_body(tool, format, (struct str){bytes, n});
    }
    free(bytes);
}

static void print_node(struct tool *tool, node_no no)
{
    const struct node *node = nodes_get(tool->nodes, no);
    buf_addf(&tool->out, "%.*s/%.*s/%.*s:%.*s(%s)", STR_ARG(names_text(tool->names, node->cluster)),
             STR_ARG(names_text(tool->names, node->namespace)),
             STR_ARG(names_text(tool->names, node->service)),
             STR_ARG(names_text(tool->names, node->version)), role_word(node->role));
}

static void print_call(struct tool *tool, const struct call *call)
{
    buf_add_c(&tool->out, "edge ");
    print_node(tool, call->caller);
    buf_add_c(&tool->out, " -> ");
    print_node(tool, call->callee);
    buf_addf(&tool->out,
             " type=%s known_by=%s via=%.*s crossing=%s fault=%s retries=%u recovered=%d op=%.*s\n",
             connection_type_word(call->connection_type), known_by_word(call->known_by),
             STR_ARG(names_text(tool->names, call->via)), crossing_word(call->crossing),
             fault_word(call->fault), call->retries, call->recovered,
             STR_ARG(names_text(tool->names, call->operation)));
}

static void stitch_one(struct tool *tool, struct stitch *stitch, const struct live *live)
{
    static const struct knowledge knowledge;
    struct arena arena;
    struct graph graph;
    uint32_t i = 0;
    arena_init(&arena, 1u << 30);
    struct record *records = arena_alloc(&arena, (live->n + 1) * sizeof(*records));
    for (const struct live_record *item = live->first; item; item = item->next)
        records[i++] = item->record;
    if (!stitch_trace(stitch, records, live->n, &knowledge, &arena, &graph))
        exit(3);
    for (i = 0; i < graph.n_calls; i++)
        print_call(tool, &graph.calls[i]);
    buf_addf(&tool->out, "trace error=%d complete=%d parts=%u entry=", graph.trace.error,
             graph.trace.complete, graph.trace.parts);
    print_node(tool, graph.trace.entry);
    buf_add_c(&tool->out, " origin=");
    if (graph.trace.error)
        print_node(tool, graph.trace.origin);
    buf_addf(&tool->out, " reason=%.*s\n",
             STR_ARG(names_text(tool->names, graph.trace.origin_reason)));
    for (i = 0; i < live->n; i++)
        buf_addf(&tool->out, "span class=%s fault=%s\n", ledger_word(graph.spans[i].class),
                 fault_word(graph.spans[i].fault));
    arena_fini(&arena);
}

int main(int argc, char **argv)
{
    struct tool tool = {.names = names_new(1u << 16, 64u << 20), .nodes = nodes_new(1u << 14)};
    struct shapes_limits limits = {.max_shapes = 1u << 16, .max_set_bytes = 64u << 20};
    int format = argc > 2 ? format_from_word(str_of(argv[1])) : -1;
    if (format < 0) {
        fprintf(stderr, "usage: stitch_file FORMAT FILE...\n");
        return 2;
    }
    tool.shapes = shapes_new(tool.names, tool.nodes, &limits);
    live_table_init(&tool.table);
    buf_init(&tool.scratch, 64u << 20);
    buf_init(&tool.out, 256u << 20);
    for (int i = 2; i < argc; i++)
        take_file(&tool, (enum format)format, argv[i]);
    struct stitch *stitch = stitch_new(tool.names, tool.nodes);
    for (uint32_t i = 0; i < tool.table.n; i++)
        stitch_one(&tool, stitch, tool.table.entries[i]);
    fwrite(tool.out.p, 1, tool.out.len, stdout);
    printf("spans %u rejected %u duplicates %u traces %u\n", tool.n_spans, tool.n_rejected,
           tool.n_duplicates, tool.table.n);
    stitch_free(stitch);
    live_table_fini(&tool.table);
    shapes_free(tool.shapes);
    nodes_free(tool.nodes);
    names_free(tool.names);
    buf_fini(&tool.scratch);
    buf_fini(&tool.out);
    return 0;
}
