/* watch.h - incidents from look to look: what users feel is tested at every entry, an incident
 * opens, is updated, takes in what its cause explains, and closes.
 *
 *   calm --symptom at an entry, and a significant suspect that the entry's requests pass--> open
 *   open --no symptom at its entries for close_after--> closed
 *
 * Several may be open: a further entry joins the one whose cause its requests pass too, and opens
 * another otherwise. While one is open, normal is what it was when the first of them opened.
 *
 * What one shows may come to be what another is about: then it goes on as that other's, and the
 * first closes with what it had found.
 *
 * An entry that shows one may come to show a second: it is worse than it was since the first began,
 * or since that last paused, and who makes the difference is another. Such entries are shared: each
 * of their incidents goes on while its own cause is to blame.
 */
#ifndef COMMAND_WATCH_H
#define COMMAND_WATCH_H

#include "collector/base/buf.h"
#include "collector/base/err.h"
#include "collector/command/localiser.h"
#include "collector/localise/steps.h"
#include "collector/localise/symptom.h"
#include "collector/store/query.h"

#define MAX_ENTRIES 32 /* of one incident */

/* Where an open incident shows. */
struct watched_entry {
    struct tally_key key;
    enum symptom symptom;              /* failures, once there are any */
    double share;                      /* of its requests when it showed that last */
    double worst;                      /* … and in the worst look */
    int64_t affected;                  /* of its calls, by what it shows */
    const struct symptom_found *shows; /* during a look; NULL: nothing */
};

/* An open incident as it stands. */
struct watched {
    struct watched *next;
    struct incident *incident; /* without suspects */
    /* What suspects are told from: normal, or of a second one the time when the first was alone. */
    struct rollup normal;
    struct rollup normal_entries; /* what symptoms are told from: normal */
    double normal_s, entries_s;   /* how long these were */
    bool second;
    struct watched_entry entries[MAX_ENTRIES];
    unsigned n_entries, named; /* by which of them the incident is named */
    bool together;             /* opened by what several entries show as one */
    unsigned window;           /* number of the look by which it goes on */
    uint64_t bad_ns;           /* end of the last look that showed a symptom */
    uint64_t paused;           /* step of the last such look before it paused; 0: never did */
    uint64_t counted_to;       /* step before which affected calls are counted */
    unsigned passes_on;        /* looks in a row that lay what it shows on another */
    bool fresh;                /* opened by this look */
    bool blamed;               /* during a look: its cause is to blame */
    const struct symptom_found *shows; /* during a look: at its sharpest entry; NULL: nowhere */
    struct buf active, scores;         /* its lines of /metrics */
};

/* The last weak symptom of an entry, or of several as one, which must show twice. */
struct suspicion {
    struct tally_key scope;
    unsigned window;
    uint64_t end; /* of the look */
};

/* How far back looks test: the quick one sees what is plain at once, the next is for where there is
 * traffic, the others are for entries with little. A single window shows too little to tell that
 * an incident is over, and what is seen in it may have begun a little before: what the quick one
 * opens goes on by the whole look behind it, and has its normal. */
#define N_LOOKS 4
#define QUICK_LOOK 0

static inline unsigned watch_whole_look(unsigned window)
{
    return window == QUICK_LOOK ? QUICK_LOOK + 1 : window;
}

struct watch {
    const struct localiser_settings *settings;
    struct query *query;
    struct steps *steps;
    uint32_t step_s;                 /* see rollup.h */
    unsigned look_every, keep_steps; /* steps between looks, and in memory */
    unsigned look_steps[N_LOOKS];    /* … of a look, the shortest first */
    double look_z[N_LOOKS];          /* by which its symptoms are beyond chance */
    uint64_t last_id;
    struct watched *open;      /* in order of their opening */
    uint64_t calm_from;        /* step: what is before it belongs to an incident that is over */
    struct watched *by_series; /* the one that is told by series alone; NULL: none */
    uint64_t series_minute;    /* before which series are looked at */
    struct suspicion suspicions[N_LOOKS * MAX_ENTRIES], second_suspicions[N_LOOKS * MAX_ENTRIES];
    /* Requests of a baseline that reaches further back than memory, by look, and when they were
     * read. */
    struct rollup far[N_LOOKS];
    uint64_t far_minute[N_LOOKS];
    struct stat_series *n_opened;
    void (*changed)(void *ctx); /* the lines of /metrics are others */
    void *ctx;
};

uint64_t watch_step_ns(const struct watch *watch, uint64_t step);
/* Sets lengths and makes the steps, from the settings. False when memory is short. */
bool watch_init(struct watch *watch);
void watch_fini(struct watch *watch);
/* Incidents of later times have nothing to do with what comes. */
void watch_forget_later(struct watch *watch, uint64_t ns);
/* One look at the steps before `end`. */
void watch_look(struct watch *watch, uint64_t end);
struct watched *watched_new(void);
void watched_free(struct watched *watched);
/* Sends it to the store; what stays here is a copy without suspects. */
void watch_put(struct watch *watch, struct watched *watched, struct incident *incident);

/* ---- what the files of the watch share ---- */

struct look {
    unsigned window;    /* its number */
    uint64_t from, end; /* first step that is looked at, and the one behind the last */
    uint64_t calm_to;   /* what is before this step's minute may be normal */
    uint64_t since;     /* an onset lies behind this step: what is before it is another's */
    unsigned n_minutes; /* of normal with requests */
    const struct rollup *normal_entries;
    double normal_s;
    struct rollup calm, now_entries;
};

