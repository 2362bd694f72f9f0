/* watch.h - incidents from look to look: what users feel is tested at every entry, an incident
 * opens, is updated, takes in what its cause explains, and closes.
 *
 *   calm --symptom at an entry, and a significant suspect that the entry's requests pass--> open
 *   open --no symptom at its entries for close_after--> closed
 *
 * Several may be open: a further entry joins the one whose cause its requests pass too, and opens
 * another otherwise. While one is open, normal is what it was when the first of them opened.
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

/* An open incident as it stands. */
struct watched {
    struct watched *next;
    struct incident *incident; /* without suspects */
    struct rollup normal, normal_entries;
    double normal_s; /* how long normal was */
    struct tally_key entries[MAX_ENTRIES];
    unsigned n_entries;          /* where it shows; it is named by the first */
    uint64_t bad_ns;             /* end of the last look that showed a symptom */
    uint64_t counted_to;         /* step before which affected calls are counted */
    bool fresh;                  /* opened by this look */
    struct symptom_found *shows; /* during a look: at its sharpest entry; NULL: nowhere */
    struct buf active, scores;   /* its lines of /metrics */
};

/* The last weak symptom of an entry, which must show twice. */
struct suspicion {
    struct tally_key entry;
    uint64_t end; /* of the look */
};

struct watch {
    const struct localiser_settings *settings;
    struct query *query;
    struct steps *steps;
    uint32_t step_s;                             /* see rollup.h */
    unsigned look_every, look_steps, keep_steps; /* steps between looks, of a look, in memory */
    uint64_t last_id;
    struct watched *open;      /* in order of their opening */
    uint64_t calm_from;        /* step: what is before it belongs to an incident that is over */
    struct watched *by_series; /* the one that is told by series alone; NULL: none */
    uint64_t series_minute;    /* before which series are looked at */
    struct suspicion suspicions[MAX_ENTRIES];
    struct rollup far;   /* requests of a baseline that reaches further back than memory */
    uint64_t far_minute; /* when it was read */
    struct stat_series *n_opened;
    void (*changed)(void *ctx); /* the lines of /metrics are others */
    void *ctx;
};

uint64_t watch_step_ns(const struct watch *watch, uint64_t step);
/* Sets lengths and makes the steps, from the settings. False when memory is short. */
bool watch_init(struct watch *watch);
void watch_fini(struct watch *watch);
/* Goes on with stored incidents that were open; takes them. */
void watch_go_on(struct watch *watch, struct incident *incidents);
/* Incidents of later times have nothing to do with what comes. */
void watch_forget_later(struct watch *watch, uint64_t ns);
/* One look at the steps before `end`. */
void watch_look(struct watch *watch, uint64_t end);
struct watched *watched_new(void);
void watched_free(struct watched *watched);
/* Sends it to the store; what stays here is a copy without suspects. */
void watch_put(struct watch *watch, struct watched *watched, struct incident *incident);

/* ---- watch_series.c ---- */

/* Looks at the whole minutes before that one (of Unix time), where no spans came. */
void watch_series_look(struct watch *watch, uint64_t end_minute);
/* The same minute by minute through what a replay stored, at most its last six hours. */
void watch_series_walk(struct watch *watch);
/* Goes on with a stored one; takes it. */
void watch_series_go_on(struct watch *watch, struct incident *incident);

/* ---- watch_incident.c ---- */

struct look {
    uint64_t end; /* step behind the last that is looked at */
    const struct rollup *normal_entries;
    double normal_s;
    struct rollup now_entries;
};

/* Names belong to the localiser's thread, the incident to the writer: its texts are copied. */
void suspect_own_texts(struct arena *arena, struct suspect *suspect);
struct node_text node_text_copy(struct arena *arena, const struct node_text *node);
/* The incident without suspects, with texts of its own; NULL when memory is short. */
struct incident *incident_copy(const struct incident *from);
/* The first step that is another, at the entry that shows it. */
uint64_t watch_onset(struct watch *watch, const struct look *look,
                     const struct symptom_found *found);
/* Suspects of the time from `from_step`, that the entry's requests pass; `rival`: not those that
 * another incident is about. False when none is significant or memory is short. */
struct suspects_wanted {
    const struct rollup *normal;
    double normal_s;
    uint64_t from_step, end;
    const struct watched *owner; /* NULL: a new one */
};
bool watch_suspects(struct watch *watch, const struct suspects_wanted *wanted,
                    struct incident *incident);
void incident_summarise(struct incident *incident);
/* Writes the lines of /metrics of one incident. */
void watched_show(struct watched *watched, const struct incident *incident);

#endif
