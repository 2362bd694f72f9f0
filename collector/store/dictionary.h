/* dictionary.h - local numbers of names, nodes, operations, shapes, sets of attributes and
 * resources to row ids. A row is made when it is first asked for; the transaction that made it may
 * be rolled back, then all is forgotten.
 */
#ifndef STORE_DICTIONARY_H
#define STORE_DICTIONARY_H

#include <sqlite3.h>

#include "collector/base/map.h"
#include "collector/model/shapes.h"
#include "collector/model/turn.h"

struct store;

/* Local number -> row id; 0: not written yet. Shapes, sets and resources also remember their
 * generation. */
struct ids {
    int64_t *rows;
    uint32_t *generations;
    uint32_t cap;
};

struct op_entry { /* an operation of a node: what operation_row holds */
    node_no node;
    name_no name;
    uint8_t kind;
    int64_t row;
    uint64_t first_ns, last_ns; /* seen, not written yet: last_ns > written_ns */
    uint64_t written_ns;
};

struct node_seen {
    uint64_t first_ns, last_ns, written_ns;
};

struct dictionary {
    struct ids names, nodes, shapes, sets, resources;
    struct op_entry *ops;
    uint32_t n_ops, cap_ops;
    struct map op_map;
    struct node_seen *seen; /* by node number */
    uint32_t cap_seen;
    bool write_all; /* somebody waits for the next commit: it has all that was seen */
    sqlite3_stmt *find_name, *add_name, *find_node, *add_node, *see_node, *find_op, *add_op,
        *see_op, *add_shape, *add_set, *add_resource;
};

/* All give 0 or an SQLite code. */
int dictionary_open(struct store *store);
void dictionary_close(struct store *store);
int dictionary_name(struct store *store, const struct turn *turn, name_no name, int64_t *row);
int dictionary_node(struct store *store, const struct turn *turn, node_no node, int64_t *row);
/* Of a node that has no number. */
int dictionary_node_row(struct store *store, const struct turn *turn, const struct node *node,
                        int64_t *row);
int dictionary_shape(struct store *store, const struct turn *turn, const struct record *record,
                     uint32_t generation, int64_t *row);
int dictionary_set(struct store *store, const struct attr_set *set, uint32_t generation,
                   int64_t *row);
/* Gives the entry; its row id is set. */
int dictionary_op(struct store *store, const struct turn *turn, node_no node,
                  const struct shape *shape, struct op_entry **entry);
void dictionary_see(struct store *store, node_no node, struct op_entry *op, uint64_t start_ns);
/* Writes when nodes and operations were seen; before a commit. */
int dictionary_write_seen(struct store *store);
/* Was anything seen that is not written? */
bool dictionary_waits(const struct store *store);
/* Forgets every row id: the transaction that wrote some was rolled back. */
void dictionary_forget(struct store *store);

#endif
