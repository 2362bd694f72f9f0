/* explain.c - what stands beside a suspect: its evidence, who only shows it, and what it is not. */
#include "collector/localise/work.h"

#define MAX_OPERATIONS_TOLD 3 /* of one sentence */

static uint32_t service_of(const struct work *work, uint32_t group)
{
    return group == NO_GROUP ? NO_GROUP : work->level->items[group].service;
}

/* ---- who only shows it ---- */

/* The caller through which most of the trouble reaches others. */
static uint32_t worst_caller(const struct work *work, uint32_t service)
{
    uint32_t worst = NO_GROUP;
    double most = 0;
    for (uint32_t i = 0; i < work->by_service.n; i++) {
        const struct pair *pair = &work->by_service.items[i];
        if (pair->key.channel != TALLY_CALL || pair->key.peer != service ||
            pair->key.node == NO_GROUP || pair->t[1].n <= 0)
            continue;
        double failed = (double)(pair->t[1].bad - pair->t[0].bad),
               slow = tally_extra_ns(&pair->t[0], &pair->t[1]) / 1e9;
        double trouble = (failed > 0 ? failed : 0) + (slow > 0 ? slow : 0);
        if (trouble > most) {
            most = trouble;
            worst = pair->key.node;
        }
    }
    return worst;
}

static void write_effects(const struct work *work, uint32_t service, struct suspect *suspect)
{
    uint32_t path[MAX_EFFECTS], n = 0, at = service;
    while (n < MAX_EFFECTS) {
        at = worst_caller(work, at);
        bool seen = at == service || at == NO_GROUP;
        for (uint32_t i = 0; i < n && !seen; i++)
            seen = path[i] == at;
        if (seen || work->services.items[at].node.role == ROLE_USER)
            break;
        path[n++] = at;
    }
    while (n > 0)
        suspect->effects[suspect->n_effects++] = group_text(work, &work->services, path[--n]);
}

/* ---- what it is not ---- */

static bool callees_are_suspects(const struct work *work, uint32_t group)
{
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_CALL, group, &i, &to); i < to; i++) {
        for (uint32_t k = 0; k < work->n_candidates; k++) {
            const struct candidate *other = &work->candidates[k];
            if (other->significant && other->group == work->pairs->items[i].key.peer)
                return true;
        }
    }
    return false;
}

static unsigned n_instances(const struct work *work, uint32_t service)
{
    uint32_t from, to;
    unsigned n = 0;
    pairs_range(&work->by_service, TALLY_INSTANCE, service, &from, &to);
    for (uint32_t i = from; i < to; i++)
        n += work->by_service.items[i].t[1].n > 0;
    return n;
}

static bool is_narrowed(const struct suspect *suspect, const char *dimension)
{
    for (unsigned i = 0; i < suspect->n_narrowed; i++) {
        if (strcmp(suspect->narrowed[i].dimension, dimension) == 0)
            return true;
    }
    return false;
}

/* By itself, or with all that it is one of. */
static double sure_z(const struct finding *finding)
{
    return finding->z > finding->all_z ? finding->z : finding->all_z;
}

/* Beside what is beyond chance, noise only distracts. */
static bool is_worth_telling(const struct candidate *candidate, const struct finding *finding)
{
    return finding == candidate->findings ||
           sure_z(finding) > (candidate->significant ? TELL_Z : TELL_Z_OF_HINT);
}

static bool is_own_time_told(const struct candidate *candidate)
{
    for (const struct finding *finding = candidate->findings; finding; finding = finding->next) {
        if (finding->kind == EVIDENCE_SELF_TIME && is_worth_telling(candidate, finding))
            return true;
    }
    return false;
}

static bool has_own_time(const struct work *work, uint32_t service)
{
    uint32_t i, to;
    for (pairs_range(&work->by_service, TALLY_SELF, service, &i, &to); i < to; i++) {
        if (work->by_service.items[i].t[1].n >= MIN_TIMES)
            return true;
    }
    return false;
}

static void add_not(struct suspect *suspect, struct str text)
{
    if (suspect->n_not < MAX_NOT)
        suspect->not_[suspect->n_not++] = text;
}

static void write_not(struct work *work, const struct candidate *candidate, uint32_t service,
                      struct suspect *suspect)
{
    if (!is_own_time_told(candidate) && has_own_time(work, service))
        add_not(suspect, STR("its own time is normal"));
    if (pairs_any(&work->by_service, TALLY_CALL, service) &&
        !callees_are_suspects(work, candidate->group))
        add_not(suspect, STR("its callees are normal"));
    unsigned n = n_instances(work, service);
    if (n > 1 && work->input->level != SUSPECT_INSTANCE && !is_narrowed(suspect, "instance"))
        add_not(suspect,
                say(work, "not one instance: none of its %u instances explains it alone", n));
}

/* Of several facts that read alike, such as calls that are missing and failures by several causes,
 * one is told. */
