/* tail.c - the last batches received, and who sent them, for who misses spans. */
#include <stdio.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "collector/base/times.h"
#include "collector/command/show.h"

#define N_TAIL 20 /* what is shown at first, and asked for at once */
#define ANSWER_BYTES ((size_t)1 << 20)

static int never_asked(struct query *query, const void *what, struct buf *out, struct err *err)
{
    (void)query, (void)what, (void)out;
    return err_set(err, ERR_INVALID, "tail asks a running collector");
}

static void print_item(const struct options *options, const struct tree *item)
{
    bool bad = tree_get(item, "reason")->text.len > 0;
    print_time(options, tree_get(item, "at")->text, 30);
    printf("  ");
    print_clean(tree_get(item, "sender")->text, 18);
    printf(" ");
    print_clean(tree_get(item, "transport")->text, 5);
    printf(" ");
    print_clean(tree_get(item, "format")->text, 15);
    printf(" %9.0f B %6.0f records %s%5.0f rejected  ", tree_number(tree_get(item, "bytes")),
           tree_number(tree_get(item, "records")), paint(bad ? RED : ""),
           tree_number(tree_get(item, "rejected")));
    print_clean(tree_get(item, "reason")->text, 1000);
    printf("%s\n", paint(PLAIN));
}

static int show_items(const struct options *options, const struct tree *tree)
{
    const struct tree *items[N_TAIL];
    size_t n = 0;
    for (const struct tree *item = tree_get(tree, "items")->first; item && n < N_TAIL;
         item = item->next)
        items[n++] = item;
    while (n-- > 0) /* the newest comes first, and is to be the last line */
        print_item(options, items[n]);
    return EXIT_GOOD;
}

/* "3 s ago", "2 h ago", "in 5 min" */
static void print_ago(struct str time, uint64_t now_ns)
{
    static const struct {
        uint64_t from_s, unit_s;
        const char *name;
    } units[] = {{2 * 86400, 86400, "days"}, {7200, 3600, "h"}, {120, 60, "min"}, {0, 1, "s"}};
    uint64_t at_ns = 0;
    time_parse(time, now_ns, &at_ns);
    bool ahead = at_ns > now_ns;
    uint64_t s = (ahead ? at_ns - now_ns : now_ns - at_ns) / NS_PER_S;
    size_t i = 0;
    while (s < units[i].from_s)
        i++;
    printf(ahead ? "in %llu %s" : "%llu %s ago", (unsigned long long)(s / units[i].unit_s),
           units[i].name);
}

static void print_sender(const struct tree *sender, uint64_t now_ns)
{
    const struct tree *event = tree_get(sender, "last_event");
    struct str reason = tree_get(sender, "reason")->text;
    print_clean(tree_get(sender, "sender")->text, 18);
    printf(" ");
    print_clean(tree_get(sender, "transport")->text, 5);
    printf(" ");
    print_clean(tree_get(sender, "format")->text, 15);
    printf(" %8.0f batches %10.0f records %6.0f rejected %6.0f refused  ",
           tree_number(tree_get(sender, "batches")), tree_number(tree_get(sender, "records")),
           tree_number(tree_get(sender, "rejected")), tree_number(tree_get(sender, "refused")));
    print_ago(tree_get(sender, "last")->text, now_ns);
    if (event->type == JSON_STRING) {
        printf(", its last record of ");
        print_ago(event->text, now_ns);
    }
    if (reason.len) {
        printf("\n    %s", paint(RED));
        print_ago(tree_get(sender, "last_refusal")->text, now_ns);
        printf(": ");
        print_clean(reason, 1000);
        printf("%s", paint(PLAIN));
    }
    printf("\n");
}

