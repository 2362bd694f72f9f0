/* tail.c - the last batches received, and who sent them, for who misses spans. */
#include <stdio.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "collector/base/times.h"
#include "collector/command/show.h"

#define N_TAIL 20 /* what the collector keeps */

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

/* Prints what came since the last call, oldest first. */
static int show_items(const struct options *options, const struct tree *tree)
{
    static char last[40];
    const struct tree *items[64];
    size_t n = 0;
    for (const struct tree *item = tree_get(tree, "items")->first; item && n < 64;
         item = item->next)
        items[n++] = item;
    if (last[0] && n >= N_TAIL && str_cmp(tree_get(items[n - 1], "at")->text, str_of(last)) > 0)
        printf("%s… more came than is kept%s\n", paint(DIM), paint(PLAIN));
    while (n-- > 0) {
        struct str at = tree_get(items[n], "at")->text;
        if (str_cmp(at, str_of(last)) <= 0)
            continue;
        snprintf(last, sizeof(last), "%.*s", STR_ARG(at));
        print_item(options, items[n]);
    }
    fflush(stdout);
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

int command_tail(const struct options *given)
{
    struct options options = *given;
    struct question last = {STR("tail"), never_asked, NULL},
                    status = {STR("status"), never_asked, NULL};
    if (option(&options, "format") && !wants(&options, "text") && !wants(&options, "json"))
        return bad_format(&options, "text or json");
    if (!option(&options, "url"))
        options.values[0] = "http://127.0.0.1:4319"; /* the first row of tail's options */
    int code = show_answer(&options, &last, show_items);
    if (code == EXIT_GOOD && !option(&options, "follow") && !wants(&options, "json"))
        return show_answer(&options, &status, show_senders);
    while (code == EXIT_GOOD && option(&options, "follow")) {
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        code = show_answer(&options, &last, show_items);
    }
    return code;
}
