/* explain.c - what stands beside a suspect: its evidence, the narrowest part that explains it, who
 * only shows it, and what it is not.
 */
#include "collector/localise/work.h"

#define MAX_SLICES 64

/* Trouble and traffic of one value of a dimension. */
struct slice {
    struct str value;
    double bad, traffic;
};

struct slices {
    struct slice items[MAX_SLICES];
    unsigned n;
    double bad, traffic; /* of all, also of those without a place */
};

static void slice_add(struct slices *slices, struct str value, double bad, double traffic)
{
    bad = bad > 0 ? bad : 0;
    slices->bad += bad;
    slices->traffic += traffic;
    unsigned i = 0;
    while (i < slices->n && !str_eq(slices->items[i].value, value))
        i++;
    if (i == MAX_SLICES)
        return;
    if (i == slices->n)
        slices->items[slices->n++] = (struct slice){.value = value};
    slices->items[i].bad += bad;
    slices->items[i].traffic += traffic;
}

/* True when one value has the trouble and not the traffic. */
static bool slices_narrow(const struct slices *slices, struct narrowed *narrowed)
{
    const struct slice *worst = NULL;
    for (unsigned i = 0; i < slices->n; i++) {
        if (!worst || slices->items[i].bad > worst->bad)
            worst = &slices->items[i];
    }
    if (!worst || slices->n < 2 || slices->bad <= 0 || slices->traffic <= 0 || !worst->value.len)
        return false;
    double share = worst->bad / slices->bad, traffic = worst->traffic / slices->traffic;
    double rest_bad = slices->bad - worst->bad, rest_traffic = slices->traffic - worst->traffic;
    double rest = rest_traffic > 0 ? rest_bad / rest_traffic : 0;
    double effect = rest > 0 ? worst->bad / worst->traffic / rest : 0;
    if (share < NARROW_SHARE || traffic > NARROW_TRAFFIC || (rest > 0 && effect < NARROW_EFFECT))
        return false;
    narrowed->value = worst->value;
    narrowed->share = share;
    narrowed->effect = effect;
    return true;
}

static double mean_ns(const struct tally *tally)
{
    return tally->histogram.n > 0 ? (double)tally->sum_ns / (double)tally->histogram.n : 0;
}

/* Time above what was normal, of all calls of now. */
static double extra_ns(const struct tally *normal, const struct tally *now)
{
    return (mean_ns(now) - mean_ns(normal)) * (double)now->histogram.n;
}

static const struct tally *service_normal(const struct work *work, const struct pair *pair)
{
    struct tally_key key = pair->key;
    key.node = work->versions.items[key.node].service;
    key.peer = key.peer == NO_GROUP ? NO_GROUP : work->versions.items[key.peer].service;
    const struct pair *service = pairs_find(&work->by_service, &key);
    return service ? &service->t[0] : &pair->t[0];
}

static uint32_t service_of(const struct work *work, uint32_t group)
{
    return group == NO_GROUP ? NO_GROUP : work->level->items[group].service;
}

/* ---- by version ---- */

/* A version's part in a finding: as the one that is slow or fails, or as the caller that is
 * refused. */
static void slice_version(const struct work *work, const struct finding *finding, uint32_t service,
                          const struct pair *pair, struct slices *slices)
{
    bool as_node =
        pair->key.node != NO_GROUP && work->versions.items[pair->key.node].service == service;
    bool as_peer =
        pair->key.peer != NO_GROUP && work->versions.items[pair->key.peer].service == service;
    uint32_t version = as_node ? pair->key.node : pair->key.peer;
    struct str value =
        as_node || as_peer ? name_text(work, work->versions.items[version].node.version) : STR_NONE;
    double n = (double)pair->t[1].n;
    switch (pair->key.channel) {
    case TALLY_SELF:
        if (as_node && finding->kind == EVIDENCE_SELF_TIME)
            slice_add(slices, value, extra_ns(service_normal(work, pair), &pair->t[1]), n);
        break;
    case TALLY_GAP:
        if ((as_node || as_peer) && finding->kind == EVIDENCE_GAP)
            slice_add(slices, value, extra_ns(service_normal(work, pair), &pair->t[1]), n);
        break;
    case TALLY_CALL:
        if (finding->kind == EVIDENCE_ERRORS &&
            (finding->peer == NO_GROUP ? as_peer : as_node || as_peer))
            slice_add(slices,
                      finding->peer == NO_GROUP
                          ? name_text(work, work->versions.items[pair->key.peer].node.version)
                          : value,
                      (double)pair->t[1].origins, n);
        break;
    default:
        break;
    }
}

static bool narrow_version(const struct work *work, const struct finding *finding, uint32_t service,
                           struct narrowed *narrowed)
{
    struct slices slices = {.n = 0};
    for (uint32_t i = 0; i < work->by_version.n; i++)
        slice_version(work, finding, service, &work->by_version.items[i], &slices);
    *narrowed = (struct narrowed){.dimension = "version", .name = STR("version")};
    return slices_narrow(&slices, narrowed);
}

/* ---- by instance, operation, caller ---- */

