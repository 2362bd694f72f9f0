/* show.c - traces, trace, graph and tail: what the API says, for a terminal. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "collector/base/times.h"
#include "collector/command/ask.h"

#define ANSWER_BYTES ((size_t)256 << 20)
#define BAR 32
#define RED "\033[31m"
#define DIM "\033[2m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

static bool wants(const struct options *options, const char *format)
{
    const char *asked = option(options, "format");
    return asked && strcmp(asked, format) == 0;
}

static int bad_format(const struct options *options, const char *formats)
{
    fprintf(stderr, "faultline %s: --format is %s\n", options->command->name, formats);
    return EXIT_USAGE;
}

static bool read_window(const struct options *options, uint64_t default_ns, struct window *window)
{
    uint64_t now_ns = clock_wall_ns();
    const char *from = option(options, "from"), *to = option(options, "to");
    *window = (struct window){.to_ns = now_ns + NS_PER_MINUTE};
    bool good = !to || time_parse(str_of(to), now_ns, &window->to_ns);
    uint64_t end_ns = window->to_ns < now_ns ? window->to_ns : now_ns;
    window->from_ns = end_ns > default_ns ? end_ns - default_ns : 0;
    if (!good || (from && !time_parse(str_of(from), now_ns, &window->from_ns)) ||
        window->from_ns > window->to_ns) {
        fprintf(
            stderr,
            "faultline %s: --from and --to are times (15m, 2026-11-23T10:00:00Z), from before to\n",
            options->command->name);
        return false;
    }
    return true;
}

/* Prints JSON as it is, or gives it to `show` as a tree; of --check both. */
static int show_answer(const struct options *options, const struct question *question,
                       int (*show)(const struct options *options, const struct tree *tree))
{
    struct buf answer;
    struct arena arena;
    buf_init(&answer, ANSWER_BYTES);
    arena_init(&arena, ANSWER_BYTES);
    int code = ask(options, question, &answer);
    if (code == EXIT_GOOD && wants(options, "json")) {
        fwrite(answer.p, 1, answer.len, stdout);
        putchar('\n');
    }
    /* `show` also judges, which counts for JSON too */
    if (code == EXIT_GOOD && (!wants(options, "json") || option(options, "check"))) {
        struct tree *tree = tree_read(&arena, buf_str(&answer));
        code = tree ? show(options, tree) : EXIT_NOT_DONE;
    }
    arena_fini(&arena);
    buf_fini(&answer);
    return code;
}

/* ---- traces ---- */

static int ask_traces(struct query *query, const void *what, struct buf *out, struct err *err)
{
    return query_traces_json(query, what, out, err);
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
    return EXIT_GOOD;
}

/* False (said) when a value cannot be read. */
static bool read_filter(const struct options *options, struct query_filter *filter)
{
    const char *limit = option(options, "limit"), *least = option(options, "min-duration");
    const char *attr = option(options, "attr"), *status = option(options, "status");
    uint64_t number = 20;
    const char *wrong = NULL;
    *filter = (struct query_filter){.service = str_of(option(options, "service")),
                                    .operation = str_of(option(options, "operation")),
                                    .status = str_of(status)};
    if (!read_window(options, 24 * 60 * NS_PER_MINUTE, &filter->window))
        return false;
    if (limit && (!str_to_u64(str_of(limit), &number) || number < 1 || number > 1000))
        wrong = "--limit is 1 to 1000";
    if (least && !duration_parse(str_of(least), &filter->min_duration_ns))
        wrong = "--min-duration is a duration: 250ms";
    if (status && strcmp(status, "ok") != 0 && strcmp(status, "error") != 0)
        wrong = "--status is ok or error";
    if (attr && !str_cut(str_of(attr), '=', &filter->attr_key, &filter->attr_value))
        wrong = "--attr is KEY=VALUE";
    filter->limit = (uint32_t)number;
    if (wrong)
        fprintf(stderr, "faultline traces: %s\n", wrong);
    return !wrong;
}

