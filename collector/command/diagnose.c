/* diagnose.c - where a fault began, asked from the terminal or by the API. */
#include "collector/command/diagnose.h"

#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "collector/base/times.h"
#include "collector/command/ask.h"
#include "collector/localise/localise.h"
#include "collector/localise/onset.h"

#define ARENA_BYTES ((size_t)256 << 20)
#define MAX_NAMES (1u << 20)
#define MAX_NAME_BYTES ((size_t)128 << 20)
#define MAX_NODES 200000u
#define MAX_MINUTES 10080 /* a week, for the onset */
#define DEFAULT_WINDOW_NS (5 * NS_PER_MINUTE)
#define DEFAULT_BASELINE_NS (30 * NS_PER_MINUTE)
#define MIN_REQUESTS 30
#define DEFAULT_LIMIT 10

struct diagnosis_texts {
    struct names *names;
    struct nodes *nodes;
};

void diagnosis_texts_free(struct diagnosis_texts *texts)
{
    if (!texts)
        return;
    nodes_free(texts->nodes);
    names_free(texts->names);
    free(texts);
}

static struct diagnosis_texts *texts_new(void)
{
    struct diagnosis_texts *texts = calloc(1, sizeof(*texts));
    if (!texts)
        return NULL;
    texts->names = names_new(MAX_NAMES, MAX_NAME_BYTES);
    texts->nodes = nodes_new(MAX_NODES);
    if (texts->names && texts->nodes)
        return texts;
    diagnosis_texts_free(texts);
    return NULL;
}

static uint64_t minute_down(uint64_t ns)
{
    return ns - ns % NS_PER_MINUTE;
}

static uint64_t minute_up(uint64_t ns)
{
    return minute_down(ns + NS_PER_MINUTE - 1);
}

/* The half hour before the window. What an incident spoilt is not normal: where the window begins
 * within one, the half hour before its onset. */
static void set_default_baseline(struct query *query, struct diagnosis *diagnosis)
{
    struct err err = {0};
    uint64_t onset_ns;
    if (query_onset_before(query, diagnosis->from_ns, &onset_ns, &err) || !onset_ns)
        onset_ns = diagnosis->from_ns;
    diagnosis->baseline_to_ns = minute_down(onset_ns);
    diagnosis->baseline_from_ns = diagnosis->baseline_to_ns > DEFAULT_BASELINE_NS
                                      ? diagnosis->baseline_to_ns - DEFAULT_BASELINE_NS
                                      : 0;
}

/* Whole minutes; a minute that is in both belongs to now. */
static void set_windows(struct query *query, const struct diagnosis_request *request,
                        struct diagnosis *diagnosis)
{
    diagnosis->from_ns = minute_down(request->from_ns);
    diagnosis->to_ns = minute_up(request->to_ns);
    diagnosis->baseline_from_ns = minute_down(request->baseline_from_ns);
    diagnosis->baseline_to_ns = minute_up(request->baseline_to_ns);
    if (!request->baseline_to_ns)
        set_default_baseline(query, diagnosis);
    bool overlap = diagnosis->baseline_from_ns < diagnosis->from_ns &&
                   diagnosis->baseline_to_ns > diagnosis->from_ns;
    if (overlap)
        diagnosis->baseline_to_ns = diagnosis->from_ns;
}

/* ---- onset ---- */

/* What is over belongs to another incident, and what was said to be normal is. */
static int find_onset(struct query *query, bool stated, struct diagnosis *diagnosis,
                      struct err *err)
{
    size_t n;
    struct request_minute *rows = malloc(MAX_MINUTES * sizeof(*rows));
    if (!rows)
        return err_set(err, ERR_BUSY, "memory is short");
    struct window window = {diagnosis->baseline_from_ns < diagnosis->from_ns
                                ? diagnosis->baseline_from_ns
                                : diagnosis->from_ns,
                            diagnosis->to_ns};
    bool before = stated && diagnosis->baseline_to_ns <= diagnosis->from_ns;
    if (query_request_minutes(query, window, diagnosis->from_ns, rows, MAX_MINUTES, &n, err) == 0)
        diagnosis->onset_ns = onset_ns(rows, n, before ? diagnosis->baseline_to_ns : 0);
    free(rows);
    return err->code;
}

