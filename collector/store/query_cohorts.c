/* query_cohorts.c - the calls of two versions of a service in the minutes in which both took calls.
 *
 * Two passes over the minutes of the window: the first counts by version, so that the two can be
 * chosen; the second adds what both took and made.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/store/query_tally.h"
#include "collector/store/statements.h"

#define MOST_SERVICES 8 /* of one name: in namespaces and clusters */
#define MOST_VERSIONS 16

struct cohort_key {
    int64_t row;
    struct tally_key key;
    bool taken; /* by the service; else made by it */
};

struct version {
    name_no name;
    uint64_t first_seen_ns;
    uint64_t first_minute, last_minute; /* with calls, in the window */
    int64_t calls;
};

/* All that bears the name, in one namespace. */
struct namesake {
    struct node node;
    struct version versions[MOST_VERSIONS];
    unsigned n_versions;
    int64_t calls;
};

struct cohort_reading {
    struct query *query;
    const struct cohort_question *question;
    struct names *names;
    struct nodes *nodes;
    struct rollup *rollup;
    struct cohort_answer *answer;
    struct cohort_key *keys;
    uint32_t n_keys, cap_keys;
    struct namesake namesakes[MOST_SERVICES];
    unsigned n_namesakes;
    sqlite3_stmt *next, *row;        /* the next minute with rows; a row */
    uint64_t from_minute, to_minute; /* that are looked at: [from, to) */
};

static bool fits(name_no a, name_no b)
{
    return a == b || a == NAME_NONE || b == NAME_NONE;
}

static bool is_asked(const struct cohort_reading *reading, node_no no)
{
    const struct cohort_question *question = reading->question;
    const struct node *node = nodes_get(reading->nodes, no);
    const struct str asked[3] = {question->cluster, question->namespace, question->service};
    const name_no is[3] = {node->cluster, node->namespace, node->service};
    for (int i = 0; i < 3; i++) {
        if (asked[i].len && !str_eq(asked[i], names_text(reading->names, is[i])))
            return false;
    }
    return node->service != NAME_NONE;
}

/* ---- keys ---- */

static bool keep_key(struct cohort_reading *reading, int64_t row, const struct tally_key *key)
{
    if (reading->n_keys == reading->cap_keys) {
        uint32_t cap = reading->cap_keys ? 2 * reading->cap_keys : 256;
        struct cohort_key *grown = realloc(reading->keys, cap * sizeof(*grown));
        if (!grown)
            return false;
        reading->keys = grown;
        reading->cap_keys = cap;
    }
    reading->keys[reading->n_keys++] = (struct cohort_key){row, *key, is_asked(reading, key->peer)};
    return true;
}

static int read_keys(struct cohort_reading *reading, struct err *err)
{
    struct str service = reading->question->service;
    struct key_reader keys;
    sqlite3_stmt *select;
    int code = SQLITE_DONE;
    bool good = true;
    if (key_reader_begin(&keys, reading->query, reading->names, reading->nodes, err) == 0 &&
        query_begin(reading->query,
                    "SELECT k.id, " TALLY_KEY_SELECT
                    "WHERE k.channel = ?1 AND (k.node IN (SELECT o.id FROM node o JOIN name s ON "
                    "s.id = o.service WHERE s.text = ?2) OR k.peer IN (SELECT o.id FROM node o "
                    "JOIN name s ON s.id = o.service WHERE s.text = ?2))",
                    &select, err) == 0) {
        sqlite3_bind_int(select, 1, TALLY_CALL);
        sqlite3_bind_text(select, 2, service.p, (int)service.len, SQLITE_STATIC);
        while (good && (code = sqlite3_step(select)) == SQLITE_ROW) {
            struct tally_key key = read_tally_key(&keys, select, 1);
            good = keep_key(reading, sqlite3_column_int64(select, 0), &key);
        }
        if (query_end(reading->query, select, good ? code : SQLITE_DONE, err) == 0 && !good)
            err_set(err, ERR_BUSY, "memory is short for a comparison");
    }
    key_reader_end(&keys);
    return err->code;
}

/* ---- minutes ---- */

/* The first minute from this on that has rows; UINT64_MAX: none in the window. */
static uint64_t next_minute(struct cohort_reading *reading, uint64_t from, int *code)
{
    uint64_t minute = UINT64_MAX;
    sqlite3_bind_int64(reading->next, 1, (int64_t)from);
    sqlite3_bind_int64(reading->next, 2, (int64_t)reading->to_minute);
    *code = sqlite3_step(reading->next);
    if (*code == SQLITE_ROW)
        minute = (uint64_t)sqlite3_column_int64(reading->next, 0);
    sqlite3_reset(reading->next);
    return minute;
}