int command_traces(const struct options *options)
{
    static const char *const names[] = {"service", "operation", "status", "attr", "to"};
    struct query_filter filter;
    struct buf path;
    if (option(options, "format") && !wants(options, "json") && !wants(options, "text"))
        return bad_format(options, "text or json");
    if (!read_filter(options, &filter))
        return EXIT_USAGE;
    buf_init(&path, 8192);
    buf_addf(&path, "traces?limit=%u&from=%llu.%09llu", filter.limit,
             (unsigned long long)(filter.window.from_ns / NS_PER_S),
             (unsigned long long)(filter.window.from_ns % NS_PER_S));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ask_parameter(&path, names[i], option(options, names[i]));
    ask_parameter(&path, "min_duration", option(options, "min-duration"));
    buf_add_char(&path, '\0');
    struct question question = {path.p, ask_traces, &filter};
    int code = show_answer(options, &question, show_traces);
    buf_fini(&path);
    return code;
}

/* ---- trace ---- */

static int ask_trace(struct query *query, const void *what, struct buf *out, struct err *err)
{
    return query_trace_json(query, str_of(what), out, err);
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
    if (options->n_rest != 1 || strlen(options->rest[0]) > 64) {
        fprintf(stderr, "faultline trace: give one trace id\n");
        return EXIT_USAGE;
    }
    if (option(options, "format") && !wants(options, "json") && !wants(options, "text"))
        return bad_format(options, "text or json");
    snprintf(path, sizeof(path), "traces/%s", options->rest[0]);
    struct question question = {path, ask_trace, options->rest[0]};
    return show_answer(options, &question, show_trace);
}

/* ---- graph ---- */

struct graph_question {
    struct window window;
    enum graph_level level;
    struct graph_view view;
};

static int ask_graph(struct query *query, const void *what, struct buf *out, struct err *err)
{
    const struct graph_question *graph = what;
    return query_graph_json(query, graph->window, graph->level, &graph->view, out, err);
}

/* Names inside quotes of DOT and Mermaid. */
static void print_quoted(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        putchar(c == '"' || c == '\\' || c < 0x20 ? '_' : c);
    }
}

static int show_dot(const struct tree *tree)
{
    printf("digraph faultline {\n  rankdir=LR;\n");
    for (const struct tree *edge = tree_get(tree, "edges")->first; edge; edge = edge->next) {
        double origin = tree_number(tree_get(edge, "errors_origin"));
        printf("  \"");
        print_quoted(tree_get(edge, "caller")->text);
        printf("\" -> \"");
        print_quoted(tree_get(edge, "callee")->text);
        printf("\" [label=\"%.0f\"%s];\n", tree_number(tree_get(edge, "calls")),
               origin > 0 ? ", color=red" : "");
    }
    printf("}\n");
    return EXIT_GOOD;
}

static size_t number_of(const struct tree *tree, struct str id)
{
    size_t n = 0;
    for (const struct tree *node = tree_get(tree, "nodes")->first; node; node = node->next, n++) {
        if (str_eq(tree_get(node, "id")->text, id))
            return n;
    }
    return n;
}

static int show_mermaid(const struct tree *tree)
{
    size_t n = 0;
    printf("graph LR\n");
    for (const struct tree *node = tree_get(tree, "nodes")->first; node; node = node->next) {
        printf("  n%zu[\"", n++);
        print_quoted(tree_get(tree_get(node, "node"), "service")->text);
        printf("\"]\n");
    }
    for (const struct tree *edge = tree_get(tree, "edges")->first; edge; edge = edge->next)
        printf("  n%zu -->|%.0f| n%zu\n", number_of(tree, tree_get(edge, "caller")->text),
               tree_number(tree_get(edge, "calls")),
               number_of(tree, tree_get(edge, "callee")->text));
    return EXIT_GOOD;
}

