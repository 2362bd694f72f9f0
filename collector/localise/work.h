/* work.h - the working state of localise(); shared by its files.
 *
 *   localise.c   totals, the order of things, ranking
 *   groups.c     nodes added up by service or version; roll-ups of both times side by side
 *   latency.c    self times that grew
 *   far.c        … for few calls, but far
 *   edges.c      how slow the ways between two are
 *   drift.c      … not what is slower everywhere
 *   latency_gap.c  … and whose time that is
 *   zones.c      … and who has none left near those who call
 *   beside.c     … where the caller does not report its calls: in its own time beside them
 *   kin.c        the keys of one suspect as one, where each is too thin
 *   ends.c       which of the two ends of a call, by the other calls of either
 *   failures.c   failures that begin here
 *   visits.c     for what services were visited, and how many calls they made a visit
 *   unanswered.c calls that never come to their callee, where no status says so
 *   flow.c       calls that vanished or multiplied
 *   own_steps.c  work of its own that a service did not do, or does no more
 *   stops.c      visits that stop
 *   mix.c        visits of which other kinds come than before
 *   missing.c    failures of callers that never came to their callee, where only callees report, or
 *                stopped asking it
 *   missing_places.c  … where calls are missing, and whether they were made
 *   changes.c    versions and instances that are new, against their sisters
 *   versions.c   suspects by version: what is judged by service, shared out among its versions
 *   instances.c  the same by instance
 *   narrow.c     the part of a suspect that explains it
 *   explain.c    evidence, effects, what it is not
 *   metrics.c    what rose at a suspect besides: behind localise(), on its answer (metrics.h)
 */
#ifndef LOCALISE_WORK_H
#define LOCALISE_WORK_H

#include "collector/localise/constants.h"
#include "collector/localise/localise.h"

#define NO_GROUP UINT32_MAX
#define HINT_SHARE 0.9    /* of the weakest significant score: where hints begin */
#define MAX_INSTANCES 512 /* of one service, that are weighed against each other */

enum channel {
    CHANNEL_LATENCY,
    CHANNEL_ERRORS,
    CHANNEL_FLOW,
    CHANNEL_TRAFFIC,
    CHANNEL_CHANGE,
    N_CHANNELS
};

/* What is tested, key by key; and all keys of one suspect as one test, where each is too thin. */
enum test {
    TEST_SELF,
    TEST_SELF_ALL,
    TEST_GAP,
    TEST_GAP_ALL,
    TEST_ORIGIN,
    TEST_ORIGIN_ALL,
    TEST_FLOW,
    TEST_FLOW_ALL,
    TEST_UNANSWERED,
    TEST_TRAFFIC,
    TEST_TRAFFIC_ALL,
    TEST_CHANGE,
    N_TESTS
};

/* Nodes that are one suspect: all versions of a service, or one version. Behind the versions stand
 * the services once more, for who is only spoken of: see any_version(). */
struct group {
    struct node node; /* version NAME_NONE at the service's level */
    uint32_t service; /* the group of its service among the services */
};

struct groups {
    struct group *items;
    uint32_t n;
    uint32_t *of_node; /* by node number */
};

/* One key in both times. Node and peer of the keys are groups. */
struct pair {
    struct tally_key key;
    struct tally t[2]; /* normal, now */
};

struct pairs {
    struct pair *items; /* in order of channel, node, peer */
    uint32_t n;
    struct rollup merged; /* owns the histograms; step 0 normal, 1 now */
    struct map map;
};

enum call_end { END_NEITHER, END_CALLER, END_CALLEE };

/* One fact for or against somebody. */
struct finding {
    struct finding *next; /* of the same suspect */
    enum channel channel;
    enum evidence_kind kind;
    enum evidence_unit unit;
    double value, z, baseline, observed;
    enum test test;
    /* Of all the keys that this is one of; 0: not tested. Its test is the one after `test`. */
    double all_z;
    double chance;        /* so many findings as sure are to be expected by chance: see weigh() */
    uint32_t group, peer; /* of services; peer NO_GROUP without */
    enum call_end end;    /* which end of the call that is spoken of the group is */
    name_no operation;
    name_no instance;         /* a newcomer that it speaks of; else NAME_NONE */
    bool between;             /* on the way from one to the other: neither spent it */
    bool only_edge;           /* all other calls of either end are as ever */
    const struct pair *began; /* failures: what was counted of them, by service; else NULL */
    const struct pair *made;  /* calls: … of those of one kind, NULL of all of an edge */
    const struct pair *step;  /* stops: the same of the step after which they end; else NULL */
    const struct pair *done;  /* own steps: … of the one that is done less; else NULL */
    bool survived;            /* … by the requests that saw them */
    bool lacking;             /* calls to the group that never came: all else is seen at the peer */
    struct str metric, text;
};

