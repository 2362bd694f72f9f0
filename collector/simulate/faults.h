/* faults.h - the catalogue of faults: each row draws its target and its measures from the seed,
 * says to a person what happens, and knows the true origin.
 *
 * What a fault does is a few effects; the walk of a request asks for them where they act.
 */
#ifndef SIMULATE_FAULTS_H
#define SIMULATE_FAULTS_H

#include "collector/simulate/draw.h"
#include "collector/simulate/mesh.h"

enum effect_kind {
    EFFECT_SLOW,    /* a visit's own time: × factor, + add_ns */
    EFFECT_FAIL,    /* a visit fails by itself with `status` */
    EFFECT_STOP,    /* a visit answers well before its first step */
    EFFECT_SKIP,    /* a step is not made */
    EFFECT_REFUSE,  /* a call gets nowhere: `flag`, after add_ns */
    EFFECT_DELAY,   /* each way of a call takes add_ns more */
    EFFECT_VERSION, /* `share` of a service's traffic goes to a version */
    EFFECT_TRAFFIC, /* requests come `factor` times as often */
    EFFECT_PROXY,   /* the proxies of a service take add_ns more, each time they are passed */
    EFFECT_TURN,    /* a call goes out by the gateway and back in; add_ns more each way */
    EFFECT_PLAIN,   /* a call is clear text */
    EFFECT_CLOCK,   /* a machine's clock is add_ns ahead */
    EFFECT_MISS,    /* a cache misses: steps on a miss happen with `share` */
    EFFECT_ZONE,    /* no pod of a service's first zone answers: its calls go add_ns far */
    EFFECT_LOOKUP,  /* a call leaves its application add_ns late */
    EFFECT_RETRIES, /* calls are tried `factor` times again */
    N_EFFECTS
};

/* Where; MESH_NONE matches everything. */
struct spot {
    uint16_t caller, caller_version; /* services and their version */
    uint16_t callee, version, pod;   /* a visit's own service is its callee */
    uint16_t operation;              /* called, or visited */
};

struct effect {
    uint8_t kind; /* enum effect_kind */
    struct spot spot;
    double share; /* of the visits or calls that match, once the ramp is over */
    double factor;
    int64_t add_ns;
    double spread;    /* of add_ns, as draw_time takes it; 0: always the same */
    uint64_t ramp_ns; /* from the onset until `share` is reached */
    uint16_t status;  /* HTTP */
    const char *flag; /* Envoy's response flag */
    const char *exception, *message;
    uint16_t host;
};

enum origin_kind { ORIGIN_NONE, ORIGIN_SERVICE, ORIGIN_VERSION, ORIGIN_INSTANCE, ORIGIN_EDGE };

#define FAULT_EFFECTS 4

struct fault_plan {
    const struct fault_row *row; /* NULL: none */
    uint64_t from_ns, to_ns;     /* [from, to) of event time */
    unsigned n_effects;
    uint32_t kinds; /* bits of the effects' kinds */
    struct effect effects[FAULT_EFFECTS];
    uint8_t origin; /* enum origin_kind */
    struct spot at; /* the origin: callee is the service (of an edge: the called one) */
    char told[256]; /* what happens, for a person */
    char look[256]; /* where to look */
};

struct fault_row {
    const char *name, *text;
    bool quiet; /* no incident is right */
    /* Fills effects, origin and texts. False when the mesh has nothing it fits. */
    bool (*draw)(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan);
};

extern const struct fault_row fault_rows[]; /* ended by a NULL name */

/* ERR_INVALID names the faults there are, or says that the mesh has no place for it. */
int fault_open(const char *name, const struct mesh *mesh, uint64_t seed, struct fault_plan *plan,
               struct err *err);
/* The effect of a kind that acts on a spot at a time; NULL as a rule. */
const struct effect *fault_effect(const struct fault_plan *plan, enum effect_kind kind,
                                  uint64_t at_ns, const struct spot *spot);
/* Does it act this time? By its share and ramp. */
bool fault_hits(const struct fault_plan *plan, const struct effect *effect, uint64_t at_ns,
                struct draw *draw);
/* add_ns as it comes out this time. */
uint64_t fault_delay(const struct effect *effect, struct draw *draw);

#endif
