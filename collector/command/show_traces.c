/* show_traces.c - traces and trace: a list and a waterfall, or the spans in the formats of others.
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "collector/base/times.h"
#include "collector/command/show.h"
#include "exporters/trace_format.h"

#define BAR 32

/* --format: text, json, or one of others (*others; else −1). False: none of them, and it is said.
 */
static bool read_format(const struct options *options, int *others)
{
    const char *format = option(options, "format");
    *others = format ? trace_format_from_word(str_of(format)) : -1;
    if (!format || *others >= 0 || wants(options, "json") || wants(options, "text"))
        return true;
    bad_format(options, "text, json, " TRACE_FORMATS);
    return false;
}

/* ---- traces ---- */

struct traces_question {
    struct query_filter filter;
    int others;
};

static int ask_traces(struct query *query, const void *what, struct buf *out, struct err *err)
{
    const struct traces_question *traces = what;
    if (traces->others >= 0)
        return trace_format_traces(query, &traces->filter, (enum trace_format)traces->others, out,
                                   err);
    return query_traces_json(query, &traces->filter, out, err);
}

/* Said where what is written cannot say that it is not all. */
static void tell_of_more(const struct tree *list)
{
    uint32_t n = 0;
    for (const struct tree *item = tree_get(list, "items")->first; item; item = item->next)
        n++;
    if (tree_get(list, "next")->type == JSON_STRING)
        fprintf(stderr,
                "faultline traces: these are the %u that were stored last; there are more: "
                "--limit takes up to 1000, --from and --to narrow the window\n",
                n);
}

static int show_traces(const struct options *options, const struct tree *tree)
{
    printf("%s%-32s  %-24s  %-30s  %10s  %5s  %s%s\n", paint(DIM), "trace", "start", "entry",
           "duration", "spans", "began at", paint(PLAIN));
    for (const struct tree *item = tree_get(tree, "items")->first; item; item = item->next) {
        bool error = str_eq(tree_get(item, "status")->text, STR("error"));
        print_clean(tree_get(item, "trace_id")->text, 32);
        printf("  ");
        print_time(options, tree_get(item, "start_time")->text, 23);
        printf("  ");
        print_clean(tree_get(item, "entry_service")->text, 30);
        printf("  ");
        print_ns(tree_get(item, "duration_ns"), 10);
        printf("  %5.0f  %s", tree_number(tree_get(item, "span_count")), paint(error ? RED : ""));
        print_clean(tree_get(item, "origin_service")->text, 1000);
        printf(" ");
        print_clean(tree_get(item, "origin_reason")->text, 1000);
        printf("%s\n", paint(PLAIN));
    }
    tell_of_more(tree);
    return EXIT_GOOD;
}

/* False (said) when a value cannot be read. */
static bool read_filter(const struct options *options, struct query_filter *filter)
{
    const char *limit = option(options, "limit"), *least = option(options, "min-duration");
    const char *status = option(options, "status");
    struct err err = {0};
    char attr[128];
    uint64_t number = 20;
    *filter = (struct query_filter){.operation = str_of(option(options, "operation")),
                                    .status = str_of(status)};
    node_read_text(str_of(option(options, "service")), &filter->cluster, &filter->namespace,
                   &filter->service);
    bool good = read_window(options, 24 * 60 * NS_PER_MINUTE, &filter->window);
    if (limit && (!str_to_u64(str_of(limit), &number) || number < 1 || number > 1000))
        good = complain(options, "--limit is 1 to 1000");
    if (least && !duration_parse(str_of(least), &filter->min_duration_ns))
        good = complain(options, "--min-duration is a duration: 250ms");
    if (status && strcmp(status, "ok") != 0 && strcmp(status, "error") != 0)
        good = complain(options, "--status is ok or error");
    for (size_t i = 0; options->attrs[i] && !err.code; i++)
        query_add_attr(filter, str_of(options->attrs[i]), &err);
    snprintf(attr, sizeof(attr), "--%.100s", err.text);
    if (err.code)
        good = complain(options, attr);
    filter->limit = (uint32_t)number;
    return good;
}

