/* query_tally.h - reading stored counters of the roll-ups: their keys and their numbers. */
#ifndef STORE_QUERY_TALLY_H
#define STORE_QUERY_TALLY_H

#include "collector/store/query_internal.h"

/* A key's columns, TALLY_KEY_COLUMNS of them, and the tables they come from: k the key, a its node,
 * p its peer. */
#define TALLY_KEY_SELECT                                                                           \
    "k.channel, k.what, n.text, d.text, "                                                          \
    "ac.text, an.text, aa.text, av.text, a.role, pc.text, pn.text, pp.text, pv.text, p.role "      \
    "FROM tally_key k JOIN name n ON n.id = k.name JOIN name d ON d.id = k.detail "                \
    "JOIN node a ON a.id = k.node JOIN name ac ON ac.id = a.cluster "                              \
    "JOIN name an ON an.id = a.namespace JOIN name aa ON aa.id = a.service "                       \
    "JOIN name av ON av.id = a.version JOIN node p ON p.id = k.peer "                              \
    "JOIN name pc ON pc.id = p.cluster JOIN name pn ON pn.id = p.namespace "                       \
    "JOIN name pp ON pp.id = p.service JOIN name pv ON pv.id = p.version "
#define TALLY_KEY_COLUMNS 14

/* The columns of TALLY_KEY_SELECT from `first` on. */
struct tally_key read_tally_key(sqlite3_stmt *row, int first, struct names *names,
                                struct nodes *nodes);

#define TALLY_ROW_SELECT                                                                           \
    "n, bad, client_errors, origins, retries, recovered, sum_ns, histogram FROM tally_row "

/* Adds the columns of TALLY_ROW_SELECT from `first` on; false when memory is short. */
bool read_tally_row(sqlite3_stmt *row, int first, struct tally *tally);

#endif