/* Stands on the key's row of a minute; the caller resets. */
static int find_row(struct cohort_reading *reading, const struct cohort_key *key, uint64_t minute)
{
    sqlite3_bind_int64(reading->row, 1, (int64_t)minute);
    sqlite3_bind_int64(reading->row, 2, key->row);
    return sqlite3_step(reading->row);
}

/* ---- first pass: who is there ---- */

static struct namesake *namesake_of(struct cohort_reading *reading, const struct node *node)
{
    for (unsigned i = 0; i < reading->n_namesakes; i++) {
        struct namesake *one = &reading->namesakes[i];
        if (fits(one->node.namespace, node->namespace) && fits(one->node.cluster, node->cluster))
            return one;
    }
    if (reading->n_namesakes == MOST_SERVICES)
        return NULL;
    struct namesake *one = &reading->namesakes[reading->n_namesakes++];
    one->node = *node;
    one->node.version = NAME_NONE;
    return one;
}

static void count_version(struct namesake *one, name_no name, uint64_t minute, int64_t calls)
{
    struct version *version = NULL;
    for (unsigned i = 0; i < one->n_versions && !version; i++)
        version = one->versions[i].name == name ? &one->versions[i] : NULL;
    if (!version && one->n_versions < MOST_VERSIONS) {
        version = &one->versions[one->n_versions++];
        *version =
            (struct version){.name = name, .first_seen_ns = UINT64_MAX, .first_minute = minute};
    }
    one->calls += calls;
    if (!version)
        return;
    version->calls += calls;
    version->last_minute = minute;
}

static int count_minute(struct cohort_reading *reading, uint64_t minute)
{
    int code = SQLITE_DONE;
    for (uint32_t i = 0; i < reading->n_keys && code == SQLITE_DONE; i++) {
        const struct cohort_key *key = &reading->keys[i];
        const struct node *node = nodes_get(reading->nodes, key->key.peer);
        if (!key->taken)
            continue;
        code = find_row(reading, key, minute);
        if (code == SQLITE_ROW) {
            struct namesake *one = namesake_of(reading, node);
            if (one)
                count_version(one, node->version, minute, sqlite3_column_int64(reading->row, 0));
            code = SQLITE_DONE;
        }
        sqlite3_reset(reading->row);
    }
    return code;
}

static int each_minute(struct cohort_reading *reading,
                       int (*visit)(struct cohort_reading *reading, uint64_t minute))
{
    int code = SQLITE_DONE;
    for (uint64_t minute = reading->from_minute;; minute++) {
        minute = next_minute(reading, minute, &code);
        if (minute == UINT64_MAX)
            return code;
        if ((code = visit(reading, minute)) != SQLITE_DONE)
            return code;
    }
}

/* ---- which two ---- */

static int read_first_seen(struct cohort_reading *reading, struct namesake *one, struct err *err)
{
    sqlite3_stmt *select;
    int code;
    if (query_begin(reading->query,
                    "SELECT v.text, min(n.first_seen_ns) FROM node n JOIN name s ON s.id = "
                    "n.service JOIN name v ON v.id = n.version JOIN name ns ON ns.id = n.namespace "
                    "WHERE s.text = ?1 AND ns.text IN (?2, '') AND n.first_seen_ns > 0 GROUP BY 1",
                    &select, err))
        return err->code;
    struct str service = reading->question->service,
               space = names_text(reading->names, one->node.namespace);
    statement_bind_text(select, 1, service);
    statement_bind_text(select, 2, space);
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        name_no name = names_add(reading->names, column_str(select, 0));
        for (unsigned i = 0; i < one->n_versions; i++) {
            if (one->versions[i].name == name)
                one->versions[i].first_seen_ns = (uint64_t)sqlite3_column_int64(select, 1);
        }
    }
    return query_end(reading->query, select, code, err);
}

/* A version with a name before one without; then the newest, or the busiest. */
static const struct version *best_version(const struct namesake *one, const struct version *not_,
                                          bool newest)
{
    const struct version *best = NULL;
    for (unsigned i = 0; i < one->n_versions; i++) {
        const struct version *version = &one->versions[i];
        if (version == not_)
            continue;
        bool better = !best || (!best->name && version->name);
        if (best && !best->name == !version->name) {
            bool fewer = version->calls < best->calls;
            bool younger = version->first_seen_ns > best->first_seen_ns ||
                           (version->first_seen_ns == best->first_seen_ns && fewer);
            better = newest ? younger : !fewer;
        }
        best = better ? version : best;
    }
    return best;
}

