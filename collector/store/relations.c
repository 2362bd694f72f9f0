/* relations.c - what is new about who calls whom: events told once, when a turn is applied.
 *
 *   (nobody) --first call--> HERE --10 x its usual gap and 5 min without a call--> GONE
 *                              ^---------------------- call ------------------------'
 *
 * A relation is two services, whatever their versions; one whose namespace or cluster is not known
 * is the relation that knows it. Time is that of events: the newest call seen, and while calls come
 * live also what has passed since. So a replay tells what happened then, and silence is told too,
 * also one that is over when its calls are committed.
 */
#include "collector/store/relations.h"

#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/store/dictionary.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

#define GONE_GAPS 10
#define GONE_LEAST_NS (5 * NS_PER_MINUTE)
#define LEAST_CALLS 3 /* for a usual gap */
#define LOOK_EVERY_NS (5 * NS_PER_S)
#define WRITE_EVERY_NS (30 * NS_PER_S)
#define LIVE_NS                                                                                    \
    (5 * NS_PER_MINUTE) /* a call as young as this is live; one from further ahead lies */
#define RELATION_PLAINTEXT 1u
#define RELATION_HAIRPIN 2u

static const char relations_sql[] =
    "SELECT p.id, p.caller, p.callee, r.cluster, r.namespace, r.service, r.role, c.cluster, "
    "c.namespace, c.service, c.role, p.first_ns, p.last_ns, p.calls, p.gone_ns, p.bits "
    "FROM relation p JOIN node r ON r.id = p.caller JOIN node c ON c.id = p.callee ORDER BY p.id";

static uint64_t relation_hash(const struct relation *relation)
{
    const struct relation_end *caller = &relation->ends[0], *callee = &relation->ends[1];
    return hash_mix(hash_mix((uint64_t)caller->service, caller->role),
                    hash_mix((uint64_t)callee->service, callee->role));
}

static struct relation *relation_new(struct relations *p, const struct relation *relation)
{
    if (p->n == p->cap) {
        uint32_t cap = p->cap ? 2 * p->cap : 256;
        struct relation *grown = realloc(p->items, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        p->items = grown;
        p->cap = cap;
    }
    if (!map_add(&p->map, relation_hash(relation), p->n))
        return NULL;
    p->items[p->n] = *relation;
    return &p->items[p->n++];
}

static int load(struct store *store)
{
    struct relations *p = &store->relations;
    sqlite3_stmt *select;
    int code = store_prepare(store, relations_sql, &select);
    while (!code && (code = sqlite3_step(select)) == SQLITE_ROW) {
        struct relation relation = {.id = sqlite3_column_int64(select, 0)};
        for (int side = 0; side < 2; side++) {
            relation.ends[side] = (struct relation_end){
                .row = sqlite3_column_int64(select, 1 + side),
                .cluster = sqlite3_column_int64(select, 3 + 4 * side),
                .namespace = sqlite3_column_int64(select, 4 + 4 * side),
                .service = sqlite3_column_int64(select, 5 + 4 * side),
                .role = (uint8_t)sqlite3_column_int(select, 6 + 4 * side),
            };
        }
        relation.first_ns = (uint64_t)sqlite3_column_int64(select, 11);
        relation.last_ns = relation.written_ns = (uint64_t)sqlite3_column_int64(select, 12);
        relation.calls = sqlite3_column_int64(select, 13);
        relation.gone_ns = (uint64_t)sqlite3_column_int64(select, 14);
        relation.bits = (uint32_t)sqlite3_column_int64(select, 15);
        code = relation_new(p, &relation) ? 0 : SQLITE_NOMEM;
    }
    sqlite3_finalize(select);
    return code == SQLITE_DONE ? 0 : code;
}

int relations_open(struct store *store)
{
    struct relations *p = &store->relations;
    map_init(&p->map);
    map_init(&p->edge_map);
    int code = load(store);
    return code ? code
                : store_prepare(store,
                                "INSERT INTO relation (caller, callee, first_ns, last_ns, calls, "
                                "gone_ns, bits) VALUES (?,?,?,?,0,0,0)",
                                &p->add) ||
                      store_prepare(store,
                                    "UPDATE relation SET first_ns = ?2, last_ns = ?3, calls = ?4, "
                                    "gone_ns = ?5, bits = ?6 WHERE id = ?1",
                                    &p->put) ||
                      store_prepare(store, "INSERT OR IGNORE INTO relation_version VALUES (?,?,?)",
                                    &p->add_version) ||
                      store_prepare(
                          store,
                          "SELECT count(*) FROM relation_version WHERE relation = ? AND side = ?",
                          &p->count_versions) ||
                      store_prepare(store,
                                    "INSERT INTO edge_event_row (at_ns, kind, caller, callee, "
                                    "detail, told_s) VALUES (?,?,?,?,?,?)",
                                    &p->tell);
}

static void clear(struct relations *p)
{
    p->n = p->n_edges = p->n_runs = 0;
    map_clear(&p->map);
    map_clear(&p->edge_map);
}

void relations_close(struct store *store)
{
    struct relations *p = &store->relations;
    sqlite3_stmt *all[] = {p->add, p->put, p->add_version, p->count_versions, p->tell};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]);
    free(p->items);
    free(p->edges);
    free(p->runs);
    map_fini(&p->map);
    map_fini(&p->edge_map);
}

