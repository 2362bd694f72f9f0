/* show_graph.c - graph: the calls of a window, what changed, what is in clear text. */
#include <stdio.h>

#include "collector/base/clock.h"
#include "collector/base/times.h"
#include "collector/command/show.h"

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

/* The minutes that are told of. */
static void print_window(const struct options *options, const char *what, const struct tree *window)
{
    printf("%s%s", paint(DIM), what);
    print_time(options, tree_get(window, "from")->text, 30);
    printf(" .. ");
    print_time(options, tree_get(window, "to")->text, 30);
    printf("%s\n", paint(PLAIN));
}

static int show_graph(const struct options *options, const struct tree *tree)
{
    if (wants(options, "dot"))
        return show_dot(tree);
    if (wants(options, "mermaid"))
        return show_mermaid(tree);
    print_window(options, "", tree);
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

static int ask_diff(struct query *query, const void *what, struct buf *out, struct err *err)
{
    const struct graph_question *diff = what;
    return query_graph_diff_json(query, diff->window, diff->level, &diff->view, out, err);
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
    print_window(options, "", tree);
    print_window(options, "was     ", tree_get(tree, "base"));
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
    struct graph_question diff = {.window = window, .level = level};
    struct window *base_window = &diff.view.base;
    const char *base = option(options, "diff");
    struct buf path;
    if (!window_parse(str_of(base), clock_wall_ns(), &base_window->from_ns, &base_window->to_ns)) {
        fprintf(stderr, "faultline graph: --diff is a window: FROM..TO\n");
        return EXIT_USAGE;
    }
    ask_path(&path, "graph/diff");
    ask_parameter(&path, "from", option(options, "from"));
    ask_parameter(&path, "to", option(options, "to"));
    ask_parameter(&path, "base", base);
    ask_parameter(&path, "level", option(options, "level"));
    struct question question = {buf_str(&path), ask_diff, &diff};
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
    ask_path(&path, "security?limit=1000");
    ask_parameter(&path, "from", option(options, "from"));
    ask_parameter(&path, "to", option(options, "to"));
    struct question question = {buf_str(&path), ask_security, &filter};
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
    int wrong = 0;
    bool drawn = wants(options, "dot") || wants(options, "mermaid");
    if (format && !drawn && !wants(options, "table") && !wants(options, "json"))
        wrong = bad_format(options, "table, dot, mermaid or json");
    if (drawn && (option(options, "check") || option(options, "diff")))
        wrong = bad_format(options, "table or json with --diff and --check");
    if (level && strcmp(level, "service") != 0 && strcmp(level, "version") != 0) {
        fprintf(stderr, "faultline graph: --level is service or version\n");
        wrong = EXIT_USAGE;
    }
    if (layer && !graph.view.physical && strcmp(layer, "logical") != 0) {
        fprintf(stderr, "faultline graph: --layer is logical or physical\n");
        wrong = EXIT_USAGE;
    }
    if (!read_window(options, 15 * NS_PER_MINUTE, &graph.window) || wrong)
        return EXIT_USAGE;
    if (option(options, "check"))
        return check_graph(options, graph.window);
    graph.level = level && strcmp(level, "version") == 0 ? LEVEL_VERSION : LEVEL_SERVICE;
    if (option(options, "diff"))
        return diff_graph(options, graph.window, graph.level);
    ask_path(&path, "graph");
    ask_parameter(&path, "from", option(options, "from"));
    ask_parameter(&path, "to", option(options, "to"));
    ask_parameter(&path, "level", level);
    ask_parameter(&path, "layer", layer);
    struct question question = {buf_str(&path), ask_graph, &graph};
    int code = show_answer(options, &question, show_graph);
    buf_fini(&path);
    return code;
}