static const struct version *named_version(const struct namesake *one, name_no name)
{
    for (unsigned i = 0; i < one->n_versions; i++) {
        if (one->versions[i].name == name)
            return &one->versions[i];
    }
    return NULL;
}

/* Both can have taken calls only where the times of both overlap. */
static void narrow_minutes(struct cohort_reading *reading, const struct version *const chosen[2])
{
    for (int i = 0; i < 2; i++) {
        uint64_t first = chosen[i] ? chosen[i]->first_minute : reading->to_minute;
        uint64_t end = chosen[i] ? chosen[i]->last_minute + 1 : reading->to_minute;
        reading->from_minute = first > reading->from_minute ? first : reading->from_minute;
        reading->to_minute = end < reading->to_minute ? end : reading->to_minute;
    }
}

static void choose_versions(struct cohort_reading *reading, const struct namesake *one)
{
    const struct cohort_question *question = reading->question;
    struct cohort_answer *answer = reading->answer;
    const struct str asked[2] = {question->baseline, question->candidate};
    const struct version *chosen[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        answer->versions[i] = names_add(reading->names, asked[i]);
        chosen[i] = asked[i].len ? named_version(one, answer->versions[i]) : NULL;
    }
    /* The candidate first: the baseline is what is left. */
    if (!asked[1].len)
        chosen[1] = best_version(one, chosen[0], true);
    if (!asked[0].len)
        chosen[0] = best_version(one, chosen[1], false);
    /* A single version is what is there, and not what comes. */
    if (!chosen[0] && !asked[0].len && !asked[1].len) {
        chosen[0] = chosen[1];
        chosen[1] = NULL;
    }
    for (int i = 0; i < 2; i++) {
        if (!chosen[i])
            continue;
        answer->versions[i] = chosen[i]->name;
        answer->calls[i] = chosen[i]->calls;
    }
    narrow_minutes(reading, chosen);
}

/* Is there such a service, although nobody called it in this window? That is too few calls and no
 * mistake: a pipeline asks before the first comes. */
static bool is_known(const struct cohort_reading *reading, struct namesake *quiet)
{
    const struct cohort_question *question = reading->question;
    struct err ignored = {0};
    sqlite3_stmt *select;
    if (query_begin(reading->query,
                    "SELECT c.text, s.text, d.role FROM node d JOIN name n ON n.id = d.service "
                    "JOIN name s ON s.id = d.namespace JOIN name c ON c.id = d.cluster "
                    "WHERE n.text = ?1 AND ?2 IN ('', s.text) AND ?3 IN ('', c.text) LIMIT 1",
                    &select, &ignored))
        return false;
    const struct str texts[3] = {question->service, question->namespace, question->cluster};
    statement_bind_texts(select, 1, texts, 3);
    int code = sqlite3_step(select);
    if (code == SQLITE_ROW)
        quiet->node = (struct node){.cluster = names_add(reading->names, column_str(select, 0)),
                                    .namespace = names_add(reading->names, column_str(select, 1)),
                                    .service = names_add(reading->names, question->service),
                                    .role = (uint8_t)sqlite3_column_int(select, 2)};
    query_end(reading->query, select, code, &ignored);
    return code == SQLITE_ROW;
}

static int choose(struct cohort_reading *reading, struct err *err)
{
    struct namesake quiet = {.calls = 0};
    struct cohort_answer *answer = reading->answer;
    struct namesake *one = NULL;
    struct str service = reading->question->service;
    for (unsigned i = 0; i < reading->n_namesakes; i++) {
        if (!one || reading->namesakes[i].calls > one->calls)
            one = &reading->namesakes[i];
    }
    if (!one && is_known(reading, &quiet))
        one = &quiet;
    if (!one)
        return err_set(err, ERR_NOT_FOUND,
                       "nobody called a service %.*s in this window: see its name in 'faultline "
                       "graph', or look further back with --from",
                       (int)(service.len < 120 ? service.len : 120), service.p);
    if (read_first_seen(reading, one, err))
        return err->code;
    answer->service = one->node;
    choose_versions(reading, one);
    return 0;
}

/* ---- second pass: what both took and made ---- */

