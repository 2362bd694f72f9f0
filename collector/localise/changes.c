/* changes.c - a version or an instance that was not there in normal times. One that does worse than
 * its sisters at the same time is strong evidence; that it came when the trouble came is weak: the
 * latest deploy is not guilty by date.
 */
#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

/* Calls of a newcomer, and of its sisters at the same time. */
struct beside {
    double n, failed, sisters_n, sisters_failed;
};

/* What a newcomer and its sisters do now: calls that fail there, and how long it takes. */
struct newcomer {
    uint32_t service, version; /* group of versions; NO_GROUP: an instance */
    name_no instance;
    struct beside come;   /* calls to it, and those that began to fail there */
    struct slowness slow; /* against the sisters, the operation that is slowed most */
};

static bool is_new(const struct pair *pair)
{
    return pair->t[0].n <= 0 && pair->t[1].n > 0;
}

static void compare_own(struct work *work, const struct tally *sisters, const struct tally *own,
                        struct newcomer *newcomer)
{
    struct slowness slow = slowness_beside(work, sisters, own);
    if (slow.value > newcomer->slow.value)
        newcomer->slow = slow;
}

/* All of a service's versions but one, in one operation, now. */
static bool sum_sisters(const struct work *work, const struct pair *own, struct tally *sum)
{
    const struct groups *versions = &work->versions;
    *sum = (struct tally){.n = 0};
    for (uint32_t i = 0; i < work->by_version.n; i++) {
        const struct pair *pair = &work->by_version.items[i];
        bool sister =
            pair->key.channel == own->key.channel && pair->key.name == own->key.name &&
            pair->key.what == own->key.what && pair->key.node != NO_GROUP &&
            pair->key.node != own->key.node &&
            versions->items[pair->key.node].service == versions->items[own->key.node].service;
        if (sister && !tally_merge(sum, &pair->t[1]))
            return false;
    }
    return true;
}

static void compare_version_times(struct work *work, struct newcomer *newcomer)
{
    uint32_t i, to;
    for (pairs_range(&work->by_version, TALLY_SELF, newcomer->version, &i, &to); i < to; i++) {
        const struct pair *own = &work->by_version.items[i];
        struct tally sisters;
        if (sum_sisters(work, own, &sisters))
            compare_own(work, &sisters, &own->t[1], newcomer);
        else
            work->memory_short = true;
        histogram_fini(&sisters.histogram);
    }
}

static void count_call(const struct pair *pair, bool own, struct beside *calls)
{
    *(own ? &calls->n : &calls->sisters_n) += (double)pair->t[1].n;
    *(own ? &calls->failed : &calls->sisters_failed) += (double)pair->t[1].origins;
}

static void count_version_calls(const struct work *work, struct newcomer *newcomer)
{
    for (uint32_t i = 0; i < work->by_version.n; i++) {
        const struct pair *pair = &work->by_version.items[i];
        if (pair->key.channel == TALLY_CALL && pair->key.peer != NO_GROUP &&
            work->versions.items[pair->key.peer].service == newcomer->service)
            count_call(pair, pair->key.peer == newcomer->version, &newcomer->come);
    }
}

/* The calls that a newcomer and its sisters make to each service, by its group. */
static void count_calls_made(const struct work *work, const struct newcomer *newcomer,
                             struct beside *made)
{
    const struct groups *versions = &work->versions;
    memset(made, 0, work->services.n * sizeof(*made));
    for (uint32_t v = 0; v < versions->n; v++) {
        uint32_t i, to;
        if (versions->items[v].service != newcomer->service)
            continue;
        for (pairs_range(&work->by_version, TALLY_CALL, v, &i, &to); i < to; i++) {
            const struct pair *pair = &work->by_version.items[i];
            if (pair->key.peer != NO_GROUP)
                count_call(pair, v == newcomer->version,
                           &made[versions->items[pair->key.peer].service]);
        }
    }
}

/* ---- findings ---- */

static struct str newcomer_name(struct work *work, const struct newcomer *newcomer)
{
    if (newcomer->version == NO_GROUP)
        return name_text(work, newcomer->instance);
    struct node_text node = group_text(work, &work->versions, newcomer->version);
    return say(work, "%.*s %.*s", STR_ARG(node.service), STR_ARG(node.version));
}

static void blame_newcomer(struct work *work, const struct newcomer *newcomer,
                           struct finding *finding)
{
    bool versions = work->level == &work->versions;
    if (versions && newcomer->version == NO_GROUP)
        return;
    finding->channel = CHANNEL_CHANGE;
    finding->test = TEST_CHANGE;
    finding->kind = EVIDENCE_CHANGE;
    finding->group = versions ? newcomer->version : newcomer->service;
    finding->peer = NO_GROUP;
    finding->instance = newcomer->instance;
    blame(work, finding);
}

/* How much more of them begin to fail than of the sisters'; the caller words it. */
static struct finding fail_more(const struct work *work, const struct beside *calls)
{
    struct finding finding = {.unit = UNIT_RATIO};
    if (calls->n < MIN_TIMES || calls->sisters_n < MIN_TIMES)
        return finding;
    finding.baseline = calls->sisters_failed / calls->sisters_n;
    finding.observed = calls->failed / calls->n;
    finding.z = two_proportions(calls->sisters_failed, calls->sisters_n, calls->failed, calls->n);
    finding.value = CHANGE_WEIGHT * (finding.observed - finding.baseline) * calls->n /
                    (double)work->requests[1].n;
    return finding;
}

