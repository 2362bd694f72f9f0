/* narrow.c - the narrowest part that explains a suspect: one version, instance, operation or caller
 * that has the trouble and not the traffic, by a test that knows how many were looked at.
 */
#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

#define MAX_SLICES 64

/* Trouble and traffic of one value of a dimension. */
struct part {
    double trouble; /* failures, or time above normal */
    double bad;     /* calls that failed, or are above normal's p95 */
    double n;       /* calls */
};

struct slice {
    struct str value;
    struct part part;
};

struct slices {
    struct slice items[MAX_SLICES];
    unsigned n;
    struct part all; /* also those without a place */
};

static void part_add(struct part *to, struct part more)
{
    to->trouble += more.trouble > 0 ? more.trouble : 0;
    to->bad += more.bad;
    to->n += more.n;
}

static void slice_add(struct slices *slices, struct str value, struct part part)
{
    part_add(&slices->all, part);
    unsigned i = 0;
    while (i < slices->n && !str_eq(slices->items[i].value, value))
        i++;
    if (i == MAX_SLICES)
        return;
    if (i == slices->n)
        slices->items[slices->n++] = (struct slice){.value = value};
    part_add(&slices->items[i].part, part);
}

/* Is it beyond chance, for the worst of so many, that this one has more bad calls than the rest? */
static bool is_worse(const struct part *worst, const struct part *rest, unsigned n_values)
{
    double z = two_proportions(rest->bad, rest->n, worst->bad, worst->n);
    return z > z_beyond(NARROW_CHANCE / n_values);
}

/* True when one value has the trouble, and not for its traffic alone. */
static bool slices_narrow(const struct slices *slices, struct narrowed *narrowed)
{
    const struct slice *worst = NULL;
    const struct part *all = &slices->all;
    for (unsigned i = 0; i < slices->n; i++) {
        if (!worst || slices->items[i].part.trouble > worst->part.trouble)
            worst = &slices->items[i];
    }
    if (!worst || slices->n < 2 || all->trouble <= 0 || all->n <= 0 || !worst->value.len)
        return false;
    const struct part *part = &worst->part,
                      rest = {all->trouble - part->trouble, all->bad - part->bad, all->n - part->n};
    double share = part->trouble / all->trouble, traffic = part->n / all->n;
    double others = rest.n > 0 ? rest.trouble / rest.n : 0;
    double effect = others > 0 ? part->trouble / part->n / others : 0;
    /* Who has most of the traffic has most of any trouble: then the others must be all but clean.
     */
    double least = traffic > NARROW_TRAFFIC ? NARROW_MAJOR_EFFECT : NARROW_EFFECT;
    if (share < NARROW_SHARE || (others > 0 && effect < least) || !is_worse(part, &rest, slices->n))
        return false;
    narrowed->value = worst->value;
    narrowed->share = share;
    narrowed->effect = effect;
    return true;
}

double tally_mean_ns(const struct tally *tally)
{
    return tally->histogram.n > 0 ? (double)tally->sum_ns / (double)tally->histogram.n : 0;
}

double tally_extra_ns(const struct tally *normal, const struct tally *now)
{
    return (tally_mean_ns(now) - tally_mean_ns(normal)) * (double)now->histogram.n;
}

static struct part slow_part(const struct tally *normal, const struct tally *now)
{
    double n = (double)now->histogram.n;
    if (normal->histogram.n <= 0)
        return (struct part){0, 0, n};
    unsigned p95 = histogram_bucket(histogram_quantile(&normal->histogram, SLOW_QUANTILE));
    return (struct part){tally_extra_ns(normal, now), n * share_above(&now->histogram, p95), n};
}

static struct part failed_part(int64_t bad, int64_t n)
{
    return (struct part){(double)bad, (double)bad, (double)n};
}

static bool is_failure(const struct finding *finding)
{
    return finding->channel == CHANNEL_ERRORS;
}

/* ---- by version ---- */

static const struct tally *service_normal(const struct work *work, const struct pair *pair)
{
    struct tally_key key = pair->key;
    key.node = work->versions.items[key.node].service;
    key.peer = key.peer == NO_GROUP ? NO_GROUP : work->versions.items[key.peer].service;
    const struct pair *service = pairs_find(&work->by_service, &key);
    return service ? &service->t[0] : &pair->t[0];
}

static struct str version_text(const struct work *work, uint32_t version)
{
    return name_text(work, work->versions.items[version].node.version);
}

/* Between two, as far as it is known. */
static bool is_way(const struct pair *pair)
{
    return (pair->key.channel == TALLY_GAP && pair->key.what != GAP_UNANSWERED) ||
           pair->key.channel == TALLY_BESIDE;
}

/* A version's part in a finding: as the one that is slow or fails, or as the caller that is
 * refused. */
static void slice_version(const struct work *work, const struct finding *finding, uint32_t service,
                          const struct pair *pair, struct slices *slices)
{
    const struct groups *versions = &work->versions;
    uint32_t node = pair->key.node, peer = pair->key.peer;
    bool as_node = node != NO_GROUP && versions->items[node].service == service;
    bool as_peer = peer != NO_GROUP && versions->items[peer].service == service;
    bool self = pair->key.channel == TALLY_SELF && finding->kind == EVIDENCE_SELF_TIME && as_node;
    bool gap = is_way(pair) && finding->kind == EVIDENCE_GAP;
    bool call = pair->key.channel == TALLY_CALL && is_failure(finding);
    if (self || (gap && (as_node || as_peer)))
        slice_add(slices, version_text(work, as_node ? node : peer),
                  slow_part(service_normal(work, pair), &pair->t[1]));
    else if (call && (finding->peer == NO_GROUP ? as_peer : as_node || as_peer))
        slice_add(slices, version_text(work, finding->peer != NO_GROUP && as_node ? node : peer),
                  failed_part(pair->t[1].origins, pair->t[1].n));
}