/* So many minutes with requests are learnt before all is judged: WATCH_LEARN_MINUTES, or all of a
 * shorter baseline. */
#define WATCH_LEARN_MINUTES 5u
unsigned watch_learn_minutes(const struct watch *watch);
uint64_t watch_step_of(const struct watch *watch, uint64_t ns);
uint64_t watch_minute_of(const struct watch *watch, uint64_t step);
void watch_append(struct watch *watch, struct watched *watched);

/* ---- watch_entries.c ---- */

bool watched_has_entry(const struct watched *watched, const struct tally_key *entry);
/* Adds the entry where it was found. */
void watched_add_entry(struct watched *watched, const struct symptom_found *found);
/* The first one that shows at this entry; NULL when none does. */
struct watched *watch_owner(const struct watch *watch, const struct tally_key *entry);
bool watched_share_one(const struct watched *a, const struct watched *b);
/* Does it share an entry with another that is open? */
bool watch_shares_entry(const struct watch *watch, const struct watched *watched);
/* The look shows this; where it is an entry of the incident's, the incident goes on. */
void watched_note(struct watched *watched, const struct symptom_found *found);
void watched_forget_shown(struct watched *watched);
/* What the look shows at each entry is how it stands. */
void watched_take_shown(struct watched *watched);
/* Calls of its entries that what they show spoilt, from where they were counted last up to `end`.
 */
int64_t watch_count_affected(struct watch *watch, struct watched *watched, uint64_t end);
/* The incident's entry, symptom and share: of where most calls are spoilt. */
void watch_name_entry(struct watch *watch, struct watched *watched, struct incident *incident);
/* The entries with most spoilt calls, the named one first; gives how many, up to `max`. */
unsigned watch_worst_entries(const struct watch *watch, const struct watched *watched,
                             struct query_entry entries[], unsigned max);

/* ---- watch_normal.c ---- */

bool watch_add_all(struct rollup *into, const struct rollup *from);
/* What lies before the look: minutes that belong to no incident. */
bool watch_sum_normal(struct watch *watch, const struct look *look, bool entries,
                      struct rollup *sum, unsigned *n_minutes);
/* Goes on with stored incidents that were open; takes them. */
void watch_go_on(struct watch *watch, struct incident *incidents);

/* ---- watch_open.c ---- */

/* The open one that is about this; NULL when none is. */
struct watched *watch_about(const struct watch *watch, const struct node_text *cause);
/* Opens incidents for what the look found at entries that show none yet, or lets them join. */
void watch_open_new(struct watch *watch, const struct look *look, struct symptom_found *found,
                    unsigned n);
/* Opens incidents at entries that show one already. */
void watch_open_second(struct watch *watch, const struct look *look);

/* ---- watch_series.c ---- */

/* Looks at the whole minutes before that one (of Unix time), where no spans came. */
void watch_series_look(struct watch *watch, uint64_t end_minute);
/* The same minute by minute through what a replay stored, at most its last six hours. */
void watch_series_walk(struct watch *watch);
/* Goes on with a stored one; takes it. */
void watch_series_go_on(struct watch *watch, struct incident *incident);

/* ---- watch_incident.c ---- */

/* Closes an incident that has been calm for so long at `end_ns`; false when it has not. */
bool watched_close(const struct watched *watched, uint64_t end_ns, uint64_t calm_ns,
                   struct incident *incident);

/* Names belong to the localiser's thread, the incident to the writer: its texts are copied. */
void suspect_own_texts(struct arena *arena, struct suspect *suspect);
struct node_text node_text_copy(struct arena *arena, const struct node_text *node);
/* The incident without suspects, with texts of its own; NULL when memory is short. */
struct incident *incident_copy(const struct incident *from);
/* The first step that is another, at the entry that shows it. */
uint64_t watch_onset(struct watch *watch, const struct look *look,
                     const struct symptom_found *found);
/* Suspects of the time from `from_step`, that the requests of its entries pass. False when none is
 * significant or memory is short. */
struct suspects_wanted {
    const struct rollup *normal;
    double normal_s;
    uint64_t from_step, end;
    bool together; /* several entries show it as one: any may pass there */
    bool shared;   /* others spoil requests there too */
    const struct watched *watched;
    bool spare_others; /* not those that another incident is about */
};
bool watch_suspects(struct watch *watch, const struct suspects_wanted *wanted,
                    struct incident *incident);
/* Is its cause significant in the steps from there up to `end`? True too where they are too few to
 * say. */
bool watched_is_to_blame(struct watch *watch, const struct watched *watched, uint64_t from_step,
                         uint64_t end);
/* The open one that is about the first suspect of these steps, where its own cause is none of them;
 * NULL: there is none. */
struct watched *watched_passes_to(struct watch *watch, const struct watched *watched,
                                  uint64_t from_step, uint64_t end);
bool same_service(const struct node_text *a, const struct node_text *b);
void incident_summarise(struct incident *incident);
/* Of one that was read from the file: its sentence where it began. */
void incident_recall_began(struct incident *incident);
/* Writes the lines of /metrics of one incident. */
void watched_show(struct watched *watched, const struct incident *incident);

#endif