struct missing_edge;
struct answers;
struct edges;

/* By group, as a caller and as a callee: how bad its edges are, by how well they are known, and
 * what they weigh (ends.c). */
struct ends {
    double *sum[2], *n[2];
};

struct candidate {
    uint32_t group;           /* of the level's groups */
    name_no name;             /* instance or operation, by level; NAME_NONE */
    double weak;              /* value of what may be chance, for hints */
    struct finding *findings; /* the weightiest first, once weighed */
    double score;
    bool significant;
};

struct work {
    const struct localise_input *input;
    struct arena *arena;
    struct groups services, versions; /* of all nodes of both roll-ups */
    struct groups *level;             /* which of them the suspects are; first the services */
    struct pairs by_service, by_version;
    struct pairs *pairs;     /* which of them, by the level */
    struct rollup siblings;  /* INSTANCE and GAP_INSTANCE of normal times, of all instances */
    double n_tests[N_TESTS]; /* that were made */
    double *origin_z; /* by group: of all failures that begin there; survived, of failed requests */
    struct visits *visits; /* by group of the level, then operation */
    uint32_t n_visits;
    struct edges *edges;     /* how slow the ways between two are */
    struct answers *answers; /* of edges whose callees tell of their visits */
    uint32_t n_answers;
    struct ends unmet;       /* by group: calls that never come to their callee, more than before */
    double *unanswered;      /* … as a callee, 0…1 */
    struct leaving *leaving; /* see leaving_make() */
    uint32_t n_leaving;
    uint32_t *callee_of_nameless; /* by caller, services: see nameless_make() */
    struct new_steps *new_steps;  /* by service: see own_steps_measure() */
    struct missing_edge *missing; /* edges whose calls became fewer */
    uint32_t n_missing;
    struct request_numbers requests[2];
    unsigned drift;   /* buckets that half of the services are slower by, at least */
    double growth[2]; /* of half of all own times, of half of all gaps: logarithms */
    double normal_ns; /* mean root duration in normal times, of what somebody waits for */
    struct candidate *candidates;
    uint32_t n_candidates, cap_candidates;
    bool memory_short;
};

/* By how many times now has the requests of normal times. */
static inline double now_longer(const struct work *work)
{
    return (double)work->requests[1].n / (double)work->requests[0].n;
}

/* groups.c */
bool groups_make(struct work *work, bool by_version, struct groups *groups);
/* At the level of versions what stands for all of a service's. */
uint32_t any_version(const struct work *work, uint32_t service);
bool pairs_make(struct work *work, const struct groups *groups, struct pairs *pairs);
void pairs_free(struct pairs *pairs);
/* The pairs of one channel and node: [*from, *to). */
void pairs_range(const struct pairs *pairs, unsigned channel, uint32_t node, uint32_t *from,
                 uint32_t *to);
bool pairs_any(const struct pairs *pairs, unsigned channel, uint32_t node); /* are there any? */
/* The pair with this key, NULL when there is none. */
const struct pair *pairs_find(const struct pairs *pairs, const struct tally_key *key);
/* What all instances of the pair's service did in normal times; NULL when there were none. */
bool siblings_make(struct work *work);
const struct tally *siblings_normal(struct work *work, const struct tally_key *instance);
struct node_text group_text(const struct work *work, const struct groups *groups, uint32_t group);
struct str name_text(const struct work *work, name_no name);

/* by_name.c */
/* Once, when services are known. False when memory is short. */
bool leaving_make(struct work *work);
/* May a span of this name be a call to the callee that nobody answered? Not where calls to others
 * alone leave by it. */
bool may_lead_to(const struct work *work, uint32_t caller, uint32_t callee, name_no name);
/* The only service to which calls leave by this name, by which nobody is asked for anything at the
 * caller itself; else NO_GROUP. */
uint32_t leads_to(const struct work *work, uint32_t caller, name_no name);

/* nameless.c */
/* For callers of whom calls without name and answer became many: whom they must have called. Once,
 * when services are known. False when memory is short. */
bool nameless_make(struct work *work);
/* The service that the nameless callee in a key of nodes must be; else NO_GROUP. */
uint32_t nameless_callee(const struct work *work, const struct tally_key *key);