/* What is in the file counts. What cannot be read of it now cannot be added either: then the next
 * transaction is rolled back, too. */
void relations_forget(struct store *store)
{
    clear(&store->relations);
    load(store);
}

/* ---- events ---- */

static int tell(struct store *store, enum edge_event kind, uint64_t at_ns, const int64_t nodes[2],
                const char *detail)
{
    sqlite3_stmt *put = store->relations.tell;
    store->relations.told = true;
    sqlite3_bind_int64(put, 1, (int64_t)at_ns);
    sqlite3_bind_int(put, 2, kind);
    sqlite3_bind_int64(put, 3, nodes[0]);
    sqlite3_bind_int64(put, 4, nodes[1]);
    sqlite3_bind_text(put, 5, detail, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(put, 6, (int64_t)(clock_wall_ns() / NS_PER_S));
    return statement_run(put);
}

/* ---- which relation an edge is of ---- */

static int find_end(struct store *store, const struct turn *turn, const struct node *node,
                    struct relation_end *end)
{
    struct node unversioned = *node;
    unversioned.version = NAME_NONE;
    end->role = node->role;
    int code = dictionary_name(store, turn, node->cluster, &end->cluster);
    code = code ? code : dictionary_name(store, turn, node->namespace, &end->namespace);
    code = code ? code : dictionary_name(store, turn, node->service, &end->service);
    return code ? code : dictionary_node_row(store, turn, &unversioned, &end->row);
}

static bool fits(int64_t a, int64_t b)
{
    return !a || !b || a == b;
}

static bool end_fits(const struct relation_end *a, const struct relation_end *b)
{
    return a->service == b->service && a->role == b->role && fits(a->namespace, b->namespace) &&
           fits(a->cluster, b->cluster);
}

static struct relation *relation_find(struct relations *p, const struct relation *relation)
{
    struct relation *found = NULL;
    for (struct map_iter it = map_find(&p->map, relation_hash(relation)); map_next(&p->map, &it);) {
        struct relation *other = &p->items[it.value];
        bool same = other->ends[0].row == relation->ends[0].row &&
                    other->ends[1].row == relation->ends[1].row;
        if (same)
            return other;
        if (!found && end_fits(&other->ends[0], &relation->ends[0]) &&
            end_fits(&other->ends[1], &relation->ends[1]))
            found = other;
    }
    return found;
}

static int relation_add(struct store *store, struct relation *relation, const struct call *call,
                        const int64_t nodes[2], struct relation **result)
{
    sqlite3_stmt *add = store->relations.add;
    relation->first_ns = relation->last_ns = relation->written_ns = call->start_ns;
    sqlite3_bind_int64(add, 1, relation->ends[0].row);
    sqlite3_bind_int64(add, 2, relation->ends[1].row);
    sqlite3_bind_int64(add, 3, (int64_t)relation->first_ns);
    sqlite3_bind_int64(add, 4, (int64_t)relation->last_ns);
    int code = statement_run(add);
    if (code)
        return code;
    relation->id = sqlite3_last_insert_rowid(store->db);
    *result = relation_new(&store->relations, relation);
    return *result ? tell(store, EVENT_NEW, call->start_ns, nodes, "") : SQLITE_NOMEM;
}

static int count_versions(struct relations *p, int64_t relation, int side, int64_t *n)
{
    sqlite3_bind_int64(p->count_versions, 1, relation);
    sqlite3_bind_int(p->count_versions, 2, side);
    int code = sqlite3_step(p->count_versions);
    *n = code == SQLITE_ROW ? sqlite3_column_int64(p->count_versions, 0) : 0;
    sqlite3_reset(p->count_versions);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
}

/* A version that is new although the relation had one before. */
static int note_version(struct store *store, const struct turn *turn, int64_t relation, int side,
                        const struct call *call, const int64_t nodes[2])
{
    struct relations *p = &store->relations;
    name_no version = nodes_get(turn->nodes, side ? call->callee : call->caller)->version;
    int64_t row, before = 0;
    if (version == NAME_NONE)
        return 0;
    int code = dictionary_name(store, turn, version, &row);
    code = code ? code : count_versions(p, relation, side, &before);
    if (code)
        return code;
    sqlite3_bind_int64(p->add_version, 1, relation);
    sqlite3_bind_int(p->add_version, 2, side);
    sqlite3_bind_int64(p->add_version, 3, row);
    code = statement_run(p->add_version);
    bool added = !code && sqlite3_changes(store->db) > 0;
    if (!added || !before)
        return code;
    char detail[300];
    struct str text = names_text(turn->names, version);
    snprintf(detail, sizeof(detail), "%s %.*s", side ? "callee" : "caller",
             (int)(text.len < 256 ? text.len : 256), text.p);
    return tell(store, EVENT_NEW_VERSION, call->start_ns, nodes, detail);
}

/* Once an edge of two nodes with their versions: which relation it is, and whether that is new. */
static int meet(struct store *store, const struct turn *turn, const struct call *call,
                struct relation_edge *edge)
{
    struct relation relation = {0}, *found;
    int code = find_end(store, turn, nodes_get(turn->nodes, call->caller), &relation.ends[0]);
    code = code ? code
                : find_end(store, turn, nodes_get(turn->nodes, call->callee), &relation.ends[1]);
    code = code ? code : dictionary_node(store, turn, call->caller, &edge->nodes[0]);
    code = code ? code : dictionary_node(store, turn, call->callee, &edge->nodes[1]);
    if (code)
        return code;
    found = relation_find(&store->relations, &relation);
    if (!found)
        code = relation_add(store, &relation, call, edge->nodes, &found);
    for (int side = 0; side < 2 && !code; side++)
        code = note_version(store, turn, found->id, side, call, edge->nodes);
    if (!code)
        edge->relation = (uint32_t)(found - store->relations.items);
    return code;
}

static int edge_of(struct store *store, const struct turn *turn, const struct call *call,
                   const struct relation_edge **result)
{
    struct relations *p = &store->relations;
    uint64_t hash = hash_u64((uint64_t)call->caller << 32 | call->callee);
    for (struct map_iter it = map_find(&p->edge_map, hash); map_next(&p->edge_map, &it);) {
        *result = &p->edges[it.value];
        if ((*result)->caller == call->caller && (*result)->callee == call->callee)
            return 0;
    }
    if (p->n_edges == p->cap_edges) {
        uint32_t cap = p->cap_edges ? 2 * p->cap_edges : 256;
        struct relation_edge *grown = realloc(p->edges, cap * sizeof(*grown));
        if (!grown)
            return SQLITE_NOMEM;
        p->edges = grown;
        p->cap_edges = cap;
    }
    struct relation_edge *edge = &p->edges[p->n_edges];
    *edge = (struct relation_edge){.caller = call->caller, .callee = call->callee};
    int code = meet(store, turn, call, edge);
    if (code || !map_add(&p->edge_map, hash, p->n_edges))
        return code ? code : SQLITE_NOMEM;
    p->n_edges++;
    *result = edge;
    return 0;
}

/* ---- calls ---- */

/* For how long a relation may be silent. */
static uint64_t silence_ns(const struct relation *relation)
{
    uint64_t usual_ns = (relation->last_ns - relation->first_ns) / (uint64_t)(relation->calls - 1);
    uint64_t most_ns = GONE_GAPS * usual_ns;
    return most_ns > GONE_LEAST_NS ? most_ns : GONE_LEAST_NS;
}

static bool is_first(struct relation *relation, uint32_t bit)
{
    bool first = !(relation->bits & bit);
    relation->bits |= bit;
    relation->changed = relation->changed || first;
    return first;
}

/* Is this before the relation was told gone, or after? */
static bool is_after_gone(const struct relation *relation, uint64_t at_ns)
{
    return relation->gone_ns && at_ns >= relation->gone_ns;
}

/* To the run of calls it is near to, else a new one. */
static int add_to_runs(struct relations *p, struct relation *relation, uint64_t at_ns,
                       const struct relation_edge *edge)
{
    if (p->n_runs == p->cap_runs) {
        uint32_t cap = p->cap_runs ? 2 * p->cap_runs : 256;
        struct relation_run *grown = realloc(p->runs, cap * sizeof(*grown));
        if (!grown)
            return SQLITE_NOMEM;
        p->runs = grown;
        p->cap_runs = cap;
    }
    uint32_t *link = &relation->runs;
    bool after = is_after_gone(relation, at_ns);
    while (*link) {
        struct relation_run *run = &p->runs[*link - 1];
        bool run_after = is_after_gone(relation, run->first_ns);
        if (at_ns > run->last_ns + GONE_LEAST_NS || after > run_after)
            break;
        if (after == run_after && at_ns + GONE_LEAST_NS >= run->first_ns) {
            if (at_ns < run->first_ns) {
                run->first_ns = at_ns;
                memcpy(run->nodes, edge->nodes, sizeof(run->nodes));
            }
            run->last_ns = at_ns > run->last_ns ? at_ns : run->last_ns;
            run->calls++;
            return 0;
        }
        link = &run->older;
    }
    p->runs[p->n_runs] = (struct relation_run){.first_ns = at_ns,
                                               .last_ns = at_ns,
                                               .calls = 1,
                                               .nodes = {edge->nodes[0], edge->nodes[1]},
                                               .older = *link};
    *link = ++p->n_runs;
    return 0;
}

int relations_add_call(struct store *store, const struct turn *turn, const struct call *call,
                       int sign)
{
    struct relations *p = &store->relations;
    const struct relation_edge *edge;
    if (!call->start_ns || (store->settings.edges_max && p->n >= store->settings.edges_max))
        return 0;
    int code = edge_of(store, turn, call, &edge);
    if (code)
        return code;
    struct relation *relation = &p->items[edge->relation];
    if (sign < 0) {
        relation->calls--;
        return 0; /* it comes again with its trace */
    }
    code = add_to_runs(p, relation, call->start_ns, edge);
    if (!code && call->security == SECURITY_PLAINTEXT && is_first(relation, RELATION_PLAINTEXT))
        code = tell(store, EVENT_FIRST_PLAINTEXT, call->start_ns, edge->nodes, "");
    if (!code && call->hairpin && is_first(relation, RELATION_HAIRPIN))
        code = tell(store, EVENT_HAIRPIN, call->start_ns, edge->nodes,
                    names_text(turn->names, call->via).p);
    if (call->start_ns > p->newest_ns && call->start_ns < p->now_wall_ns + LIVE_NS) {
        p->newest_ns = call->start_ns;
        p->newest_at_ns = p->now_wall_ns;
    }
    return code;
}

/* ---- at commits ---- */

static uint64_t event_now(const struct relations *p)
{
    bool live = p->newest_ns + LIVE_NS > p->newest_at_ns;
    uint64_t since_ns = p->now_wall_ns > p->newest_at_ns ? p->now_wall_ns - p->newest_at_ns : 0;
    return p->newest_ns + (live ? since_ns : 0);
}

static int go(struct store *store, struct relation *relation)
{
    char detail[96];
    const int64_t nodes[2] = {relation->ends[0].row, relation->ends[1].row};
    uint64_t usual_ms =
        (relation->last_ns - relation->first_ns) / (uint64_t)(relation->calls - 1) / NS_PER_MS;
    relation->gone_ns = relation->last_ns + silence_ns(relation);
    relation->changed = true;
    snprintf(detail, sizeof(detail), "no call for %llu s, usually one every %llu.%03llu s",
             (unsigned long long)(silence_ns(relation) / NS_PER_S),
             (unsigned long long)(usual_ms / 1000), (unsigned long long)(usual_ms % 1000));
    return tell(store, EVENT_GONE, relation->gone_ns, nodes, detail);
}

static int come_back(struct store *store, struct relation *relation, const struct relation_run *run)
{
    char detail[64];
    uint64_t away_s = (run->first_ns - relation->last_ns) / NS_PER_S;
    snprintf(detail, sizeof(detail), "after %llu s", (unsigned long long)away_s);
    relation->gone_ns = 0;
    relation->changed = true;
    return tell(store, EVENT_RETURNED, run->first_ns, run->nodes, detail);
}

static int put(struct store *store, struct relation *relation)
{
    sqlite3_stmt *statement = store->relations.put;
    sqlite3_bind_int64(statement, 1, relation->id);
    sqlite3_bind_int64(statement, 2, (int64_t)relation->first_ns);
    sqlite3_bind_int64(statement, 3, (int64_t)relation->last_ns);
    sqlite3_bind_int64(statement, 4, relation->calls);
    sqlite3_bind_int64(statement, 5, (int64_t)relation->gone_ns);
    sqlite3_bind_int64(statement, 6, relation->bits);
    relation->changed = false;
    relation->written_ns = relation->last_ns;
    return statement_run(statement);
}

static bool is_silent(const struct relation *relation, uint64_t now_ns)
{
    return !relation->gone_ns && relation->calls >= LEAST_CALLS && now_ns > relation->last_ns &&
           now_ns - relation->last_ns >= silence_ns(relation);
}

/* A silence that ended before anybody looked is told whole. */
static int add_run(struct store *store, struct relation *relation, const struct relation_run *run)
{
    int code = 0;
    if (relation->calls == 0)
        relation->first_ns = relation->last_ns = run->first_ns;
    if (is_silent(relation, run->first_ns))
        code = go(store, relation);
    if (!code && is_after_gone(relation, run->first_ns))
        code = come_back(store, relation, run);
    relation->calls += run->calls;
    if (run->first_ns < relation->first_ns)
        relation->first_ns = run->first_ns;
    if (run->last_ns > relation->last_ns)
        relation->last_ns = run->last_ns;
    return code;
}

static int add_runs(struct store *store, struct relation *relation)
{
    struct relations *p = &store->relations;
    uint32_t oldest = 0;
    int code = 0;
    for (uint32_t at = relation->runs; at;) {
        struct relation_run *run = &p->runs[at - 1];
        uint32_t older = run->older;
        run->older = oldest; /* from here on: the newer one */
        oldest = at;
        at = older;
    }
    for (; oldest && !code; oldest = p->runs[oldest - 1].older)
        code = add_run(store, relation, &p->runs[oldest - 1]);
    relation->runs = 0;
    return code;
}

int relations_write(struct store *store)
{
    struct relations *p = &store->relations;
    uint64_t now_ns = event_now(p);
    int code = 0;
    for (uint32_t i = 0; i < p->n && !code; i++) {
        struct relation *relation = &p->items[i];
        code = add_runs(store, relation);
        if (!code && is_silent(relation, now_ns))
            code = go(store, relation);
        if (!code &&
            (relation->changed || relation->last_ns >= relation->written_ns + WRITE_EVERY_NS))
            code = put(store, relation);
    }
    p->n_runs = 0;
    return code;
}

bool relations_are_due(struct store *store)
{
    struct relations *p = &store->relations;
    uint64_t mono_ns = clock_mono_ns();
    if (mono_ns < p->looked_ns + LOOK_EVERY_NS)
        return false;
    p->looked_ns = mono_ns;
    p->now_wall_ns = clock_wall_ns();
    uint64_t now_ns = event_now(p);
    for (uint32_t i = 0; i < p->n; i++) {
        if (!p->items[i].runs && is_silent(&p->items[i], now_ns))
            return true;
    }
    return false;
}

void relations_set_now(struct store *store)
{
    store->relations.now_wall_ns = clock_wall_ns();
}
