/* tail.c - the last batches received, for who misses spans. */
#include <stdio.h>
#include <time.h>

#include "collector/command/show.h"

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
    (void)options;
    for (const struct tree *item = tree_get(tree, "items")->first; item && n < 64;
         item = item->next)
        items[n++] = item;
    while (n-- > 0) {
        struct str at = tree_get(items[n], "at")->text;
        if (str_cmp(at, str_of(last)) <= 0)
            continue;
        snprintf(last, sizeof(last), "%.*s", STR_ARG(at));
        printf("%.*s  ", STR_ARG(at));
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
