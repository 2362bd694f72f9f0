/* missing_internal.h - calls of one edge that are missing; shared by missing.c and
 * missing_places.c. Groups are services. */
#ifndef LOCALISE_MISSING_INTERNAL_H
#define LOCALISE_MISSING_INTERNAL_H

#include "collector/localise/work.h"

/* How far from chance calls are, by what their callers were asked for. */
struct asked_z {
    double least;
    double sum; /* of those within chance */
    unsigned n; /* … so many */
};

struct missing_edge {
    uint32_t caller, callee;
    struct made made;
    struct asked_z asked;
    double was, is;   /* calls a visit of the caller */
    double drop;      /* share of the calls that are missing, 0…1 */
    double weight;    /* how well that is known, 0…1 */
    bool gone;        /* with an instance of the callee */
    bool thin;        /* too few calls to say anything by itself */
    bool significant; /* beyond chance */
    bool blind;       /* the caller reports no calls: one that does not arrive leaves nothing */
    /* By missing_place(), of calls that are missing and leave nothing: */
    bool missed;      /* beyond chance, and not told by a new step to be others' */
    bool first;       /* … nor for those of another callee, that would have come before */
    double tried;     /* share of them that seem to have been made, 0…1 */
    double untried;   /* … and that would be seen if they had been, and are not */
    unsigned further; /* operations of the caller, but for one, that end right before the call */
};

/* Calls of the caller's visits for one operation to one callee. */
struct asked_calls {
    bool known;  /* enough of them in normal times */
    double drop; /* share that is missing */
    double step; /* around a step: share of the visits that have it now; else 1 */
    double z;    /* of how many they are: below 0 fewer */
    bool significant;
};
struct asked_calls calls_asked(const struct work *work, uint32_t caller, uint32_t callee,
                               name_no operation);
/* Of all its visits with one step of the caller's own. */
struct asked_calls calls_asked_around(const struct work *work, uint32_t caller, uint32_t callee,
                                      name_no step);

/* In normal times, of a caller's visits with calls to a callee: all, those that would tell of the
 * call if nobody answered it, and those that would leave a step of the caller's own. */
struct starts {
    double n, told, steps;
};
struct starts starts_of(const struct work *work, uint32_t caller, uint32_t callee);

/* Once all edges are measured. */
void missing_place(struct work *work);

#endif
