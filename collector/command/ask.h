/* ask.h - one question to a database (--db) or a running collector (--url), and its JSON answer. */
#ifndef COMMAND_ASK_H
#define COMMAND_ASK_H

#include "collector/base/arena.h"
#include "collector/command/command.h"
#include "collector/store/query.h"

/* What to ask: the path under /api/v1 with its query for --url, the same as a call for --db. */
struct question {
    struct str path;
    int (*ask)(struct query *query, const void *what, struct buf *out, struct err *err);
    const void *what;
};

/* Fills `answer` with JSON; gives EXIT_GOOD or a code whose reason was printed. */
int ask(const struct options *options, const struct question *question, struct buf *answer);
/* Fills err with what the collector said: the message of its error form, else its bytes. */
void ask_refusal(unsigned status, const struct buf *answer, struct err *err);
/* POST /api/v1/sql. */
int ask_sql(const char *url, const char *sql, struct buf *answer, struct err *err);
/* POST /-/DEED at a running collector ('' : its web is off, which is an error); waits for it.
 * `at`: where it listens, NULL: where `url` says. */
int ask_deed(const char *url, const char *at, const char *deed, struct buf *answer,
             struct err *err);

#define API "/api/v1/"
/* Begins a question's path; buf_fini() ends it. */
void ask_path(struct buf *path, const char *what);
/* A value as a query parameter, percent-encoded, `&name=` before it; nothing for NULL. */
void ask_parameter(struct buf *path, const char *name, const char *value);
/* The URL of a path under `root` (API, "/-/") of the collector at `url`, ended by a NUL; buf_fini()
 * ends it. False when memory is short. */
bool ask_url(struct buf *full, const char *url, const char *root, struct str path);

struct tree;
/* Asks, prints the answer as it came (--format json) or by `print`, and gives the code that `judge`
 * makes of it. */
int ask_for_verdict(const struct options *options, const struct question *question,
                    int (*judge)(const struct tree *tree),
                    void (*print)(const struct options *options, const struct tree *tree));

/* A small tree of a JSON answer, for printing. */
struct tree {
    struct str text; /* of strings (unescaped), numbers, words; raw text of arrays and objects */
    struct str key;  /* of a member */
    uint8_t type;    /* enum json_type */
    struct tree *first, *next;
};
/* NULL when the text is no JSON; from the arena. */
struct tree *tree_read(struct arena *arena, struct str text);
/* The member with this key; a static empty one when there is none. */
const struct tree *tree_get(const struct tree *tree, const char *key);
double tree_number(const struct tree *tree);

/* Text without control bytes, cut to a width of `max` characters. */
void print_clean(struct str text, int max);
/* The first `width` characters of a time of an answer, 19 to the second, 23 to the ms; 30 all of
 * it. With --local by the clock of this place, and always how far that is from UTC. */
void print_time(const struct options *options, struct str time, int width);
/* "12.3 ms" */
void print_ns(const struct tree *value, int width);
/* Colours are for terminals: "" elsewhere. */
const char *paint(const char *code);

#endif