/* 0 baseline, 1 candidate, −1 neither. */
static int side_of(const struct cohort_reading *reading, node_no no)
{
    const struct node *node = nodes_get(reading->nodes, no), *one = &reading->answer->service;
    if (node->service != one->service || !fits(node->namespace, one->namespace) ||
        !fits(node->cluster, one->cluster))
        return -1;
    for (int i = 0; i < 2; i++) {
        if (node->version == reading->answer->versions[i])
            return i;
    }
    return -1;
}

static int is_common_minute(struct cohort_reading *reading, uint64_t minute, bool *common)
{
    int code = SQLITE_DONE;
    bool took[2] = {false, false};
    for (uint32_t i = 0; i < reading->n_keys && !(took[0] && took[1]); i++) {
        int side = side_of(reading, reading->keys[i].key.peer);
        if (side < 0 || took[side])
            continue;
        code = find_row(reading, &reading->keys[i], minute);
        took[side] = code == SQLITE_ROW && sqlite3_column_int64(reading->row, 0) > 0;
        sqlite3_reset(reading->row);
        if (code != SQLITE_ROW && code != SQLITE_DONE)
            return code;
    }
    *common = took[0] && took[1];
    return SQLITE_DONE;
}

static uint32_t part_of(const struct cohort_reading *reading, uint64_t minute)
{
    uint64_t n = reading->to_minute - reading->from_minute;
    return (uint32_t)((minute - reading->from_minute) * COHORT_PARTS / n);
}

static bool add_row(struct tally *tally, sqlite3_stmt *row)
{
    int64_t numbers[TALLY_NUMBERS];
    for (int i = 0; i < TALLY_NUMBERS; i++)
        numbers[i] = sqlite3_column_int64(row, i);
    return tally_add(tally, numbers, column_str(row, TALLY_NUMBERS));
}

static int add_minute(struct cohort_reading *reading, uint64_t minute)
{
    bool common = false;
    int code = is_common_minute(reading, minute, &common);
    if (code != SQLITE_DONE || !common)
        return code;
    reading->answer->minutes++;
    for (uint32_t i = 0; i < reading->n_keys && code == SQLITE_DONE; i++) {
        const struct cohort_key *key = &reading->keys[i];
        if (side_of(reading, key->key.peer) < 0 && side_of(reading, key->key.node) < 0)
            continue;
        code = find_row(reading, key, minute);
        if (code == SQLITE_ROW) {
            struct tally *tally =
                rollup_tally(reading->rollup, &key->key, part_of(reading, minute));
            code = tally && add_row(tally, reading->row) ? SQLITE_DONE : SQLITE_NOMEM;
        }
        sqlite3_reset(reading->row);
    }
    return code;
}

static int read_cohorts(struct cohort_reading *reading, struct err *err)
{
    int code = each_minute(reading, count_minute);
    if (code != SQLITE_DONE)
        return code;
    if (choose(reading, err) || reading->answer->versions[0] == reading->answer->versions[1])
        return SQLITE_DONE;
    return each_minute(reading, add_minute);
}

int query_cohorts(struct query *query, const struct cohort_question *question, struct names *names,
                  struct nodes *nodes, struct cohort_answer *answer, struct rollup *rollup,
                  struct err *err)
{
    struct cohort_reading *reading = calloc(1, sizeof(*reading));
    if (!reading)
        return err_set(err, ERR_BUSY, "memory is short for a comparison");
    *answer = (struct cohort_answer){0};
    *reading = (struct cohort_reading){.query = query,
                                       .question = question,
                                       .names = names,
                                       .nodes = nodes,
                                       .rollup = rollup,
                                       .answer = answer,
                                       .from_minute = question->window.from_ns / NS_PER_MINUTE,
                                       .to_minute = question->window.to_ns / NS_PER_MINUTE};
    int code = SQLITE_DONE;
    if (read_keys(reading, err) == 0 &&
        query_begin(query,
                    "SELECT minute FROM tally_row WHERE minute >= ? AND minute < ? "
                    "ORDER BY minute LIMIT 1",
                    &reading->next, err) == 0 &&
        query_begin(query, "SELECT " TALLY_COLUMNS "FROM tally_row WHERE minute = ? AND tally = ?",
                    &reading->row, err) == 0)
        code = read_cohorts(reading, err);
    sqlite3_finalize(reading->row);
    if (code == SQLITE_NOMEM)
        err_set(err, ERR_TOO_BIG,
                "too many calls of different kinds for one comparison: ask for a "
                "shorter window");
    else if (!err->code)
        query_end(query, reading->next, code, err), reading->next = NULL;
    sqlite3_finalize(reading->next);
    free(reading->keys);
    free(reading);
    return err->code;
}