static void write_path(const struct options *options, const struct query_filter *filter,
                       struct buf *path)
{
    static const char *const names[] = {"service", "operation", "status", "to"};
    ask_path(path, "traces");
    buf_addf(path, "?limit=%u&from=%llu.%09llu", filter->limit,
             (unsigned long long)(filter->window.from_ns / NS_PER_S),
             (unsigned long long)(filter->window.from_ns % NS_PER_S));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ask_parameter(path, names[i], option(options, names[i]));
    for (size_t i = 0; options->attrs[i]; i++)
        ask_parameter(path, "attr", options->attrs[i]);
    ask_parameter(path, "min_duration", option(options, "min-duration"));
}

/* Of a file of another format: the list of the same question tells. */
static void ask_for_more(const struct options *options, struct traces_question traces)
{
    struct buf path, answer;
    struct arena arena;
    traces.others = -1;
    write_path(options, &traces.filter, &path);
    buf_init(&answer, 64u << 20);
    arena_init(&arena, 256u << 20);
    struct question question = {buf_str(&path), ask_traces, &traces};
    if (ask(options, &question, &answer) == EXIT_GOOD) {
        const struct tree *tree = tree_read(&arena, buf_str(&answer));
        if (tree)
            tell_of_more(tree);
    }
    arena_fini(&arena);
    buf_fini(&answer);
    buf_fini(&path);
}

int command_traces(const struct options *options)
{
    struct traces_question traces;
    struct buf path;
    bool good = read_format(options, &traces.others);
    if (!read_filter(options, &traces.filter) || !good)
        return EXIT_USAGE;
    write_path(options, &traces.filter, &path);
    if (traces.others >= 0)
        ask_parameter(&path, "format", option(options, "format"));
    struct question question = {buf_str(&path), ask_traces, &traces};
    int code = traces.others >= 0 ? show_raw(options, &question)
                                  : show_answer(options, &question, show_traces);
    buf_fini(&path);
    if (code == EXIT_GOOD && traces.others >= 0)
        ask_for_more(options, traces);
    return code;
}

/* ---- trace ---- */

struct trace_question {
    struct str id;
    int others;
};

static int ask_trace(struct query *query, const void *what, struct buf *out, struct err *err)
{
    const struct trace_question *trace = what;
    if (trace->others >= 0)
        return trace_format_trace(query, trace->id, (enum trace_format)trace->others, out, err);
    return query_trace_json(query, trace->id, out, err);
}

struct line {
    const struct tree *span;
    uint64_t start_ns;
    unsigned depth;
    bool done;
};

static int by_start(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);
}

static void print_line(const struct line *line, uint64_t from_ns, uint64_t whole_ns)
{
    const struct tree *span = line->span;
    struct str fault = tree_get(span, "fault")->text;
    bool sidecar = str_eq(tree_get(span, "role")->text, STR("sidecar"));
    bool origin = str_eq(fault, STR("origin"));
    int indent = line->depth < 12 ? (int)line->depth : 12;
    double duration_ns = tree_number(tree_get(span, "duration_ns"));
    int begin = (int)((double)(line->start_ns - from_ns) / (double)whole_ns * BAR);
    int length = (int)(duration_ns / (double)whole_ns * BAR + 0.5);
    begin = begin < BAR ? begin : BAR - 1;
    length = length < 1 ? 1 : begin + length > BAR ? BAR - begin : length;
    printf("%s%*s", paint(origin ? RED : sidecar ? DIM : ""), indent, "");
    print_clean(tree_get(span, "service")->text, 24 - indent);
    printf(" ");
    print_clean(tree_get(span, "operation")->text, 34);
    printf(" %*s", begin, "");
    for (int i = 0; i < length; i++)
        printf("\xe2\x96\x88");
    printf("%*s ", BAR - begin - length, "");
    print_ns(tree_get(span, "duration_ns"), 10);
    print_ns(tree_get(span, "self_ns"), 11);
    if (origin)
        printf("  \xe2\x9c\x97 failed here");
    else if (fault.len)
        printf("  %.*s", STR_ARG(fault));
    struct str flags = tree_get(span, "response_flags")->text;
    if (flags.len && !str_eq(flags, STR("-")))
        printf(" %.*s", STR_ARG(flags));
    printf("%s\n", paint(PLAIN));
}

