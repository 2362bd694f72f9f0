/* fault_places.c - reservoir draws: each of n that fit is as likely as the others. */
#include "collector/simulate/fault_places.h"

#include <string.h>

/* Shares of requests that pass the place: the first with anybody in it is taken. */
static const double reaches[] = {0.08, 0.04, 0.02, 0.01, 0.001};

#define N_REACHES (sizeof(reaches) / sizeof(reaches[0]))

static double service_reach(const struct mesh *mesh, uint16_t service)
{
    double reach = 0;
    for (uint16_t i = 0; i < mesh->n_operations; i++) {
        if (mesh->operations[i].service == service)
            reach += mesh->reach[i];
    }
    return reach;
}

double place_needed_reach(const struct mesh *mesh, uint16_t service)
{
    double reach = 0;
    for (uint16_t i = 0; i < mesh->n_operations; i++) {
        const struct mesh_operation *caller = &mesh->operations[i];
        for (uint16_t k = 0; k < caller->n_steps; k++) {
            const struct mesh_step *step = &mesh->steps[caller->step + k];
            if ((step->flags & STEP_NEEDED) && mesh->operations[step->operation].service == service)
                reach += mesh->reach[i] * step->share;
        }
    }
    return reach;
}

static uint16_t service_with(const struct mesh *mesh, struct draw *draw, service_fits *fits,
                             double least)
{
    uint16_t found = MESH_NONE;
    unsigned n = 0;
    for (uint16_t i = 0; i < mesh->n_services; i++) {
        double reach = fits == fits_needed ? place_needed_reach(mesh, i) : service_reach(mesh, i);
        if (reach >= least && fits(mesh, i) && draw_below(draw, ++n) == 0)
            found = i;
    }
    return found;
}

uint16_t place_service(const struct mesh *mesh, struct draw *draw, service_fits *fits)
{
    uint16_t found = MESH_NONE;
    for (size_t i = 0; i < N_REACHES && found == MESH_NONE; i++)
        found = service_with(mesh, draw, fits, reaches[i]);
    return found;
}

static bool edge_with(const struct mesh *mesh, struct draw *draw, edge_fits *fits, double least,
                      struct fault_edge *found)
{
    unsigned n = 0;
    for (uint16_t i = 0; i < mesh->n_operations; i++) {
        const struct mesh_operation *caller = &mesh->operations[i];
        for (uint16_t k = 0; k < caller->n_steps; k++) {
            const struct mesh_step *step = &mesh->steps[caller->step + k];
            struct fault_edge edge = {caller->service, mesh->operations[step->operation].service,
                                      step->operation};
            if (mesh->reach[i] * step->share >= least && fits(mesh, &edge, step) &&
                draw_below(draw, ++n) == 0)
                *found = edge;
        }
    }
    return n > 0;
}

bool place_edge(const struct mesh *mesh, struct draw *draw, edge_fits *fits,
                struct fault_edge *edge)
{
    for (size_t i = 0; i < N_REACHES; i++) {
        if (edge_with(mesh, draw, fits, reaches[i], edge))
            return true;
    }
    return false;
}

static bool is_entry(const struct mesh *mesh, uint16_t service)
{
    for (uint16_t i = 0; i < mesh->n_entries; i++) {
        if (mesh->operations[mesh->entries[i].operation].service == service)
            return true;
    }
    return false;
}

bool fits_inner(const struct mesh *mesh, uint16_t service)
{
    return mesh->services[service].place == PLACE_WORKLOAD && mesh->services[service].sidecar &&
           !is_entry(mesh, service);
}

bool fits_caller(const struct mesh *mesh, uint16_t service)
{
    for (uint16_t i = 0; i < mesh->n_operations; i++) {
        if (mesh->operations[i].service == service && mesh->operations[i].n_steps)
            return fits_inner(mesh, service);
    }
    return false;
}

bool fits_five_pods(const struct mesh *mesh, uint16_t service)
{
    return fits_needed(mesh, service) && mesh->services[service].versions[0].n_pods >= 5;
}

bool fits_canary(const struct mesh *mesh, uint16_t service)
{
    const struct mesh_service *of = &mesh->services[service];
    return fits_needed(mesh, service) && of->n_versions > 1 && of->versions[1].share < 0.01;
}

bool fits_needed(const struct mesh *mesh, uint16_t service)
{
    return fits_inner(mesh, service) && place_needed_reach(mesh, service) > 0;
}

bool fits_database(const struct mesh *mesh, uint16_t service)
{
    return mesh->services[service].place == PLACE_DATABASE;
}

bool fits_between(const struct mesh *mesh, const struct fault_edge *edge,
                  const struct mesh_step *step)
{
    return mesh->services[edge->caller].sidecar && mesh->services[edge->callee].sidecar &&
           !(step->flags & (STEP_TURNS | STEP_PLAIN));
}

bool fits_in_cluster(const struct mesh *mesh, const struct fault_edge *edge,
                     const struct mesh_step *step)
{
    return fits_between(mesh, edge, step) &&
           strcmp(mesh->services[edge->caller].cluster, mesh->services[edge->callee].cluster) == 0;
}

bool fits_needed_between(const struct mesh *mesh, const struct fault_edge *edge,
                         const struct mesh_step *step)
{
    return fits_between(mesh, edge, step) && (step->flags & STEP_NEEDED);
}

bool fits_canary_to_cache(const struct mesh *mesh, const struct fault_edge *edge,
                          const struct mesh_step *step)
{
    return mesh->services[edge->callee].place == PLACE_CACHE && (step->flags & STEP_NEEDED) &&
           fits_canary(mesh, edge->caller);
}

bool fits_on_miss(const struct mesh *mesh, const struct fault_edge *edge,
                  const struct mesh_step *step)
{
    return mesh->services[edge->caller].sidecar && (step->flags & STEP_ON_MISS);
}