static bool is_told(const struct suspect *suspect, const struct finding *finding)
{
    for (unsigned i = 0; i < suspect->n_evidence; i++) {
        if (str_eq(suspect->evidence[i].text, finding->text))
            return true;
    }
    return false;
}

/* Most of it on the way to somebody, and not spent by the suspect, as proxies show: a hop. With one
 * peer alone, while all else that either does is as ever: an edge. Else what was asked for. */
static enum suspect_level level_of(const struct work *work, const struct candidate *candidate)
{
    const struct finding *top = candidate->findings;
    double between = 0, edge = 0;
    for (const struct finding *finding = top; finding; finding = finding->next) {
        between += finding->between ? finding->value : 0;
        edge += finding->only_edge && finding->peer == top->peer ? finding->value : 0;
    }
    if (top->between && between > NETWORK_SHARE * candidate->score)
        return SUSPECT_HOP;
    if (top->only_edge && edge > NETWORK_SHARE * candidate->score)
        return SUSPECT_EDGE;
    return work->input->level;
}

/* Failures by one reason, of which an operation that spoils more was told. */
static bool is_told_with_another(const struct candidate *candidate, const struct finding *finding)
{
    for (const struct finding *at = candidate->findings; at != finding; at = at->next) {
        if (are_failures_alike(at, finding))
            return true;
    }
    return false;
}

/* ": HGETALL 3 %, HSET 0.5 %" */
static struct str name_share(struct work *work, const char *before, const struct finding *finding)
{
    return say(work, "%s%.*s %.*s", before, STR_ARG(name_text(work, finding->operation)),
               STR_ARG(say_share(work, finding->observed)));
}

/* A finding with all that are like it: a request fails first once, so their shares add up.
 * `operations`: which they are, '' of one alone. */
static struct finding sum_alike(struct work *work, const struct candidate *candidate,
                                const struct finding *first, struct str *operations)
{
    struct finding sum = *first;
    unsigned n = 1;
    *operations = STR("");
    for (const struct finding *at = first->next; at && first->began; at = at->next) {
        if (!are_failures_alike(first, at) || !is_worth_telling(candidate, at))
            continue;
        sum.baseline += at->baseline;
        sum.observed += at->observed;
        sum.z = at->z > sum.z ? at->z : sum.z;
        sum.all_z = at->all_z > sum.all_z ? at->all_z : sum.all_z;
        if (n == 1)
            *operations = name_share(work, ": ", first);
        if (n++ < MAX_OPERATIONS_TOLD)
            *operations =
                say(work, "%.*s%.*s", STR_ARG(*operations), STR_ARG(name_share(work, ", ", at)));
    }
    if (n > MAX_OPERATIONS_TOLD)
        *operations = say(work, "%.*s and %u more", STR_ARG(*operations), n - MAX_OPERATIONS_TOLD);
    if (n > 1)
        sum.text = failures_text(work, &sum, true);
    return sum;
}

/* What it does, which says more than that it is new; the first of several. */
static const struct finding *what_it_does(const struct candidate *candidate)
{
    for (const struct finding *at = candidate->findings; at; at = at->next) {
        if (at->kind != EVIDENCE_CHANGE && is_worth_telling(candidate, at))
            return at;
    }
    return candidate->findings;
}

/* The reason is that of `top`. */
static void write_evidence(struct work *work, const struct candidate *candidate,
                           const struct finding *top, struct suspect *suspect)
{
    for (const struct finding *at = candidate->findings; at && suspect->n_evidence < MAX_EVIDENCE;
         at = at->next) {
        struct str operations;
        if (!is_worth_telling(candidate, at) || is_told_with_another(candidate, at))
            continue;
        struct finding told = sum_alike(work, candidate, at, &operations);
        if (at == top)
            suspect->reason = at->began ? failures_reason(work, at) : told.text;
        if (operations.len)
            told.text = say(work, "%.*s%.*s", STR_ARG(told.text), STR_ARG(operations));
        if (!is_told(suspect, &told))
            suspect->evidence[suspect->n_evidence++] =
                (struct evidence){told.kind,     told.metric,   told.unit, told.baseline,
                                  told.observed, sure_z(&told), told.text};
    }
}

void explain(struct work *work, const struct candidate *candidate, struct suspect *suspect)
{
    const struct finding *top = what_it_does(candidate);
    uint32_t service = service_of(work, candidate->group);
    write_evidence(work, candidate, top, suspect);
    if (!top)
        return;
    if (!suspect->reason.len)
        suspect->reason = top->text; /* of more evidence than is told */
    suspect->level = level_of(work, candidate);
    suspect->has_peer = top->peer != NO_GROUP;
    if (suspect->has_peer)
        suspect->peer = group_text(work, work->level, top->peer);
    narrow(work, top, service, suspect);
    write_effects(work, service, suspect);
    write_not(work, candidate, service, suspect);
}
