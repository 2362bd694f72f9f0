/* incident.h - a time in which users' requests were spoilt, on its way from who finds it to the
 * store.
 */
#ifndef MODEL_INCIDENT_H
#define MODEL_INCIDENT_H

#include "collector/model/diagnosis.h"

/* What users feel, at an entry. */
enum symptom { SYMPTOM_ERRORS, SYMPTOM_LATENCY, SYMPTOM_TRAFFIC, N_SYMPTOMS };

struct incident {
    struct arena arena; /* its texts and suspects */
    struct incident *next;
    uint64_t id;
    uint64_t onset_ns, opened_ns;
    uint64_t updated_ns;    /* end of the last look; closed: of the last that found it bad */
    uint64_t closed_ns;     /* after the calm that followed; 0: open */
    struct node_text entry; /* where it shows most */
    struct str operation;
    enum symptom symptom;
    double failed_share; /* when that was seen last; closed: at its worst */
    int64_t affected_calls;
    struct str summary;
    struct str began;         /* its sentence that says where; not stored by itself */
    struct node_text cause;   /* the first suspect when suspects were looked for last */
    struct suspect *suspects; /* none: those that are stored stay */
    uint32_t n_suspects;
};

/* NULL when memory is short. */
struct incident *incident_new(void);
void incident_free(struct incident *incident);
const char *symptom_word(enum symptom symptom);
/* The symptom of a word; errors when there is none. */
enum symptom symptom_from_word(struct str word);

#endif