/* Depth first from the roots; a span whose parent is not there is a root. */
static void print_beneath(struct line *lines, size_t n, size_t root, uint64_t from_ns,
                          uint64_t whole_ns)
{
    size_t stack[4096], n_stack = 0;
    stack[n_stack++] = root;
    lines[root].done = true;
    while (n_stack) {
        size_t at = stack[--n_stack];
        struct str id = tree_get(lines[at].span, "span_id")->text;
        print_line(&lines[at], from_ns, whole_ns);
        for (size_t i = n; i-- > 0;) {
            bool child =
                !lines[i].done && str_eq(tree_get(lines[i].span, "parent_span_id")->text, id);
            if (!child || n_stack == sizeof(stack) / sizeof(stack[0]))
                continue;
            lines[i].done = true;
            lines[i].depth = lines[at].depth + 1;
            stack[n_stack++] = i;
        }
    }
}

static bool has_parent(const struct line *lines, size_t n, size_t i)
{
    struct str parent = tree_get(lines[i].span, "parent_span_id")->text;
    for (size_t k = 0; k < n && parent.len; k++) {
        if (k != i && str_eq(tree_get(lines[k].span, "span_id")->text, parent))
            return true;
    }
    return false;
}

static void print_trace_head(const struct options *options, const struct tree *trace)
{
    printf("%s%.*s%s  ", paint(BOLD), STR_ARG(tree_get(trace, "trace_id")->text), paint(PLAIN));
    print_time(options, tree_get(trace, "start_time")->text, 30);
    printf("  ");
    print_ns(tree_get(trace, "duration_ns"), 0);
    printf("  %.0f spans  %s%.*s%s", tree_number(tree_get(trace, "span_count")),
           paint(str_eq(tree_get(trace, "status")->text, STR("error")) ? RED : ""),
           STR_ARG(tree_get(trace, "status")->text), paint(PLAIN));
    if (tree_get(trace, "origin_service")->text.len) {
        printf("  began at ");
        print_clean(tree_get(trace, "origin_service")->text, 1000);
        printf(": ");
        print_clean(tree_get(trace, "origin_reason")->text, 1000);
    }
    printf("\n");
}

static void print_waterfall(struct line *lines, size_t n)
{
    uint64_t from_ns = UINT64_MAX, to_ns = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t end_ns =
            lines[i].start_ns + (uint64_t)tree_number(tree_get(lines[i].span, "duration_ns"));
        from_ns = lines[i].start_ns < from_ns ? lines[i].start_ns : from_ns;
        to_ns = end_ns > to_ns ? end_ns : to_ns;
    }
    printf("%s%-24s %-34s %-*s %10s %10s%s\n", paint(DIM), "service", "operation", BAR, "",
           "duration", "self", paint(PLAIN));
    for (size_t i = 0; i < n; i++) {
        if (!lines[i].done && !has_parent(lines, n, i))
            print_beneath(lines, n, i, from_ns, to_ns > from_ns ? to_ns - from_ns : 1);
    }
}

static int show_trace(const struct options *options, const struct tree *tree)
{
    const struct tree *trace = tree_get(tree, "trace"), *spans = tree_get(tree, "spans");
    size_t n = 0, at = 0;
    print_trace_head(options, trace);
    if (tree_number(tree_get(trace, "kept")) == 0) {
        printf("Its spans were not kept (store.keep); it is counted in the graph all the same.\n");
        return EXIT_GOOD;
    }
    for (const struct tree *span = spans->first; span; span = span->next)
        n++;
    struct line *lines = calloc(n + 1, sizeof(*lines));
    if (!lines)
        return EXIT_NOT_DONE;
    for (const struct tree *span = spans->first; span; span = span->next, at++) {
        time_parse(tree_get(span, "start_time")->text, 0, &lines[at].start_ns);
        lines[at].span = span;
    }
    qsort(lines, n, sizeof(*lines), by_start);
    print_waterfall(lines, n);
    free(lines);
    return EXIT_GOOD;
}

int command_trace(const struct options *options)
{
    char path[128];
    struct trace_question trace;
    if (options->n_rest != 1 || strlen(options->rest[0]) > 64) {
        fprintf(stderr, "faultline trace: give one trace id\n");
        return EXIT_USAGE;
    }
    if (!read_format(options, &trace.others))
        return EXIT_USAGE;
    trace.id = str_of(options->rest[0]);
    snprintf(path, sizeof(path), "traces/%s%s%s", options->rest[0],
             trace.others >= 0 ? "?format=" : "",
             trace.others >= 0 ? option(options, "format") : "");
    struct question question = {str_of(path), ask_trace, &trace};
    return trace.others >= 0 ? show_raw(options, &question)
                             : show_answer(options, &question, show_trace);
}