static bool narrow_version(struct work *work, const struct finding *finding, uint32_t service,
                           struct narrowed *narrowed)
{
    struct slices slices = {.n = 0};
    for (uint32_t i = 0; i < work->by_version.n; i++)
        slice_version(work, finding, service, &work->by_version.items[i], &slices);
    *narrowed = (struct narrowed){.dimension = "version", .name = STR("version")};
    return slices_narrow(&slices, narrowed);
}

/* ---- by instance, operation, caller ---- */

/* What all instances of that kind did in normal times. */
static const struct tally *instance_normal(struct work *work, const struct pair *pair)
{
    const struct tally *siblings =
        work->pairs == &work->by_service ? siblings_normal(work, &pair->key) : NULL;
    return siblings ? siblings : &pair->t[0];
}

static bool narrow_instance(struct work *work, const struct finding *finding, uint32_t service,
                            struct narrowed *narrowed)
{
    struct slices slices = {.n = 0};
    bool gap = finding->kind == EVIDENCE_GAP;
    uint32_t i, to;
    pairs_range(&work->by_service, gap ? TALLY_GAP_INSTANCE : TALLY_INSTANCE, service, &i, &to);
    for (; i < to; i++) {
        const struct pair *pair = &work->by_service.items[i];
        slice_add(&slices, name_text(work, pair->key.name),
                  is_failure(finding) ? failed_part(pair->t[1].bad, pair->t[1].n)
                                      : slow_part(instance_normal(work, pair), &pair->t[1]));
    }
    *narrowed = (struct narrowed){.dimension = "instance", .name = STR("instance")};
    return slices_narrow(&slices, narrowed);
}

bool slow_in_one_instance(struct work *work, uint32_t group, enum gap_end end)
{
    struct slices slices = {.n = 0};
    struct narrowed narrowed;
    uint32_t i, to;
    pairs_range(&work->by_service, TALLY_GAP_INSTANCE, work->level->items[group].service, &i, &to);
    for (; i < to; i++) {
        const struct pair *pair = &work->by_service.items[i];
        if (pair->key.what == end)
            slice_add(&slices, name_text(work, pair->key.name),
                      slow_part(instance_normal(work, pair), &pair->t[1]));
    }
    return slices_narrow(&slices, &narrowed);
}

static bool narrow_operation(struct work *work, const struct finding *finding, uint32_t service,
                             struct narrowed *narrowed)
{
    struct slices slices = {.n = 0};
    uint32_t i, to;
    *narrowed = (struct narrowed){.dimension = "operation", .name = STR("operation")};
    if (finding->kind == EVIDENCE_SELF_TIME) {
        for (pairs_range(&work->by_service, TALLY_SELF, service, &i, &to); i < to; i++) {
            const struct pair *pair = &work->by_service.items[i];
            slice_add(&slices, name_text(work, pair->key.name),
                      slow_part(&pair->t[0], &pair->t[1]));
        }
    } else if (is_failure(finding)) {
        for (i = 0; i < work->by_service.n; i++) {
            const struct pair *pair = &work->by_service.items[i];
            if (pair->key.channel == TALLY_CALL && pair->key.peer == service)
                slice_add(&slices, name_text(work, pair->key.name),
                          failed_part(pair->t[1].origins, pair->t[1].n));
        }
    }
    return slices_narrow(&slices, narrowed);
}

static bool narrow_caller(struct work *work, const struct finding *finding, uint32_t service,
                          struct narrowed *narrowed)
{
    struct slices slices = {.n = 0};
    bool gap = finding->kind == EVIDENCE_GAP;
    for (uint32_t i = 0; i < work->by_service.n; i++) {
        const struct pair *pair = &work->by_service.items[i];
        bool edge = gap ? is_way(pair) : pair->key.channel == TALLY_CALL;
        if (!edge || pair->key.peer != service || pair->key.node == NO_GROUP)
            continue;
        slice_add(&slices, group_text(work, &work->services, pair->key.node).service,
                  is_failure(finding) ? failed_part(pair->t[1].origins, pair->t[1].n)
                                      : slow_part(&pair->t[0], &pair->t[1]));
    }
    *narrowed = (struct narrowed){.dimension = "caller", .name = STR("caller")};
    return slices_narrow(&slices, narrowed);
}

typedef bool narrow_f(struct work *work, const struct finding *finding, uint32_t service,
                      struct narrowed *narrowed);

void narrow(struct work *work, const struct finding *finding, uint32_t service,
            struct suspect *suspect)
{
    static narrow_f *const ways[] = {narrow_version, narrow_instance, narrow_operation,
                                     narrow_caller};
    static const enum suspect_level skipped_at[] = {SUSPECT_VERSION, SUSPECT_INSTANCE,
                                                    SUSPECT_OPERATION, N_SUSPECT_LEVELS};
    for (unsigned i = 0; i < 4; i++) {
        struct narrowed *narrowed = &suspect->narrowed[suspect->n_narrowed];
        if (skipped_at[i] != work->input->level && ways[i](work, finding, service, narrowed))
            suspect->n_narrowed++;
    }
}
