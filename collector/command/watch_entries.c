/* watch_entries.c - the entries at which an incident shows: how each stands, which calls were
 * spoilt there, and by which the incident is named.
 */
#include "collector/command/watch.h"

/* Another entry gives its name when so many times as many calls are spoilt there: a name that
 * changes to and fro helps nobody. */
#define WORSE 2

/* ---- which ---- */

/* n_entries: none. */
static unsigned number_of(const struct watched *watched, const struct tally_key *key)
{
    unsigned i = 0;
    while (i < watched->n_entries && !tally_key_eq(&watched->entries[i].key, key))
        i++;
    return i;
}

bool watched_has_entry(const struct watched *watched, const struct tally_key *entry)
{
    return number_of(watched, entry) < watched->n_entries;
}

void watched_add_entry(struct watched *watched, const struct symptom_found *found)
{
    if (watched->n_entries < MAX_ENTRIES && !watched_has_entry(watched, &found->entry))
        watched->entries[watched->n_entries++] = (struct watched_entry){.key = found->entry,
                                                                        .symptom = found->kind,
                                                                        .share = found->share,
                                                                        .worst = found->share};
}

struct watched *watch_owner(const struct watch *watch, const struct tally_key *entry)
{
    struct watched *at = watch->open;
    while (at && !watched_has_entry(at, entry))
        at = at->next;
    return at;
}

bool watched_share_one(const struct watched *a, const struct watched *b)
{
    for (unsigned i = 0; i < a->n_entries; i++) {
        if (watched_has_entry(b, &a->entries[i].key))
            return true;
    }
    return false;
}

bool watch_shares_entry(const struct watch *watch, const struct watched *watched)
{
    for (const struct watched *at = watch->open; at; at = at->next) {
        if (at != watched && watched_share_one(at, watched))
            return true;
    }
    return false;
}

/* ---- what a look shows ---- */

void watched_note(struct watched *watched, const struct symptom_found *found)
{
    unsigned i = number_of(watched, &found->entry);
    if (i == watched->n_entries)
        return;
    struct watched_entry *entry = &watched->entries[i];
    if (!entry->shows || found->z > entry->shows->z)
        entry->shows = found;
    if (!watched->shows || found->z > watched->shows->z)
        watched->shows = found;
}

void watched_forget_shown(struct watched *watched)
{
    watched->shows = NULL;
    for (unsigned i = 0; i < watched->n_entries; i++)
        watched->entries[i].shows = NULL;
}

/* Requests that fail are more than slow ones, and what was felt is not undone: when nothing fails
 * any more the share stays what it was. A shared entry shows other incidents' symptoms too. */
static void take_shown(struct watched_entry *entry, bool shared)
{
    const struct symptom_found *shows = entry->shows;
    if (!shows || shows->kind > entry->symptom || (shared && shows->kind != entry->symptom))
        return;
    if (shows->kind < entry->symptom)
        entry->worst = 0;
    entry->symptom = shows->kind;
    entry->share = shows->share;
    entry->worst = shows->share > entry->worst ? shows->share : entry->worst;
}

void watched_take_shown(struct watched *watched)
{
    for (unsigned i = 0; i < watched->n_entries; i++)
        take_shown(&watched->entries[i], watched->second);
}

int64_t watch_count_affected(struct watch *watch, struct watched *watched, uint64_t end)
{
    struct rollup sum;
    int64_t n = 0;
    rollup_init(&sum, UINT32_MAX);
    steps_sum(watch->steps, watched->counted_to, end, true, &sum);
    struct symptom_input input = {.normal = &watched->normal_entries,
                                  .now = &sum,
                                  .normal_s = watched->entries_s,
                                  .now_s = (double)(end - watched->counted_to) * watch->step_s};
    for (unsigned i = 0; i < watched->n_entries; i++) {
        struct watched_entry *entry = &watched->entries[i];
        int64_t affected = symptom_count(entry->symptom, &entry->key, &input);
        entry->affected += affected;
        n += affected;
    }
    rollup_fini(&sum);
    watched->counted_to = end;
    return n;
}

/* ---- the name ---- */

/* Where most calls are spoilt, among those that still show. */
static unsigned choose_named(const struct watched *watched)
{
    unsigned named = watched->named;
    for (unsigned i = 0; i < watched->n_entries; i++) {
        const struct watched_entry *entry = &watched->entries[i];
        int64_t least = WORSE * watched->entries[watched->named].affected;
        if (entry->shows && entry->affected > least &&
            (named == watched->named || entry->affected > watched->entries[named].affected))
            named = i;
    }
    return named;
}

void watch_name_entry(struct watch *watch, struct watched *watched, struct incident *incident)
{
    struct names *names = steps_names(watch->steps);
    watched->named = choose_named(watched);
    const struct watched_entry *entry = &watched->entries[watched->named];
    const struct node *node = nodes_get(steps_nodes(watch->steps), entry->key.node);
    struct node_text text = {names_text(names, node->cluster), names_text(names, node->namespace),
                             names_text(names, node->service), STR_NONE,
                             str_of(role_word(node->role))};
    incident->entry = node_text_copy(&incident->arena, &text);
    incident->operation = arena_dup(&incident->arena, names_text(names, entry->key.name));
    incident->symptom = entry->symptom;
    incident->failed_share = entry->share;
}

unsigned watch_worst_entries(const struct watch *watch, const struct watched *watched,
                             struct query_entry entries[], unsigned max)
{
    const struct names *names = steps_names(watch->steps);
    const struct nodes *nodes = steps_nodes(watch->steps);
    bool taken[MAX_ENTRIES] = {false};
    unsigned n = 0;
    for (unsigned at = watched->named; n < max && n < watched->n_entries; n++) {
        const struct tally_key *key = &watched->entries[at].key;
        entries[n] = (struct query_entry){names_text(names, nodes_get(nodes, key->node)->service),
                                          names_text(names, key->name)};
        taken[at] = true;
        for (unsigned i = 0; i < watched->n_entries; i++) {
            if (!taken[i] &&
                (taken[at] || watched->entries[i].affected > watched->entries[at].affected))
                at = i;
        }
    }
    return n;
}