static int show_senders(const struct options *options, const struct tree *tree)
{
    const struct tree *senders = tree_get(tree, "senders");
    uint64_t now_ns = clock_wall_ns();
    (void)options;
    if (!senders->first) {
        printf("Nothing came since the collector started. It listens on:");
        for (const struct tree *at = tree_get(tree, "listeners")->first; at; at = at->next)
            printf(" %.*s %.*s", STR_ARG(at->key), STR_ARG(at->text));
        printf("\n");
        return EXIT_GOOD;
    }
    printf("\n%sWho sent it, since the start:%s\n", paint(BOLD), paint(PLAIN));
    for (const struct tree *sender = senders->first; sender; sender = sender->next)
        print_sender(sender, now_ns);
    return EXIT_GOOD;
}

/* ---- following ---- */

struct following {
    uint64_t at;     /* the number of the last batch shown; behind nothing: UINT64_MAX */
    uint64_t n_last; /* how many the last answer had */
};

/* What the collector forgot before it was asked for is not left out in silence. */
static void tell_gap(const struct following *following, uint64_t next)
{
    uint64_t first = next - following->n_last; /* the number before the first of the answer */
    bool anew = next < following->at;
    uint64_t n = anew ? first : first - following->at;
    if (following->at == UINT64_MAX)
        return;
    if (anew)
        fprintf(stderr, "faultline tail: the collector started anew\n");
    if (n)
        fprintf(stderr,
                "faultline tail: %llu batches were missed: more came at once than the collector "
                "remembers\n",
                (unsigned long long)n);
}

static int show_followed(const struct options *options, struct following *following,
                         const struct buf *answer, const struct tree *tree)
{
    const struct tree *items = tree_get(tree, "items");
    uint64_t next = 0;
    following->n_last = 0;
    for (const struct tree *item = items->first; item; item = item->next)
        following->n_last++;
    if (!str_to_u64(tree_get(tree, "next")->text, &next) || next < following->n_last) {
        fprintf(stderr, "faultline tail: this collector is too old to be followed\n");
        return EXIT_NOT_DONE;
    }
    tell_gap(following, next);
    following->at = next;
    if (following->n_last && wants(options, "json"))
        printf("%.*s\n", (int)answer->len, answer->p);
    for (const struct tree *item = items->first; item && !wants(options, "json"); item = item->next)
        print_item(options, item);
    return ferror(stdout) ? EXIT_NOT_DONE : EXIT_GOOD;
}

static int ask_followed(const struct options *options, struct following *following)
{
    char path[80];
    struct buf answer;
    struct arena arena;
    int n = snprintf(path, sizeof(path), "tail?follow=1&limit=%d", N_TAIL);
    if (following->at != UINT64_MAX)
        snprintf(path + n, sizeof(path) - (size_t)n, "&cursor=%llu",
                 (unsigned long long)following->at);
    struct question question = {str_of(path), never_asked, NULL};
    buf_init(&answer, ANSWER_BYTES);
    arena_init(&arena, ANSWER_BYTES);
    int code = ask(options, &question, &answer);
    if (code == EXIT_GOOD)
        code = show_followed(options, following, &answer, tree_read(&arena, buf_str(&answer)));
    arena_fini(&arena);
    buf_fini(&answer);
    return code;
}

/* Whoever reads a pipe has every line at once, and whole also when we are ended. */
static int follow(const struct options *options)
{
    static char line[1 << 16];
    struct following following = {.at = UINT64_MAX};
    int code;
    setvbuf(stdout, line, _IOLBF, sizeof(line));
    while ((code = ask_followed(options, &following)) == EXIT_GOOD) {
        if (following.n_last < N_TAIL)
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
    return code;
}

int command_tail(const struct options *given)
{
    struct options options = *given;
    struct question last = {STR("tail"), never_asked, NULL},
                    status = {STR("status"), never_asked, NULL};
    if (option(&options, "format") && !wants(&options, "text") && !wants(&options, "json"))
        return bad_format(&options, "text or json");
    if (!option(&options, "url"))
        options.values[0] = "http://127.0.0.1:4319"; /* the first row of tail's options */
    if (option(&options, "follow"))
        return follow(&options);
    int code = show_answer(&options, &last, show_items);
    if (code == EXIT_GOOD && !wants(&options, "json"))
        return show_answer(&options, &status, show_senders);
    return code;
}