/* Its calls to another that fail where its sisters' do not: they never came there, or are wrong. */
static bool judge_calls_made(struct work *work, const struct newcomer *newcomer,
                             const struct beside *made, struct str name)
{
    bool worse = false;
    for (uint32_t s = 0; s < work->services.n && made; s++) {
        struct finding finding = fail_more(work, &made[s]);
        work->n_tests[TEST_CHANGE] += made[s].n >= MIN_TIMES;
        if (finding.z <= SIGNIFICANT_Z)
            continue;
        struct node_text callee = group_text(work, &work->services, s);
        finding.metric = STR("newcomer_calls_failed");
        finding.text =
            say(work,
                "%.*s is new: %.*s of its calls to %.*s begin to fail, against %.*s of the others",
                STR_ARG(name), STR_ARG(say_share(work, finding.observed)),
                STR_ARG(node_text_short(work->arena, &callee)),
                STR_ARG(say_share(work, finding.baseline)));
        blame_newcomer(work, newcomer, &finding);
        worse = true;
    }
    return worse;
}

/* `made`: its calls to each service; NULL of an instance. */
static void judge(struct work *work, const struct newcomer *newcomer, const struct beside *made)
{
    struct str name = newcomer_name(work, newcomer);
    work->n_tests[TEST_CHANGE]++;
    const struct slowness *slow = &newcomer->slow;
    struct finding failing = fail_more(work, &newcomer->come),
                   slower = {.unit = UNIT_NS, .metric = STR("newcomer_self_time")},
                   there = {.unit = UNIT_COUNT, .metric = STR("newcomer")};
    failing.metric = STR("newcomer_failures");
    failing.text =
        say(work, "%.*s is new: %.*s of its calls fail there, against %.*s of the others",
            STR_ARG(name), STR_ARG(say_share(work, failing.observed)),
            STR_ARG(say_share(work, failing.baseline)));
    slower.baseline = slow->was_ns;
    slower.observed = slow->is_ns;
    slower.z = slow->z;
    slower.value = CHANGE_WEIGHT * slow->value;
    slower.text =
        say(work, "%.*s is new: its own time is %.*s, against %.*s of the others", STR_ARG(name),
            STR_ARG(say_ns(work, slow->is_ns)), STR_ARG(say_ns(work, slow->was_ns)));
    bool worse = failing.z > SIGNIFICANT_Z || slower.z > SIGNIFICANT_Z;
    blame_newcomer(work, newcomer, failing.z > SIGNIFICANT_Z ? &failing : &slower);
    worse = judge_calls_made(work, newcomer, made, name) || worse;
    if (worse)
        return;
    there.observed = newcomer->come.n;
    there.z = COINCIDENCE_Z;
    there.value = COINCIDENCE_VALUE;
    there.text = say(work, "%.*s is new, and does no worse than the others", STR_ARG(name));
    blame_newcomer(work, newcomer, &there);
}

/* Is there another version, that was there before and still is? */
static bool has_sisters(const struct work *work, uint32_t version)
{
    uint32_t service = work->versions.items[version].service;
    for (uint32_t i = 0; i < work->by_version.n; i++) {
        const struct pair *pair = &work->by_version.items[i];
        if (pair->key.channel == TALLY_SELF && pair->key.node != NO_GROUP &&
            pair->key.node != version && work->versions.items[pair->key.node].service == service &&
            pair->t[0].n > 0 && pair->t[1].n > 0)
            return true;
    }
    return false;
}

static void find_new_versions(struct work *work)
{
    struct beside *made = arena_calloc(work->arena, (work->services.n + 1) * sizeof(*made));
    work->memory_short = work->memory_short || !made;
    for (uint32_t v = 0; v < work->versions.n; v++) {
        uint32_t i, to;
        bool fresh = false, old = false;
        for (pairs_range(&work->by_version, TALLY_SELF, v, &i, &to); i < to; i++) {
            fresh = fresh || work->by_version.items[i].t[1].n > 0;
            old = old || work->by_version.items[i].t[0].n > 0;
        }
        if (!fresh || old || !has_sisters(work, v))
            continue;
        struct newcomer newcomer = {.service = work->versions.items[v].service, .version = v};
        count_version_calls(work, &newcomer);
        compare_version_times(work, &newcomer);
        if (made)
            count_calls_made(work, &newcomer, made);
        judge(work, &newcomer, made);
    }
}

/* ---- instances ---- */

static void judge_instance(struct work *work, const struct pair *own, uint32_t from, uint32_t to)
{
    struct newcomer newcomer = {
        .service = own->key.node, .version = NO_GROUP, .instance = own->key.name};
    struct tally sisters = {.n = 0};
    for (uint32_t i = from; i < to; i++) {
        const struct pair *pair = &work->by_service.items[i];
        if (pair->t[0].n > 0 && !tally_merge(&sisters, &pair->t[1]))
            work->memory_short = true;
    }
    newcomer.come = (struct beside){(double)own->t[1].n, (double)own->t[1].bad, (double)sisters.n,
                                    (double)sisters.bad};
    compare_own(work, &sisters, &own->t[1], &newcomer);
    if (sisters.n > 0)
        judge(work, &newcomer, NULL);
    histogram_fini(&sisters.histogram);
}

static void find_new_instances(struct work *work)
{
    for (uint32_t s = 0; s < work->services.n; s++) {
        uint32_t from, to;
        pairs_range(&work->by_service, TALLY_INSTANCE, s, &from, &to);
        for (uint32_t i = from; i < to && to - from <= MAX_INSTANCES; i++) {
            const struct pair *pair = &work->by_service.items[i];
            if (pair->key.name && is_new(pair))
                judge_instance(work, pair, from, to);
        }
    }
}

void find_changes(struct work *work)
{
    find_new_versions(work);
    find_new_instances(work);
}