static int show_graph(const struct options *options, const struct tree *tree)
{
    if (wants(options, "dot"))
        return show_dot(tree);
    if (wants(options, "mermaid"))
        return show_mermaid(tree);
    printf("%s", paint(DIM));
    print_time(options, tree_get(tree, "from")->text, 30);
    printf(" .. ");
    print_time(options, tree_get(tree, "to")->text, 30);
    printf("%s\n", paint(PLAIN));
    printf("%s%-34s    %-34s %8s %7s %7s %8s %10s %10s  %s%s\n", paint(DIM), "caller", "callee",
           "calls", "failed", "began", "retries", "p50", "p95", "via", paint(PLAIN));
    for (const struct tree *edge = tree_get(tree, "edges")->first; edge; edge = edge->next) {
        double origin = tree_number(tree_get(edge, "errors_origin"));
        print_clean(tree_get(edge, "caller")->text, 34);
        printf(" \xe2\x86\x92  ");
        print_clean(tree_get(edge, "callee")->text, 34);
        printf(" %8.0f %s%7.0f %7.0f%s %8.0f", tree_number(tree_get(edge, "calls")),
               paint(origin > 0 ? RED : ""), tree_number(tree_get(edge, "errors")), origin,
               paint(PLAIN), tree_number(tree_get(edge, "retries")));
        print_ns(tree_get(edge, "p50_ns"), 11);
        print_ns(tree_get(edge, "p95_ns"), 11);
        printf("  ");
        print_clean(tree_get(edge, "via")->text, 1000);
        printf("\n");
    }
    return EXIT_GOOD;
}

/* ---- graph --diff ---- */

struct diff_question {
    struct window window, base;
    enum graph_level level;
};

static int ask_diff(struct query *query, const void *what, struct buf *out, struct err *err)
{
    const struct diff_question *diff = what;
    return query_graph_diff_json(query, diff->window, diff->base, diff->level, out, err);
}

static void print_edge(const char *what, const struct tree *edge)
{
    printf("%-8s", what);
    print_clean(tree_get(edge, "caller")->text, 34);
    printf(" \xe2\x86\x92  ");
    print_clean(tree_get(edge, "callee")->text, 34);
    printf(" %8.0f %7.0f", tree_number(tree_get(edge, "calls")),
           tree_number(tree_get(edge, "errors")));
    print_ns(tree_get(edge, "p95_ns"), 11);
    printf("\n");
}

static int show_diff(const struct options *options, const struct tree *tree)
{
    static const char *const alone[] = {"new", "gone"}, *const worse[] = {"slower", "redder"};
    (void)options;
    printf("%s%-8s%-34s    %-34s %8s %7s %10s%s\n", paint(DIM), "", "caller", "callee", "calls",
           "failed", "p95", paint(PLAIN));
    for (int i = 0; i < 2; i++) {
        for (const struct tree *at = tree_get(tree, alone[i])->first; at; at = at->next)
            print_edge(alone[i], at);
    }
    for (int i = 0; i < 2; i++) {
        for (const struct tree *at = tree_get(tree, worse[i])->first; at; at = at->next) {
            print_edge(worse[i], tree_get(at, "edge"));
            print_edge("  was", tree_get(at, "was"));
        }
    }
    return EXIT_GOOD;
}

static int diff_graph(const struct options *options, struct window window, enum graph_level level)
{
    struct diff_question diff = {.window = window, .level = level};
    const char *base = option(options, "diff");
    struct buf path;
    if (!window_parse(str_of(base), clock_wall_ns(), &diff.base.from_ns, &diff.base.to_ns)) {
        fprintf(stderr, "faultline graph: --diff is a window: FROM..TO\n");
        return EXIT_USAGE;
    }
    buf_init(&path, 8192);
    buf_add_c(&path, "graph/diff");
    ask_parameter(&path, "from", option(options, "from"));
    ask_parameter(&path, "to", option(options, "to"));
    ask_parameter(&path, "base", base);
    ask_parameter(&path, "level", option(options, "level"));
    buf_add_char(&path, '\0');
    struct question question = {path.p, ask_diff, &diff};
    int code = show_answer(options, &question, show_diff);
    buf_fini(&path);
    return code;
}

/* ---- graph --check ---- */

static int ask_security(struct query *query, const void *what, struct buf *out, struct err *err)
{
    return query_security_json(query, what, out, err);
}

/* Violations stand first. */
static int show_violations(const struct options *options, const struct tree *tree)
{
    (void)options;
    int code = EXIT_GOOD;
    for (const struct tree *item = tree_get(tree, "items")->first; item; item = item->next) {
        if (!str_eq(tree_get(item, "violation")->text, STR("true")))
            break;
        code = EXIT_BAD_ANSWER;
        if (wants(options, "json"))
            continue;
        print_clean(tree_get(tree_get(item, "caller"), "service")->text, 34);
        printf(" \xe2\x86\x92  ");
        print_clean(tree_get(tree_get(item, "callee"), "service")->text, 34);
        printf("  %.0f of %.0f calls in clear text\n", tree_number(tree_get(item, "plaintext")),
               tree_number(tree_get(item, "calls")));
    }
    return code;
}

