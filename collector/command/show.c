/* show.c - asking and printing, for traces, trace, graph and tail. */
#include "collector/command/show.h"

#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/times.h"

#define ANSWER_BYTES ((size_t)256 << 20)

bool wants(const struct options *options, const char *format)
{
    const char *asked = option(options, "format");
    return asked && strcmp(asked, format) == 0;
}

int bad_format(const struct options *options, const char *formats)
{
    fprintf(stderr, "faultline %s: --format is %s\n", options->command->name, formats);
    return EXIT_USAGE;
}

bool read_window(const struct options *options, uint64_t default_ns, struct window *window)
{
    uint64_t now_ns = clock_wall_ns();
    *window = (struct window){.to_ns = now_ns};
    bool good = option_time(options, "to", now_ns, &window->to_ns);
    uint64_t end_ns = window->to_ns < now_ns ? window->to_ns : now_ns;
    window->from_ns = end_ns > default_ns ? end_ns - default_ns : 0;
    good = option_time(options, "from", now_ns, &window->from_ns) && good;
    if (good && window->from_ns > window->to_ns) {
        fprintf(stderr, "faultline %s: --from is after --to\n", options->command->name);
        good = false;
    }
    return good;
}

int show_answer(const struct options *options, const struct question *question,
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

int show_raw(const struct options *options, const struct question *question)
{
    struct buf answer;
    buf_init(&answer, ANSWER_BYTES);
    int code = ask(options, question, &answer);
    if (code == EXIT_GOOD) {
        fwrite(answer.p, 1, answer.len, stdout);
        putchar('\n');
    }
    buf_fini(&answer);
    return code;
}