static bool narrow_instance(const struct work *work, const struct finding *finding,
                            uint32_t service, struct narrowed *narrowed)
{
    struct slices slices = {.n = 0};
    struct tally all = {.n = 0};
    uint32_t from, to, i;
    pairs_range(&work->by_service, TALLY_INSTANCE, service, &from, &to);
    for (i = from; i < to; i++) {
        all.sum_ns += work->by_service.items[i].t[0].sum_ns;
        all.histogram.n += work->by_service.items[i].t[0].histogram.n;
    }
    for (i = from; i < to; i++) {
        const struct pair *pair = &work->by_service.items[i];
        double bad =
            finding->kind == EVIDENCE_ERRORS ? (double)pair->t[1].bad : extra_ns(&all, &pair->t[1]);
        slice_add(&slices, name_text(work, pair->key.name), bad, (double)pair->t[1].n);
    }
    *narrowed = (struct narrowed){.dimension = "instance", .name = STR("instance")};
    return slices_narrow(&slices, narrowed);
}

static bool narrow_operation(const struct work *work, const struct finding *finding,
                             uint32_t service, struct narrowed *narrowed)
{
    struct slices slices = {.n = 0};
    uint32_t i, to;
    *narrowed = (struct narrowed){.dimension = "operation", .name = STR("operation")};
    if (finding->kind == EVIDENCE_SELF_TIME) {
        for (pairs_range(&work->by_service, TALLY_SELF, service, &i, &to); i < to; i++) {
            const struct pair *pair = &work->by_service.items[i];
            slice_add(&slices, name_text(work, pair->key.name), extra_ns(&pair->t[0], &pair->t[1]),
                      (double)pair->t[1].n);
        }
    } else if (finding->kind == EVIDENCE_ERRORS) {
        for (i = 0; i < work->by_service.n; i++) {
            const struct pair *pair = &work->by_service.items[i];
            if (pair->key.channel == TALLY_CALL && pair->key.peer == service)
                slice_add(&slices, name_text(work, pair->key.name), (double)pair->t[1].origins,
                          (double)pair->t[1].n);
        }
    }
    return slices_narrow(&slices, narrowed);
}

static bool narrow_caller(const struct work *work, const struct finding *finding, uint32_t service,
                          struct narrowed *narrowed)
{
    struct slices slices = {.n = 0};
    for (uint32_t i = 0; i < work->by_service.n; i++) {
        const struct pair *pair = &work->by_service.items[i];
        if (pair->key.channel != TALLY_CALL || pair->key.peer != service ||
            pair->key.node == NO_GROUP)
            continue;
        double bad = finding->kind == EVIDENCE_ERRORS ? (double)pair->t[1].origins
                                                      : extra_ns(&pair->t[0], &pair->t[1]);
        slice_add(&slices, group_text(work, &work->services, pair->key.node).service, bad,
                  (double)pair->t[1].n);
    }
    *narrowed = (struct narrowed){.dimension = "caller", .name = STR("caller")};
    return slices_narrow(&slices, narrowed);
}

typedef bool narrow_f(const struct work *work, const struct finding *finding, uint32_t service,
                      struct narrowed *narrowed);

static void narrow(const struct work *work, const struct finding *finding, uint32_t service,
                   struct suspect *suspect)
{
    static narrow_f *const ways[] = {narrow_version, narrow_instance, narrow_operation,
                                     narrow_caller};
    static const enum suspect_level skipped_at[] = {SUSPECT_VERSION, SUSPECT_INSTANCE,
                                                    SUSPECT_OPERATION, SUSPECT_OPERATION + 1};
    for (unsigned i = 0; i < 4; i++) {
        struct narrowed *narrowed = &suspect->narrowed[suspect->n_narrowed];
        if (skipped_at[i] != work->input->level && ways[i](work, finding, service, narrowed))
            suspect->n_narrowed++;
    }
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
               slow = extra_ns(&pair->t[0], &pair->t[1]) / 1e9;
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

static bool has_callees(const struct work *work, uint32_t service)
{
    uint32_t from, to;
    pairs_range(&work->by_service, TALLY_CALL, service, &from, &to);
    return to > from;
}

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

static void write_not(struct work *work, const struct candidate *candidate, uint32_t service,
                      struct suspect *suspect)
{
    if (has_callees(work, service) && !callees_are_suspects(work, candidate->group))
        suspect->not_[suspect->n_not++] = STR("its callees are normal");
    unsigned n = n_instances(work, service);
    if (n > 1 && work->input->level != SUSPECT_INSTANCE && !is_narrowed(suspect, "instance"))
        suspect->not_[suspect->n_not++] = say(work, "not one instance: %u do alike", n);
}

void explain(struct work *work, const struct candidate *candidate, struct suspect *suspect)
{
    const struct finding *top = candidate->findings;
    uint32_t service = service_of(work, candidate->group);
    for (const struct finding *finding = top; finding && suspect->n_evidence < MAX_EVIDENCE;
         finding = finding->next)
        suspect->evidence[suspect->n_evidence++] =
            (struct evidence){finding->kind,     finding->metric, finding->unit, finding->baseline,
                              finding->observed, finding->z,      finding->text};
    if (!top)
        return;
    suspect->reason = top->text;
    suspect->has_peer = top->peer != NO_GROUP;
    if (suspect->has_peer)
        suspect->peer = group_text(work, work->level, top->peer);
    narrow(work, top, service, suspect);
    write_effects(work, service, suspect);
    write_not(work, candidate, service, suspect);
}