static int check_graph(const struct options *options, struct window window)
{
    struct query_filter filter = {.window = window, .limit = 1000};
    struct buf path;
    buf_init(&path, 8192);
    buf_add_c(&path, "security?limit=1000");
    ask_parameter(&path, "from", option(options, "from"));
    ask_parameter(&path, "to", option(options, "to"));
    buf_add_char(&path, '\0');
    struct question question = {path.p, ask_security, &filter};
    int code = show_answer(options, &question, show_violations);
    buf_fini(&path);
    return code;
}

int command_graph(const struct options *options)
{
    const char *level = option(options, "level"), *format = option(options, "format");
    const char *layer = option(options, "layer");
    struct graph_question graph = {.view.physical = layer && strcmp(layer, "physical") == 0};
    struct buf path;
    if (format && !wants(options, "table") && !wants(options, "dot") &&
        !wants(options, "mermaid") && !wants(options, "json"))
        return bad_format(options, "table, dot, mermaid or json");
    if (level && strcmp(level, "service") != 0 && strcmp(level, "version") != 0) {
        fprintf(stderr, "faultline graph: --level is service or version\n");
        return EXIT_USAGE;
    }
    if (layer && !graph.view.physical && strcmp(layer, "logical") != 0) {
        fprintf(stderr, "faultline graph: --layer is logical or physical\n");
        return EXIT_USAGE;
    }
    if (!read_window(options, 15 * NS_PER_MINUTE, &graph.window))
        return EXIT_USAGE;
    if (option(options, "check"))
        return check_graph(options, graph.window);
    graph.level = level && strcmp(level, "version") == 0 ? LEVEL_VERSION : LEVEL_SERVICE;
    if (option(options, "diff"))
        return diff_graph(options, graph.window, graph.level);
    buf_init(&path, 8192);
    buf_add_c(&path, "graph");
    ask_parameter(&path, "from", option(options, "from"));
    ask_parameter(&path, "to", option(options, "to"));
    ask_parameter(&path, "level", level);
    ask_parameter(&path, "layer", layer);
    buf_add_char(&path, '\0');
    struct question question = {path.p, ask_graph, &graph};
    int code = show_answer(options, &question, show_graph);
    buf_fini(&path);
    return code;
}

/* ---- tail ---- */

static int never_asked(struct query *query, const void *what, struct buf *out, struct err *err)
{
    (void)query, (void)what, (void)out;
    return err_set(err, ERR_INVALID, "tail asks a running collector");
}

static int show_tail(const struct options *options, const struct tree *tree)
{
    static char last[40];
    const struct tree *items[64];
    size_t n = 0;
    for (const struct tree *item = tree_get(tree, "items")->first; item && n < 64;
         item = item->next)
        items[n++] = item;
    while (n-- > 0) {
        struct str at = tree_get(items[n], "at")->text;
        if (str_cmp(at, str_of(last)) <= 0)
            continue;
        snprintf(last, sizeof(last), "%.*s", STR_ARG(at));
        print_time(options, at, 30);
        printf("  ");
        print_clean(tree_get(items[n], "sender")->text, 18);
        printf(" ");
        print_clean(tree_get(items[n], "format")->text, 12);
        printf(" %9.0f B %6.0f records", tree_number(tree_get(items[n], "bytes")),
               tree_number(tree_get(items[n], "records")));
        printf(" %s%5.0f rejected ",
               paint(tree_number(tree_get(items[n], "rejected")) > 0 ? RED : ""),
               tree_number(tree_get(items[n], "rejected")));
        print_clean(tree_get(items[n], "reason")->text, 1000);
        printf("%s\n", paint(PLAIN));
    }
    fflush(stdout);
    return EXIT_GOOD;
}

int command_tail(const struct options *given)
{
    struct options options = *given;
    struct question question = {"tail", never_asked, NULL};
    if (!option(&options, "url"))
        options.values[0] = "http://127.0.0.1:4319"; /* the first row of tail's options */
    int code = show_answer(&options, &question, show_tail);
    while (code == EXIT_GOOD && option(&options, "follow")) {
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        code = show_answer(&options, &question, show_tail);
    }
    return code;
}
