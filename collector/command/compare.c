/* compare.c - a candidate version against a baseline, asked from the terminal. */
#include "collector/command/compare.h"

#include <math.h>
#include <stdio.h>

#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "collector/command/ask.h"

#define MIN_CALLS 30

static int ask_comparison(struct query *query, const void *what, struct buf *out, struct err *err)
{
    return compare_json(query, what, out, err);
}

static bool read_request(const struct options *options, struct comparison_request *request)
{
    const char *service = option(options, "service"), *format = option(options, "format");
    uint64_t now_ns = clock_wall_ns();
    *request = (struct comparison_request){.baseline = str_of(option(options, "baseline")),
                                           .candidate = str_of(option(options, "candidate")),
                                           .to_ns = now_ns,
                                           .min_calls = MIN_CALLS};
    bool good = option_time(options, "to", now_ns, &request->to_ns);
    request->from_ns = request->to_ns > COMPARE_WINDOW_NS ? request->to_ns - COMPARE_WINDOW_NS : 0;
    good = option_time(options, "from", now_ns, &request->from_ns) && good;
    if (good && request->from_ns > request->to_ns)
        good = complain(options, "--from is before --to");
    if (format && strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
        good = complain(options, "--format is text or json");
    if (request->candidate.len && str_eq(request->candidate, request->baseline))
        good = complain(options, "--baseline and --candidate are the same version");
    if (!service || !*service)
        return complain(options,
                        "--service NAME, with --baseline and --candidate: two of its versions");
    node_read_text(str_of(service), &request->cluster, &request->namespace, &request->service);
    return good;
}

/* ---- text ---- */

static void print_size(double size, struct str unit)
{
    if (str_eq(unit, STR("ratio")))
        printf("%.2f", 100 * size);
    else if (str_eq(unit, STR("count")))
        printf("%.2f", size);
    else if (size < 1e6)
        printf("%.0f us", size / 1e3);
    else
        printf("%.1f ms", size / 1e6);
}

static void print_value(double value, struct str unit)
{
    putchar(value < 0 ? '-' : '+');
    print_size(fabs(value), unit);
}

static void print_side(const struct tree *side, const char *what)
{
    printf("%-11s", what);
    print_clean(tree_get(side, "version")->text, 20);
    printf(" %7.0f calls, %.0f failed (%.2f %%), p50", tree_number(tree_get(side, "calls")),
           tree_number(tree_get(side, "errors")), 100 * tree_number(tree_get(side, "error_share")));
    print_ns(tree_get(side, "p50_ns"), 9);
    printf(", p95");
    print_ns(tree_get(side, "p95_ns"), 9);
    printf(", p99");
    print_ns(tree_get(side, "p99_ns"), 9);
    printf("\n");
}

static void print_measure(const struct tree *check)
{
    struct str metric = tree_get(check, "metric")->text;
    const struct tree *peer = tree_get(check, "peer");
    bool slow = str_eq(metric, STR("latency")) &&
                str_eq(tree_get(check, "test")->text, STR("two_proportions"));
    char text[300];
    struct str name = tree_get(peer, "service")->text;
    if (peer->type != JSON_OBJECT)
        snprintf(text, sizeof(text), "%.*s", STR_ARG(slow ? STR("slow calls") : metric));
    else if (str_eq(metric, STR("flow")))
        snprintf(text, sizeof(text), "calls to %.*s", STR_ARG(name));
    else
        snprintf(text, sizeof(text), "errors of %.*s", STR_ARG(name));
    print_clean(str_of(text), 28);
}

static const char *colour_of(struct str verdict)
{
    if (str_eq(verdict, str_of(compared_word(COMPARED_WORSE))))
        return paint("\033[1;31m");
    return str_eq(verdict, str_of(compared_word(COMPARED_NOT_ENOUGH))) ? paint("\033[2m") : "";
}

static void print_check(const struct tree *check)
{
    struct str unit = tree_get(check, "unit")->text, verdict = tree_get(check, "verdict")->text;
    const struct tree *low = tree_get(check, "interval")->first;
    printf("%s", colour_of(verdict));
    print_measure(check);
    print_value(tree_number(tree_get(check, "effect")), unit);
    if (low && low->next) {
        printf("  [");
        print_value(tree_number(low), unit);
        printf(" .. ");
        print_value(tree_number(low->next), unit);
        printf("]%s", str_eq(unit, STR("ratio")) ? " points" : "");
    }
    printf("  %.*s", STR_ARG(verdict));
    printf(" (%.*s, margin ", STR_ARG(tree_get(check, "test")->text));
    print_size(tree_number(tree_get(check, "margin")), unit);
    printf(")");
    if (tree_get(check, "need")->type == JSON_NUMBER)
        printf(", about %.0f more calls needed", tree_number(tree_get(check, "need")));
    printf("%s\n", paint("\033[0m"));
}

static void print_comparison(const struct options *options, const struct tree *tree)
{
    const struct tree *window = tree_get(tree, "window");
    struct str verdict = tree_get(tree, "verdict")->text;
    printf("%s%.*s%s  ", colour_of(verdict), STR_ARG(verdict), paint("\033[0m"));
    print_clean(tree_get(tree_get(tree, "service"), "service")->text, 1000);
    printf(", ");
    print_time(options, tree_get(window, "from")->text, 19);
    printf(" .. ");
    print_time(options, tree_get(window, "to")->text, 19);
    printf(", where both took calls\n");
    print_side(tree_get(tree, "baseline"), "baseline");
    print_side(tree_get(tree, "candidate"), "candidate");
    if (tree_number(tree_get(tree_get(tree, "candidate"), "calls")) == 0)
        printf(
            "there is no minute in which both took calls: 'faultline graph --level version' shows "
            "which versions did\n");
    for (const struct tree *at = tree_get(tree, "checks")->first; at; at = at->next)
        print_check(at);
    printf("intervals: 95 %% at all looks together (confidence sequences), of candidate less "
           "baseline on the same callers and operations\n");
    if (tree_get(tree, "examples")->first)
        printf("trace      %.*s\n", STR_ARG(tree_get(tree, "examples")->first->text));
}

static int exit_of(const struct tree *tree)
{
    struct str verdict = tree_get(tree, "verdict")->text;
    if (str_eq(verdict, str_of(compared_word(COMPARED_WORSE))))
        return EXIT_BAD_ANSWER;
    return str_eq(verdict, str_of(compared_word(COMPARED_NOT_ENOUGH))) ? EXIT_NO_DATA : EXIT_GOOD;
}

int command_compare(const struct options *options)
{
    static const char *const names[] = {"service", "baseline", "candidate", "from", "to"};
    struct comparison_request request;
    struct buf path;
    if (!read_request(options, &request))
        return EXIT_USAGE;
    ask_path(&path, "compare");
    for (int i = 0; i < 5; i++)
        ask_parameter(&path, names[i], option(options, names[i]));
    struct question question = {buf_str(&path), ask_comparison, &request};
    int code = ask_for_verdict(options, &question, exit_of, print_comparison);
    buf_fini(&path);
    return code;
}