/* ---- the diagnosis ---- */

static int read_both(struct query *query, const struct rollup_question questions[2],
                     struct rollup rollups[2], struct err *err)
{
    for (int i = 0; i < 2 && !err->code; i++)
        query_rollup(query, &questions[i], &rollups[i], err);
    return err->code;
}

static double length_s(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0;
}

int diagnose(struct query *query, const struct diagnosis_request *request, struct arena *arena,
             struct diagnosis *diagnosis, struct diagnosis_texts **texts, struct err *err)
{
    struct rollup rollups[2];
    *diagnosis = (struct diagnosis){0};
    set_windows(query, request, diagnosis);
    if (query_incident_at(query, (struct window){diagnosis->from_ns, diagnosis->to_ns},
                          &diagnosis->incident, err))
        return err->code;
    *texts = texts_new();
    if (!*texts)
        return err_set(err, ERR_BUSY, "memory is short");
    for (int i = 0; i < 2; i++)
        rollup_init(&rollups[i], UINT32_MAX);
    struct localise_input input = {
        .normal = &rollups[0],
        .now = &rollups[1],
        .normal_s = length_s(diagnosis->baseline_from_ns, diagnosis->baseline_to_ns),
        .now_s = length_s(diagnosis->from_ns, diagnosis->to_ns),
        .names = (*texts)->names,
        .nodes = (*texts)->nodes,
        .level = request->level,
        .limit = request->limit > SUSPECTS_WEIGHED ? request->limit : SUSPECTS_WEIGHED,
        .min_requests = request->min_requests,
        .incident = diagnosis->incident != 0};
    const struct rollup_question questions[2] = {
        {{diagnosis->baseline_from_ns, diagnosis->baseline_to_ns},
         request->baseline_to_ns ? ROLLUP_ALL : ROLLUP_NORMAL,
         (*texts)->names,
         (*texts)->nodes},
        {{diagnosis->from_ns, diagnosis->to_ns}, ROLLUP_ALL, (*texts)->names, (*texts)->nodes}};
    if (read_both(query, questions, rollups, err) == 0 && !localise(&input, arena, diagnosis))
        err_set(err, ERR_BUSY, "memory is short for a diagnosis of this window");
    for (int i = 0; i < 2; i++)
        rollup_fini(&rollups[i]);
    bool spans = diagnosis->baseline.n > 0 || diagnosis->now.n > 0;
    if (!err->code && spans && diagnosis->verdict == VERDICT_INCIDENT)
        find_onset(query, request->baseline_to_ns, diagnosis, err);
    if (!err->code && !spans)
        diagnose_series(query, request, arena, diagnosis, err);
    bool requests = spans || diagnosis->verdict != VERDICT_NOT_ENOUGH;
    if (!err->code && !requests)
        diagnose_gauges(query, request, arena, diagnosis, err);
    else if (!err->code && diagnosis->verdict == VERDICT_NOTHING &&
             request->level == SUSPECT_SERVICE)
        diagnosis_add_hints(query, spans, request->limit, arena, diagnosis, err);
    else if (!err->code)
        diagnosis_add_metrics(query, arena, request->limit, true, diagnosis, err);
    for (uint32_t i = 0; i < diagnosis->n_suspects && !err->code; i++)
        diagnosis_add_examples(query, diagnosis, &diagnosis->suspects[i]);
    if (!err->code && diagnosis->verdict == VERDICT_INCIDENT)
        diagnosis_add_attributes(query, diagnosis, arena, &diagnosis->suspects[0]);
    return err->code;
}

int diagnose_json(struct query *query, const struct diagnosis_request *request, struct buf *out,
                  struct err *err)
{
    struct diagnosis_texts *texts = NULL;
    struct diagnosis diagnosis;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    if (diagnose(query, request, &arena, &diagnosis, &texts, err) == 0)
        diagnosis_json(&diagnosis, out);
    diagnosis_texts_free(texts);
    arena_fini(&arena);
    return err->code;
}

