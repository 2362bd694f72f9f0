/* dictionary.c - what recurs is written once. Names, nodes and operations for good; shapes,
 * attribute sets and resources once a generation, so that retention can let them go with the traces
 * that used them.
 */
#include "collector/store/dictionary.h"

#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/store/rows.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

/* A row takes 3 µs to write: for all there are, 1 % of the time at most. */
#define SEEN_EACH_NS (UINT64_C(300) * NS_PER_US)
#define SEEN_MOST_NS (30 * NS_PER_S)

static bool ids_reserve(struct ids *ids, uint32_t number, bool generations)
{
    if (number < ids->cap)
        return true;
    uint32_t cap = ids->cap ? ids->cap : 1024;
    while (cap <= number)
        cap *= 2;
    int64_t *rows = realloc(ids->rows, cap * sizeof(*rows));
    if (!rows)
        return false;
    ids->rows = rows;
    if (generations) {
        uint32_t *grown = realloc(ids->generations, cap * sizeof(*grown));
        if (!grown)
            return false;
        ids->generations = grown;
    }
    memset(rows + ids->cap, 0, (cap - ids->cap) * sizeof(*rows));
    ids->cap = cap;
    return true;
}

int dictionary_open(struct store *store)
{
    struct dictionary *d = &store->dictionary;
    map_init(&d->op_map);
    return store_prepare(store, "SELECT id FROM name WHERE text = ?", &d->find_name) ||
           store_prepare(store, "INSERT INTO name (text) VALUES (?)", &d->add_name) ||
           store_prepare(
               store,
               "SELECT id FROM node WHERE service = ? AND namespace = ? AND cluster = ? AND "
               "version = ? AND role = ?",
               &d->find_node) ||
           store_prepare(
               store,
               "INSERT INTO node (service, namespace, cluster, version, role, first_seen_ns, "
               "last_seen_ns) VALUES (?, ?, ?, ?, ?, 0, 0)",
               &d->add_node) ||
           store_prepare(
               store,
               "UPDATE node SET first_seen_ns = CASE WHEN first_seen_ns = 0 THEN ?2 ELSE "
               "min(first_seen_ns, ?2) END, last_seen_ns = max(last_seen_ns, ?3) WHERE id = ?1",
               &d->see_node) ||
           store_prepare(store,
                         "SELECT id FROM operation_row WHERE node = ? AND name = ? AND kind = ?",
                         &d->find_op) ||
           store_prepare(
               store,
               "INSERT INTO operation_row (node, name, kind, first_seen_ns, last_seen_ns) "
               "VALUES (?, ?, ?, ?, 0)",
               &d->add_op) ||
           store_prepare(store,
                         "UPDATE operation_row SET first_seen_ns = min(first_seen_ns, ?2), "
                         "last_seen_ns = max(last_seen_ns, ?3) WHERE id = ?1",
                         &d->see_op) ||
           store_prepare(
               store,
               "INSERT INTO shape (generation, node, instance, zone, operation, upstream_cluster, "
               "peer, peer_namespace, peer_address, url_host, protocol, resource, kind, proxy, "
               "peer_role, security, format, bits, host, address) VALUES "
               "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
               &d->add_shape) ||
           store_prepare(store, "INSERT INTO attribute_set (generation, json) VALUES (?, ?)",
                         &d->add_set) ||
           store_prepare(store, "INSERT INTO resource (generation, json) VALUES (?, ?)",
                         &d->add_resource);
}

static void ids_fini(struct ids *ids)
{
    free(ids->rows);
    free(ids->generations);
}

void dictionary_close(struct store *store)
{
    struct dictionary *d = &store->dictionary;
    sqlite3_stmt *all[] = {d->find_name, d->add_name, d->find_node,   d->add_node,
                           d->see_node,  d->find_op,  d->add_op,      d->see_op,
                           d->add_shape, d->add_set,  d->add_resource};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]);
    ids_fini(&d->names);
    ids_fini(&d->nodes);
    ids_fini(&d->shapes);
    ids_fini(&d->sets);
    ids_fini(&d->resources);
    free(d->ops);
    free(d->seen);
    map_fini(&d->op_map);
}

static void ids_forget(struct ids *ids)
{
    if (ids->rows)
        memset(ids->rows, 0, ids->cap * sizeof(*ids->rows));
}

