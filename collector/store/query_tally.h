/* query_tally.h - reading stored counters of the roll-ups: their keys and their numbers. */
#ifndef STORE_QUERY_TALLY_H
#define STORE_QUERY_TALLY_H

#include "collector/store/query_internal.h"

/* What rows of a table are here, by their id; zeroed is empty. */
struct known_rows {
    uint32_t *numbers; /* 1 + number; 0: not seen yet */
    int64_t cap;
};

/* False when it is not seen yet. */
bool known_row(const struct known_rows *known, int64_t row, uint32_t *number);
/* False when memory is short. */
bool know_row(struct known_rows *known, int64_t row, uint32_t number);
void known_rows_fini(struct known_rows *known);

/* Keys have few names and nodes between them, so each of these is read once. */
struct key_reader {
    struct names *names;
    struct nodes *nodes;
    sqlite3_stmt *name, *node;
    struct known_rows known_names, known_nodes;
};

/* Borrows all. To be ended also when it fails. */
int key_reader_begin(struct key_reader *reader, struct query *query, struct names *names,
                     struct nodes *nodes, struct err *err);
void key_reader_end(struct key_reader *reader);

#define TALLY_KEY_SELECT "k.channel, k.what, k.name, k.detail, k.node, k.peer FROM tally_key k "

/* The columns of TALLY_KEY_SELECT from `first` on. */
struct tally_key read_tally_key(struct key_reader *reader, sqlite3_stmt *row, int first);

#define TALLY_COLUMNS "n, bad, client_errors, origins, retries, recovered, sum_ns, histogram "
#define TALLY_NUMBERS 7 /* all of them but the histogram */

/* Adds the values of TALLY_COLUMNS; false when memory is short. */
bool tally_add(struct tally *tally, const int64_t numbers[TALLY_NUMBERS], struct str histogram);

#endif