/* ---- the command ---- */

static int ask_diagnosis(struct query *query, const void *what, struct buf *out, struct err *err)
{
    return diagnose_json(query, what, out, err);
}

static bool read_baseline(const struct options *options, uint64_t now_ns,
                          struct diagnosis_request *request)
{
    const char *text = option(options, "baseline");
    if (!text)
        return true;
    struct str from, to = str_of(text);
    ptrdiff_t dots = -1;
    for (size_t i = 0; i + 1 < to.len && dots < 0; i++)
        dots = to.p[i] == '.' && to.p[i + 1] == '.' ? (ptrdiff_t)i : -1;
    from = (struct str){to.p, dots < 0 ? 0 : (size_t)dots};
    to = dots < 0 ? STR_NONE : str_skip(to, (size_t)dots + 2);
    if (dots >= 0 && time_parse(from, now_ns, &request->baseline_from_ns) &&
        time_parse(to, now_ns, &request->baseline_to_ns) &&
        request->baseline_from_ns < request->baseline_to_ns)
        return true;
    return complain(options, "--baseline is FROM..TO, from before to");
}

static bool read_request(const struct options *options, struct diagnosis_request *request)
{
    const char *level = option(options, "level"), *limit = option(options, "limit");
    const char *format = option(options, "format");
    uint64_t now_ns = clock_wall_ns(), number = DEFAULT_LIMIT;
    int word = level ? suspect_level_from_word(str_of(level)) : SUSPECT_SERVICE;
    *request = (struct diagnosis_request){.to_ns = now_ns, .min_requests = MIN_REQUESTS};
    bool good = option_time(options, "to", now_ns, &request->to_ns);
    request->from_ns = request->to_ns > DEFAULT_WINDOW_NS ? request->to_ns - DEFAULT_WINDOW_NS : 0;
    good = option_time(options, "from", now_ns, &request->from_ns) && good;
    if (good && request->from_ns > request->to_ns)
        good = complain(options, "--from is after --to");
    good = read_baseline(options, now_ns, request) && good;
    if (format && strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
        good = complain(options, "--format is text or json");
    if (word < 0)
        good = complain(options, "--level is service, version, instance or operation");
    if (limit && (!str_to_u64(str_of(limit), &number) || number < 1 || number > 1000))
        good = complain(options, "--limit is 1 to 1000");
    request->level = (enum suspect_level)word;
    request->limit = (uint32_t)number;
    return good;
}

static void print_suspect(const struct tree *suspect)
{
    const struct tree *node = tree_get(suspect, "node");
    bool significant = tree_get(suspect, "significant")->type == JSON_TRUE;
    printf("\n%s%2.0f  ", paint(significant ? "\033[1m" : "\033[2m"),
           tree_number(tree_get(suspect, "rank")));
    print_clean(tree_get(node, "service")->text, 1000);
    const struct str more[3] = {tree_get(node, "version")->text,
                                tree_get(suspect, "instance")->text,
                                tree_get(suspect, "operation")->text};
    for (int i = 0; i < 3; i++) {
        if (more[i].len)
            printf(" "), print_clean(more[i], 1000);
    }
    if (str_eq(tree_get(suspect, "kind")->text, STR("hop"))) {
        printf(", the way between it and ");
        print_clean(tree_get(tree_get(suspect, "peer"), "service")->text, 1000);
    } else if (str_eq(tree_get(suspect, "kind")->text, STR("edge"))) {
        printf(", with ");
        print_clean(tree_get(tree_get(suspect, "peer"), "service")->text, 1000);
        printf(" alone");
    }
    double score = tree_number(tree_get(suspect, "score"));
    char worth[32] = "below 0.001";
    if (score >= 0.0005)
        snprintf(worth, sizeof(worth), "%.3f", score);
    printf("%s  score %s, %.0f %% sure%s\n", paint("\033[0m"), worth,
           100 * tree_number(tree_get(suspect, "confidence")), significant ? "" : ", a hint");
    for (const struct tree *at = tree_get(suspect, "evidence")->first; at; at = at->next) {
        printf("      ");
        print_clean(tree_get(at, "kind")->text, 10);
        print_clean(tree_get(at, "text")->text, 1000);
        printf("\n");
    }
    for (const struct tree *at = tree_get(suspect, "narrowed")->first; at; at = at->next) {
        printf("      only      ");
        print_clean(tree_get(at, "dimension")->text, 1000);
        printf(" ");
        if (!str_eq(tree_get(at, "name")->text, tree_get(at, "dimension")->text)) {
            print_clean(tree_get(at, "name")->text, 1000);
            printf(" = ");
        }
        print_clean(tree_get(at, "value")->text, 1000);
        printf(": %.0f %% of it\n", 100 * tree_number(tree_get(at, "share")));
    }
    for (const struct tree *at = tree_get(suspect, "not")->first; at; at = at->next) {
        printf("      not       ");
        print_clean(at->text, 1000);
        printf("\n");
    }
    if (tree_get(suspect, "examples")->first)
        printf("      trace     %.*s\n", STR_ARG(tree_get(suspect, "examples")->first->text));
}

static void print_window(const struct options *options, const char *name, const struct tree *window)
{
    printf("\n%s", name);
    print_time(options, tree_get(window, "from")->text, 19);
    printf(" .. ");
    print_time(options, tree_get(window, "to")->text, 19);
}

static void print_diagnosis(const struct options *options, const struct tree *tree)
{
    const struct tree *window = tree_get(tree, "window"), *base = tree_get(tree, "baseline");
    const struct tree *now = tree_get(tree_get(tree, "requests"), "now");
    const struct tree *was = tree_get(tree_get(tree, "requests"), "baseline");
    print_clean(tree_get(tree, "verdict")->text, 1000);
    print_window(options, "now     ", window);
    printf("  %.0f requests, %.0f failed, p95 ", tree_number(tree_get(now, "n")),
           tree_number(tree_get(now, "failed")));
    print_ns(tree_get(now, "p95_ns"), 8);
    print_window(options, "normal  ", base);
    printf("  %.0f requests, %.0f failed, p95 ", tree_number(tree_get(was, "n")),
           tree_number(tree_get(was, "failed")));
    print_ns(tree_get(was, "p95_ns"), 8);
    if (tree_get(tree, "onset")->type == JSON_STRING)
        printf("\nsince   "), print_time(options, tree_get(tree, "onset")->text, 19);
    if (tree_get(tree, "incident")->type == JSON_STRING)
        printf("\nincident %.*s", STR_ARG(tree_get(tree, "incident")->text));
    if (tree_get(tree, "need")->type == JSON_OBJECT)
        printf("\n%.0f more requests are needed",
               tree_number(tree_get(tree_get(tree, "need"), "requests")));
    printf("\n");
    for (const struct tree *at = tree_get(tree, "suspects")->first; at; at = at->next)
        print_suspect(at);
}

static int exit_of(const struct tree *tree)
{
    struct str verdict = tree_get(tree, "verdict")->text;
    if (str_eq(verdict, str_of(verdict_word(VERDICT_INCIDENT))))
        return EXIT_BAD_ANSWER;
    return str_eq(verdict, str_of(verdict_word(VERDICT_NOT_ENOUGH))) ? EXIT_NO_DATA : EXIT_GOOD;
}

static void write_path(const struct options *options, struct buf *path)
{
    static const char *const names[] = {"from", "to", "baseline", "level", "limit"};
    ask_path(path, "diagnose");
    for (int i = 0; i < 5; i++)
        ask_parameter(path, names[i], option(options, names[i]));
}

int command_diagnose(const struct options *options)
{
    struct diagnosis_request request;
    struct buf path;
    if (!read_request(options, &request))
        return EXIT_USAGE;
    write_path(options, &path);
    struct question question = {buf_str(&path), ask_diagnosis, &request};
    int code = ask_for_verdict(options, &question, exit_of, print_diagnosis);
    buf_fini(&path);
    return code;
}