void dictionary_forget(struct store *store)
{
    struct dictionary *d = &store->dictionary;
    ids_forget(&d->names);
    ids_forget(&d->nodes);
    ids_forget(&d->shapes);
    ids_forget(&d->sets);
    ids_forget(&d->resources);
    for (uint32_t i = 0; i < d->n_ops; i++)
        d->ops[i].row = 0;
}

/* The id that a bound SELECT gives; 0 when there is none. Resets it. */
static int find_id(sqlite3_stmt *statement, int64_t *row)
{
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_reset(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
}

static int add_row(struct store *store, sqlite3_stmt *statement, int64_t *row)
{
    int code = statement_run(statement);
    *row = sqlite3_last_insert_rowid(store->db);
    return code;
}

int dictionary_name(struct store *store, const struct turn *turn, name_no name, int64_t *row)
{
    struct dictionary *d = &store->dictionary;
    if (name == NAME_NONE) {
        *row = 0;
        return 0;
    }
    if (!ids_reserve(&d->names, name, false))
        return SQLITE_NOMEM;
    *row = d->names.rows[name];
    if (*row)
        return 0;
    struct str text = names_text(turn->names, name);
    statement_bind_text(d->find_name, 1, text);
    int code = find_id(d->find_name, row);
    if (!code && !*row) {
        statement_bind_text(d->add_name, 1, text);
        code = add_row(store, d->add_name, row);
    }
    if (!code)
        d->names.rows[name] = *row;
    return code;
}

static int bind_node(struct store *store, const struct turn *turn, const struct node *node,
                     sqlite3_stmt *statement)
{
    const name_no names[4] = {node->service, node->namespace, node->cluster, node->version};
    for (int i = 0; i < 4; i++) {
        int64_t row;
        int code = dictionary_name(store, turn, names[i], &row);
        if (code)
            return code;
        sqlite3_bind_int64(statement, i + 1, row);
    }
    sqlite3_bind_int(statement, 5, node->role);
    return 0;
}

int dictionary_node_row(struct store *store, const struct turn *turn, const struct node *node,
                        int64_t *row)
{
    struct dictionary *d = &store->dictionary;
    int code = bind_node(store, turn, node, d->find_node);
    code = code ? code : find_id(d->find_node, row);
    if (code || *row)
        return code;
    code = bind_node(store, turn, node, d->add_node);
    return code ? code : add_row(store, d->add_node, row);
}

int dictionary_node(struct store *store, const struct turn *turn, node_no node, int64_t *row)
{
    struct dictionary *d = &store->dictionary;
    if (!ids_reserve(&d->nodes, node, false))
        return SQLITE_NOMEM;
    *row = d->nodes.rows[node];
    if (*row || node == NODE_NONE)
        return 0;
    int code = dictionary_node_row(store, turn, nodes_get(turn->nodes, node), row);
    if (!code)
        d->nodes.rows[node] = *row;
    return code;
}

static int resource_row(struct store *store, const struct turn *turn, uint32_t number,
                        uint32_t generation, int64_t *row)
{
    struct dictionary *d = &store->dictionary;
    *row = 0;
    if (!number)
        return 0;
    if (!ids_reserve(&d->resources, number, true))
        return SQLITE_NOMEM;
    if (d->resources.rows[number] && d->resources.generations[number] == generation) {
        *row = d->resources.rows[number];
        return 0;
    }
    sqlite3_bind_int64(d->add_resource, 1, generation);
    statement_bind_text(d->add_resource, 2, shapes_resource(turn->shapes, number));
    int code = add_row(store, d->add_resource, row);
    if (!code) {
        d->resources.rows[number] = *row;
        d->resources.generations[number] = generation;
    }
    return code;
}

static int bind_shape(struct store *store, const struct turn *turn, const struct shape *shape,
                      uint32_t generation)
{
    sqlite3_stmt *add = store->dictionary.add_shape;
    const name_no names[9] = {shape->instance,         shape->zone,     shape->operation,
                              shape->upstream_cluster, shape->peer,     shape->peer_namespace,
                              shape->peer_address,     shape->url_host, shape->protocol};
    int64_t row;
    int code = dictionary_node_row(store, turn, &shape->node, &row);
    sqlite3_bind_int64(add, 2, row);
    for (int i = 0; !code && i < 9; i++) {
        code = dictionary_name(store, turn, names[i], &row);
        sqlite3_bind_int64(add, 3 + i, row);
    }
    code = code ? code : resource_row(store, turn, shape->resource, generation, &row);
    sqlite3_bind_int64(add, 12, row);
    sqlite3_bind_int64(add, 1, generation);
    sqlite3_bind_int(add, 13, shape->kind);
    sqlite3_bind_int(add, 14, shape->proxy);
    sqlite3_bind_int(add, 15, shape->peer_role);
    sqlite3_bind_int(add, 16, shape->security);
    sqlite3_bind_int(add, 17, shape->format);
    sqlite3_bind_int(add, 18, shape_bits(shape));
    const name_no own[2] = {shape->host, shape->address};
    for (int i = 0; !code && i < 2; i++) {
        code = dictionary_name(store, turn, own[i], &row);
        sqlite3_bind_int64(add, 19 + i, row);
    }
    return code;
}

int dictionary_shape(struct store *store, const struct turn *turn, const struct record *record,
                     uint32_t generation, int64_t *row)
{
    struct dictionary *d = &store->dictionary;
    uint32_t number = record->shape_no;
    if (!ids_reserve(&d->shapes, number, true))
        return SQLITE_NOMEM;
    if (d->shapes.rows[number] && d->shapes.generations[number] == generation) {
        *row = d->shapes.rows[number];
        return 0;
    }
    int code = bind_shape(store, turn, record->shape, generation);
    code = code ? code : add_row(store, d->add_shape, row);
    if (!code) {
        d->shapes.rows[number] = *row;
        d->shapes.generations[number] = generation;
    }
    return code;
}

int dictionary_set(struct store *store, const struct attr_set *set, uint32_t generation,
                   int64_t *row)
{
    struct dictionary *d = &store->dictionary;
    *row = 0;
    if (!set->no)
        return 0;
    if (!ids_reserve(&d->sets, set->no, true))
        return SQLITE_NOMEM;
    if (d->sets.rows[set->no] && d->sets.generations[set->no] == generation) {
        *row = d->sets.rows[set->no];
        return 0;
    }
    sqlite3_bind_int64(d->add_set, 1, generation);
    statement_bind_text(d->add_set, 2, set->json);
    int code = add_row(store, d->add_set, row);
    if (!code) {
        d->sets.rows[set->no] = *row;
        d->sets.generations[set->no] = generation;
    }
    return code;
}

static struct op_entry *op_find(struct dictionary *d, uint64_t hash, node_no node,
                                const struct shape *shape)
{
    for (struct map_iter it = map_find(&d->op_map, hash); map_next(&d->op_map, &it);) {
        struct op_entry *op = &d->ops[it.value];
        if (op->node == node && op->name == shape->operation && op->kind == shape->kind)
            return op;
    }
    return NULL;
}

static struct op_entry *op_add(struct dictionary *d, uint64_t hash, node_no node,
                               const struct shape *shape)
{
    if (d->n_ops == d->cap_ops) {
        uint32_t cap = d->cap_ops ? 2 * d->cap_ops : 1024;
        struct op_entry *grown = realloc(d->ops, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        d->ops = grown;
        d->cap_ops = cap;
    }
    if (!map_add(&d->op_map, hash, d->n_ops))
        return NULL;
    d->ops[d->n_ops] =
        (struct op_entry){.node = node, .name = shape->operation, .kind = shape->kind};
    return &d->ops[d->n_ops++];
}

static int op_row(struct store *store, const struct turn *turn, struct op_entry *op)
{
    struct dictionary *d = &store->dictionary;
    int64_t node, name;
    int code = dictionary_node(store, turn, op->node, &node);
    code = code ? code : dictionary_name(store, turn, op->name, &name);
    if (code)
        return code;
    sqlite3_stmt *both[2] = {d->find_op, d->add_op};
    for (int i = 0; i < 2; i++) {
        sqlite3_bind_int64(both[i], 1, node);
        sqlite3_bind_int64(both[i], 2, name);
        sqlite3_bind_int(both[i], 3, op->kind);
    }
    code = find_id(d->find_op, &op->row);
    if (code || op->row)
        return code;
    sqlite3_bind_int64(d->add_op, 4, INT64_MAX);
    return add_row(store, d->add_op, &op->row);
}

int dictionary_op(struct store *store, const struct turn *turn, node_no node,
                  const struct shape *shape, struct op_entry **entry)
{
    struct dictionary *d = &store->dictionary;
    uint64_t hash = hash_mix((uint64_t)node << 32 | shape->operation, shape->kind);
    *entry = op_find(d, hash, node, shape);
    if (!*entry)
        *entry = op_add(d, hash, node, shape);
    if (!*entry)
        return SQLITE_NOMEM;
    return (*entry)->row ? 0 : op_row(store, turn, *entry);
}

/* What is earlier than all before is written at once. */
static void see(uint64_t *first_ns, uint64_t *last_ns, uint64_t *written_ns, uint64_t start_ns)
{
    if (!*first_ns || start_ns < *first_ns) {
        *first_ns = start_ns;
        *written_ns = 0;
    }
    if (start_ns > *last_ns)
        *last_ns = start_ns;
}

void dictionary_see(struct store *store, node_no node, struct op_entry *op, uint64_t start_ns)
{
    struct dictionary *d = &store->dictionary;
    if (op)
        see(&op->first_ns, &op->last_ns, &op->written_ns, start_ns);
    if (node == NODE_NONE)
        return;
    if (node >= d->cap_seen) {
        uint32_t cap = d->cap_seen ? d->cap_seen : 256;
        while (cap <= node)
            cap *= 2;
        struct node_seen *grown = realloc(d->seen, cap * sizeof(*grown));
        if (!grown)
            return;
        memset(grown + d->cap_seen, 0, (cap - d->cap_seen) * sizeof(*grown));
        d->seen = grown;
        d->cap_seen = cap;
    }
    struct node_seen *seen = &d->seen[node];
    see(&seen->first_ns, &seen->last_ns, &seen->written_ns, start_ns);
}

static int write_seen(sqlite3_stmt *statement, int64_t row, uint64_t first_ns, uint64_t last_ns)
{
    sqlite3_bind_int64(statement, 1, row);
    sqlite3_bind_int64(statement, 2, (int64_t)first_ns);
    sqlite3_bind_int64(statement, 3, (int64_t)last_ns);
    return statement_run(statement);
}

static bool is_due(uint64_t last_ns, uint64_t written_ns, uint64_t every_ns)
{
    return last_ns > written_ns && last_ns - written_ns >= every_ns;
}

bool dictionary_waits(const struct store *store)
{
    const struct dictionary *d = &store->dictionary;
    bool waits = false;
    for (uint32_t i = 0; i < d->cap_seen && i < d->nodes.cap && !waits; i++)
        waits = d->nodes.rows[i] && is_due(d->seen[i].last_ns, d->seen[i].written_ns, 0);
    for (uint32_t i = 0; i < d->n_ops && !waits; i++)
        waits = d->ops[i].row && is_due(d->ops[i].last_ns, d->ops[i].written_ns, 0);
    return waits;
}

int dictionary_write_seen(struct store *store)
{
    struct dictionary *d = &store->dictionary;
    uint64_t every_ns = (d->nodes.cap + d->n_ops) * SEEN_EACH_NS;
    int code = 0;
    if (d->write_all || every_ns > SEEN_MOST_NS)
        every_ns = d->write_all ? 0 : SEEN_MOST_NS;
    for (uint32_t i = 0; i < d->cap_seen && i < d->nodes.cap && !code; i++) {
        struct node_seen *seen = &d->seen[i];
        if (!d->nodes.rows[i] || !is_due(seen->last_ns, seen->written_ns, every_ns))
            continue;
        code = write_seen(d->see_node, d->nodes.rows[i], seen->first_ns, seen->last_ns);
        seen->written_ns = seen->last_ns;
    }
    for (uint32_t i = 0; i < d->n_ops && !code; i++) {
        struct op_entry *op = &d->ops[i];
        if (!op->row || !is_due(op->last_ns, op->written_ns, every_ns))
            continue;
        code = write_seen(d->see_op, op->row, op->first_ns, op->last_ns);
        op->written_ns = op->last_ns;
    }
    return code;
}