/* localise.c */
/* 0…1, from the smaller sample and the distance to the score of the next, or of the first. */
double suspect_confidence(const struct diagnosis *diagnosis, const struct suspect *suspect,
                          double rival);
/* Adds value and fact to the suspect that the finding speaks of, made when it is new. Nothing for a
 * value of 0. `finding` is copied. */
void blame(struct work *work, const struct finding *finding);
/* The same, of an instance where the level asks for instances. */
void blame_instance(struct work *work, name_no instance, const struct finding *finding);
/* Is it beyond chance, of all that were looked at? Known once all findings are there. */
bool passes(const struct finding *finding);
/* A text in the arena. */
struct str say(struct work *work, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "12 ms", "1.4 s": two or three digits. */
struct str say_ns(struct work *work, double ns);
/* "4.7 %" */
struct str say_share(struct work *work, double share);

/* visits.c */
/* Visits of one service for one operation. */
struct visits {
    uint32_t group;
    name_no operation;
    double n[2], failed[2], carried[2]; /* all; those that failed; … because a call they made did */
    double stopped;                     /* now, beyond normal, before they came to their end */
    double calls[2], lost[2]; /* made to whom count_made() is asked of; that never came there */
};
bool visits_make(struct work *work);
/* Those of one group: [*from, *to). */
void visits_range(const struct work *work, uint32_t group, uint32_t *from, uint32_t *to);
/* … for one operation; NULL without. */
struct visits *visits_of(const struct work *work, uint32_t group, name_no operation);
/* By (service, operation), or of the whole service (NAME_NONE); of who reports none, the calls that
 * came in. */
void count_visits(const struct work *work, uint32_t group, name_no operation, double visits[2]);
/* Of a pair of FLOW: did the visit fail? */
bool is_failed_visit(const struct pair *pair);
/* Visits that fail now and did not before: what they no longer came to is told by the failure. */
double newly_failed(const struct work *work, uint32_t group, const double visits[2]);

/* Of the pair's operation so many more visits than in normal times stop early. */
void note_stopped(const struct work *work, const struct pair *pair, double more);

/* Calls of an edge over all its operations, and visits of its caller that made them: normal's as
 * they would be had its visits been made up as now's are. */
struct made {
    double calls[2], visits[2];
};
enum calls_counted { CALLS_ALL, CALLS_GOOD }; /* with those tried again; that did not fail */
/* Calls that a visit did not make that failed because a call that it made did; that failed; or that
 * failed or stopped early, are not missing: that is told by the failure, by the stop. */
enum missing_by { MISSING_BY_CARRIED, MISSING_BY_FAILED, MISSING_BY_STOPPED };
/* Of the edge whose first pair that is; gives how many pairs it has. */
uint32_t count_made(const struct work *work, uint32_t first, enum calls_counted counted,
                    enum missing_by by, struct made *made);

/* Calls of one kind, and what is to be told of them. */
struct made_by {
    struct made all, unstopped; /* as asked for, of edges MISSING_BY_FAILED; MISSING_BY_STOPPED */
    double edge[2];             /* calls a visit of all kinds to that callee */
    double good_growth;         /* calls a visit that did not fail: times as many as before */
};
/* Is it known of the edge for what its caller was visited when it made the calls? Then its pairs
 * can be asked for, until another edge is. */
bool is_asked_known(const struct work *work, uint32_t first);
/* Of one operation in visits for one operation; false: too few, or of calls of no known kind. */
bool made_by_pair(const struct work *work, const struct pair *pair, enum missing_by by,
                  struct made_by *made);
/* Of all its calls. */
struct made_by made_by_edge(const struct work *work, uint32_t first);

/* flow.c */
/* How far from chance the change of calls a visit is, in standard errors. */
double calls_z(const double calls[2], const double visits[2]);

/* mix.c */
/* The share of a service's visits, or of those of one operation (NAME_NONE: of all), whose kind, by
 * caller and operation, came and comes no longer: 0…1. As much of a change of what a visit does is
 * none of its own doing. */
double mix_lost(const struct work *work, uint32_t group, name_no operation);

/* Is the change of an edge's calls a visit no more than other kinds of visits bring about? */
bool is_of_mix(const struct work *work, uint32_t caller, name_no operation,
               const struct made *made);

/* failures.c */
/* Do failures of two operations begin at one place for one reason? Told apart they read as four
 * facts where there is one. */
bool are_failures_alike(const struct finding *a, const struct finding *b);
/* "12 % of requests fail first at cart → redis HSET, UO: connection pool full (normal 0 %)"; `all`:
 * whatever the operation. */
struct str failures_text(struct work *work, const struct finding *finding, bool all);
/* "connection pool full at its calls to redis": what it is, as seen from the suspect. */
struct str failures_reason(struct work *work, const struct finding *finding);

/* own_steps.c */
/* Steps of its own a visit, by one name, that a service's visits did not use to have. */
struct new_step {
    name_no step;
    double sure, any; /* beyond chance, or not */
};
struct new_steps {
    const struct new_step *items;
    uint32_t n;
};
/* Once, and before missing_measure(). False when memory is short. */
bool own_steps_measure(struct work *work);
/* Of those that may be calls to the callee, beyond chance; NO_GROUP: all. */
double sure_steps(const struct work *work, uint32_t caller, uint32_t callee);

/* missing.c */
/* Does the caller report its calls? Then one that it made and did not arrive would show. */
bool tries_would_show(const struct work *work, uint32_t caller, uint32_t callee);
/* A callee to which calls are missing, and its part of its caller's own failures. */
struct missing {
    uint32_t callee;
    double share, was, is; /* calls a visit */
};
#define MAX_MISSING 8
/* The callee's part of calls that are missing between the two, 0…1. */
double missing_share(const struct work *work, uint32_t caller, uint32_t callee);
/* Of the callees that the caller's visits lack the one that owes most of it. False without. */
bool missing_next(const struct work *work, uint32_t caller, struct missing *next);
/* The callee to which calls are missing from so many visits for the operation as are slow: they
 * waited for it in vain. False without. */
bool missing_waited_for(const struct work *work, uint32_t caller, name_no operation, double slow,
                        struct missing *waited);
/* Lays to the callee its part of what is told of its caller, with these words and its name behind
 * that; gives what is left to blame the caller for. */
double blame_lacking(struct work *work, const struct missing *lacking, const char *words,
                     struct finding finding);
/* unanswered.c */
bool unanswered_measure(struct work *work); /* once; false when memory is short */
/* Those whose missing answers explain so many failures that seem to begin at `caller`; gives how
 * many. was, is: shares of its calls that never come there. */
unsigned unanswered_callees(const struct work *work, uint32_t caller, double failures,
                            struct missing missing[]);

/* Measures all edges, once. False when memory is short. */
bool missing_measure(struct work *work);
/* Those that explain failures that seem to begin at `caller` in its visits for the operation; gives
 * how many. */
unsigned missing_callees(const struct work *work, uint32_t caller, name_no operation,
                         struct missing missing[]);
/* Those that a caller has stopped asking, for most of what it still asks fails: a circuit breaker;
 * gives how many. was, is: shares of its calls to them that fail. */
unsigned shunned_callees(const struct work *work, uint32_t caller, struct missing shunned[]);

/* latency.c */
struct slowness {
    double share; /* of its calls, 0…1: half of them count as all */
    double told;  /* … as they are counted for people */
    double z;
    double value; /* spoilt share of normal request time */
    double was_ns, is_ns;
    double far_ns; /* what calls far beyond normal take longer, where those say most; else 0 */
};
/* Both times must be of one kind of call. */
struct slowness slowness_of(const struct work *work, const struct tally *normal,
                            const struct tally *now);

/* Share and z of two histograms. */
void compare_times(const struct histogram *normal, const struct histogram *now, unsigned drift,
                   struct slowness *slow);

/* The same of two that were called at the same time. */
struct slowness slowness_beside(const struct work *work, const struct tally *others,
                                const struct tally *own);

/* Does a service take much less time than it ever did, as who gives up early does? */
bool is_own_time_shorter(const struct work *work, uint32_t group);

/* drift.c */
/* By how much all is slower, another hour or another machine: nobody's fault. Once. */
bool drift_measure(struct work *work);
/* How much of what a key of SELF or GAP has grown by is its own, 0…1. */
double growth_of_own(const struct work *work, unsigned channel, double was_ns, double is_ns);

/* kin.c: by group of the level. */
struct kin;
struct kin *kin_new(struct work *work);
/* Calls of one kind; nothing where one of the times has none. */
void kin_add(struct work *work, struct kin *all, uint32_t group, const struct tally *normal,
             const struct tally *now);
/* Share and z of all that was added to the group; false when it is too little. */
bool kin_test(const struct work *work, const struct kin *all, uint32_t group,
              struct slowness *slow);

/* ends.c */
/* All 0; in the arena. False when memory is short. */
bool ends_init(struct work *work, uint32_t n_groups, struct ends *ends);
/* How well an edge with so many calls is known, 0…1. */
double edge_weight(int64_t calls);
/* `share`: of the edge's calls that are bad, 0…1. */
void ends_add(struct ends *ends, const struct pair *edge, double share, double weight);
/* 0…1; 0 for who has no edges there. `end`: 0 caller, 1 callee, here and below. */
double ends_mean(const struct ends *ends, int end, uint32_t group);
/* Of a finding on an edge what one of its ends owes: sets group, peer, end and value. */
void blame_end(struct work *work, const struct pair *edge, int end, double value,
               struct finding *finding);

/* The share of all normal request time that a slow share of calls with so much more time spoils. */
double spoilt_time(const struct work *work, double share, double extra_ns);
/* What a key without a normal is judged by: a version by its service as a whole. */
const struct tally *usual_of(const struct work *work, const struct pair *pair);
/* So few times, on either side, that the key says nothing by itself. */
bool is_thin(const struct tally *normal, const struct tally *now);
/* As people write a group of the level. */
struct str level_name(struct work *work, uint32_t group);

/* edges.c */
bool is_gap(const struct pair *pair); /* between two that are known */
/* Measures all edges, once: before own times are looked at. */
bool edges_measure(struct work *work);
/* Of the pair of an edge. */
const struct slowness *edge_slowness(const struct work *work, const struct pair *pair);
/* Of an end's part in a slow edge, 0…1: who is slow to call is so for all that it calls, who is
 * slow to be reached for all who call it, and whose network is slow in both directions; above 1
 * when one of its instances has it all. */
double end_odds(struct work *work, int end, uint32_t group);
/* … by its instances alone: more than 1 when one of several has it. */
double instance_odds(struct work *work, int end, uint32_t group);

const struct ends *edge_ends(const struct work *work);
/* Of all gaps of an end together; 0 when they are too few. */
double edge_kin_z(const struct work *work, int end, uint32_t group);
/* Beside whose calls to the callee their own time grew, beyond chance. */
unsigned edge_slow_callers(const struct work *work, uint32_t callee);

/* zones.c */
/* Shares of an edge's calls that cross to another zone, of those whose two zones are known. */
struct zone_shift {
    double was, is;
};
/* Do more cross than before, from the same zones? A caller that moved says nothing about whom it
 * calls. */
bool zones_shifted(const struct work *work, const struct pair *edge, struct zone_shift *shift);

/* beside.c */
/* Lays what of own time lies beside calls to their callees, as far as they owe it: of one
 * operation, or (self NULL) of all of a service's that are too thin. `value` is what that own time
 * spoils, `extra_ns` by how much it grew in all. Gives the share that stays its own. */
double blame_beside(struct work *work, uint32_t group, const struct pair *self, double value,
                    double extra_ns);

/* latency.c, failures.c, unanswered.c, stops.c, flow.c, changes.c */
void find_slow_own(struct work *work);
void find_slow_gaps(struct work *work);
void find_failures(struct work *work);
void find_unanswered(struct work *work);
void find_flow(struct work *work);
void find_traffic(struct work *work);
void find_own_steps(struct work *work);
void find_entries(struct work *work);
void find_changes(struct work *work);

/* versions.c */
/* Of a step that ends more visits than before: more than 1 when it does after calls to one version
 * of the callee alone, less when at one version of the caller alone. */
double version_odds(const struct work *work, const struct pair *step);
/* Makes suspects of the services' versions, and of nobody else; the level is theirs from here on.
 * What is judged by version itself is for others to find. */
void share_out_to_versions(struct work *work);

/* instances.c */
/* Do many more visits end with calls to one instance of a service than to its others? */
bool stops_after_one_instance(const struct work *work, uint32_t group);
/* Makes suspects of the services' instances, and of nobody else. */
void share_out_to_instances(struct work *work);

/* narrow.c */
/* Adds to suspect->narrowed what explains the finding. */
void narrow(struct work *work, const struct finding *finding, uint32_t service,
            struct suspect *suspect);
/* Does one instance of several have what grew of the ways that it calls, or is called by? */
bool slow_in_one_instance(struct work *work, uint32_t group, enum gap_end end);
/* Of its calls whose time is known; 0 when there are none. */
double tally_mean_ns(const struct tally *tally);
/* Time above what was normal, of all calls of now. */
double tally_extra_ns(const struct tally *normal, const struct tally *now);

/* explain.c */
void explain(struct work *work, const struct candidate *candidate, struct suspect *suspect);

#endif
