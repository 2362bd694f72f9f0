/* faults.c - drawing a fault by its name, and asking what it does at a place and a time. */
#include "collector/simulate/faults.h"

#include <stdio.h>
#include <string.h>

#include "collector/base/buf.h"

int fault_open(const char *name, const struct mesh *mesh, uint64_t seed, struct fault_plan *plan,
               struct err *err)
{
    struct buf names;
    *plan = (struct fault_plan){.to_ns = UINT64_MAX};
    plan->at = (struct spot){MESH_NONE, MESH_NONE, MESH_NONE, MESH_NONE, MESH_NONE, MESH_NONE};
    for (const struct fault_row *row = fault_rows; row->name; row++) {
        if (strcmp(row->name, name) != 0)
            continue;
        struct draw draw = draw_from(seed, UINT64_C(0xfa17), (uint64_t)(row - fault_rows));
        plan->row = row;
        if (!row->draw(mesh, &draw, plan))
            return err_set(err, ERR_INVALID, "mesh %s has no place for the fault '%s'", mesh->name,
                           name);
        for (unsigned i = 0; i < plan->n_effects; i++)
            plan->kinds |= 1u << plan->effects[i].kind;
        return 0;
    }
    buf_init(&names, 4096);
    for (const struct fault_row *row = fault_rows; row->name; row++)
        buf_addf(&names, "%s%s", row == fault_rows ? "" : " ", row->name);
    err_set(err, ERR_INVALID, "there is no fault '%s'; there are: %.*s", name, (int)names.len,
            names.p);
    buf_fini(&names);
    return err->code;
}

static bool fits(uint16_t wanted, uint16_t is)
{
    return wanted == MESH_NONE || is == MESH_NONE || wanted == is;
}

const struct effect *fault_effect(const struct fault_plan *plan, enum effect_kind kind,
                                  uint64_t at_ns, const struct spot *spot)
{
    if (!plan || !(plan->kinds & 1u << kind) || at_ns < plan->from_ns || at_ns >= plan->to_ns)
        return NULL;
    for (unsigned i = 0; i < plan->n_effects; i++) {
        const struct effect *effect = &plan->effects[i];
        const struct spot *at = &effect->spot;
        if (effect->kind == kind && fits(at->callee, spot->callee) &&
            fits(at->caller, spot->caller) && fits(at->caller_version, spot->caller_version) &&
            fits(at->version, spot->version) && fits(at->pod, spot->pod) &&
            fits(at->operation, spot->operation))
            return effect;
    }
    return NULL;
}

bool fault_hits(const struct fault_plan *plan, const struct effect *effect, uint64_t at_ns,
                struct draw *draw)
{
    double share = effect->share;
    uint64_t age_ns = at_ns - plan->from_ns;
    if (age_ns < effect->ramp_ns)
        share *= (double)age_ns / (double)effect->ramp_ns;
    return draw_hit(draw, share);
}

uint64_t fault_delay(const struct effect *effect, struct draw *draw)
{
    if (effect->add_ns <= 0)
        return 0;
    return draw_time(draw, (double)effect->add_ns, effect->spread);
}
