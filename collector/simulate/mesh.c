/* mesh.c - putting a mesh together; names of pods and addresses follow from places, never from the
 * seed, so that two runs have the same instances.
 */
#include "collector/simulate/mesh.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/str.h"
#include "collector/simulate/draw.h"

#define LEAST_REACH 1e-5
#define PODS_A_HOST 8

/* Letters and digits that Kubernetes puts behind names: no vowels, nothing that looks alike. */
static void add_suffix(char *text, size_t size, uint64_t number, unsigned n)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    size_t len = strlen(text);
    for (unsigned i = 0; i < n && len + 1 < size; i++) {
        text[len++] = letters[number % (sizeof(letters) - 1)];
        number /= sizeof(letters) - 1;
    }
    text[len] = '\0';
}

static void name_pod(struct mesh_pod *pod, const struct mesh_service *service, const char *version,
                     uint16_t number)
{
    char text[sizeof(pod->name)];
    bool versioned = version[0] && service->place != PLACE_GATEWAY;
    struct draw set = draw_from(8, pod->version, pod->service); /* one replica set a version */
    struct draw draw = draw_from(7, number, pod->service);
    snprintf(text, sizeof(text), "%s-%s%s", service->name, versioned ? version : "",
             versioned ? "-" : "");
    add_suffix(text, sizeof(text), draw_number(&set) >> 8, 9);
    size_t len = strlen(text);
    snprintf(text + len, sizeof(text) - len, "-");
    add_suffix(text, sizeof(text), draw_number(&draw) >> 8, 5);
    memcpy(pod->name, text, sizeof(text));
    snprintf(pod->ip, sizeof(pod->ip), "10.%u.%u.%u", pod->zone[3] == '1' ? 4u : 5u, number / 200u,
             10u + number % 200u);
}

static void add_pods(struct mesh *mesh, uint16_t service, uint16_t version, unsigned n_pods)
{
    struct mesh_version *row = &mesh->services[service].versions[version];
    const struct mesh_service *of = &mesh->services[service];
    bool second = strcmp(of->cluster, "eu-1") != 0;
    row->first_pod = mesh->n_pods;
    row->n_pods = (uint16_t)n_pods;
    for (unsigned i = 0; i < n_pods; i++) {
        assert(mesh->n_pods < MESH_PODS);
        uint16_t number = mesh->n_pods++;
        struct mesh_pod *pod = &mesh->pods[number];
        static const char *const zones[2][2] = {{"eu-1a", "eu-1b"}, {"eu-2a", "eu-2b"}};
        *pod = (struct mesh_pod){.service = service, .version = version};
        pod->side = i % 2;
        pod->zone = zones[second][i % 2];
        /* Machines of a zone fill one after the other. */
        pod->host = (uint16_t)(2 * (number / (2 * PODS_A_HOST)) + i % 2);
        name_pod(pod, of, row->name, number);
    }
}

uint16_t mesh_add_service(struct mesh *mesh, const struct mesh_service *service, unsigned n_pods)
{
    assert(mesh->n_services < MESH_SERVICES);
    uint16_t number = mesh->n_services++;
    struct mesh_service *added = &mesh->services[number];
    *added = *service;
    added->n_versions = 1;
    added->versions[0].share = 1;
    add_pods(mesh, number, 0, n_pods);
    return number;
}

void mesh_add_version(struct mesh *mesh, uint16_t service, const char *name, double share,
                      unsigned n_pods)
{
    struct mesh_service *of = &mesh->services[service];
    assert(of->n_versions < MESH_VERSIONS);
    uint16_t version = of->n_versions++;
    of->versions[version] = (struct mesh_version){.name = name, .share = share};
    of->versions[0].share -= share;
    add_pods(mesh, service, version, n_pods);
}

uint16_t mesh_add_operation(struct mesh *mesh, const struct mesh_operation *operation)
{
    assert(mesh->n_operations < MESH_OPERATIONS);
    struct mesh_operation *added = &mesh->operations[mesh->n_operations];
    *added = *operation;
    added->consumer = MESH_NONE;
    return mesh->n_operations++;
}

void mesh_add_step(struct mesh *mesh, uint16_t operation, const struct mesh_step *step)
{
    struct mesh_operation *of = &mesh->operations[operation];
    assert(mesh->n_steps < MESH_STEPS);
    assert(of->n_steps == 0 || of->step + of->n_steps == mesh->n_steps);
    if (!of->n_steps)
        of->step = mesh->n_steps;
    of->n_steps++;
    mesh->steps[mesh->n_steps++] = *step;
}

void mesh_add_entry(struct mesh *mesh, uint16_t operation, double weight)
{
    assert(mesh->n_entries < MESH_ENTRIES);
    mesh->entries[mesh->n_entries++] = (struct mesh_entry){operation, weight};
}

uint16_t mesh_service(const struct mesh *mesh, const char *name)
{
    for (uint16_t i = 0; i < mesh->n_services; i++) {
        if (strcmp(mesh->services[i].name, name) == 0)
            return i;
    }
    return MESH_NONE;
}

uint16_t mesh_operation(const struct mesh *mesh, uint16_t service, const char *name)
{
    for (uint16_t i = 0; i < mesh->n_operations; i++) {
        if (mesh->operations[i].service == service && strcmp(mesh->operations[i].name, name) == 0)
            return i;
    }
    return MESH_NONE;
}

/* Calls are followed downwards; no operation reaches itself, so this ends. */
static void add_reach(struct mesh *mesh, uint16_t operation, double share)
{
    const struct mesh_operation *of = &mesh->operations[operation];
    mesh->reach[operation] += share;
    if (of->consumer != MESH_NONE)
        add_reach(mesh, of->consumer, share);
    for (uint16_t i = 0; i < of->n_steps; i++) {
        const struct mesh_step *step = &mesh->steps[of->step + i];
        if (share * step->share > LEAST_REACH)
            add_reach(mesh, step->operation, share * step->share);
    }
}

static void finish(struct mesh *mesh)
{
    double sum = 0;
    for (uint16_t i = 0; i < mesh->n_entries; i++)
        sum += mesh->entries[i].weight;
    for (uint16_t i = 0; i < mesh->n_entries; i++) {
        mesh->entries[i].weight /= sum;
        add_reach(mesh, mesh->entries[i].operation, mesh->entries[i].weight);
    }
}

int mesh_open(const char *name, struct mesh **result, struct err *err)
{
    uint64_t n = 0;
    bool shop = strcmp(name, "shop") == 0;
    if (!shop && (!str_to_u64(str_of(name), &n) || n < 3 || n > 400))
        return err_set(err, ERR_INVALID,
                       "there is no mesh '%s'; take shop, or a number of services from 3 to 400",
                       name);
    struct mesh *mesh = calloc(1, sizeof(*mesh));
    if (!mesh)
        return err_set(err, ERR_BUSY, "memory is short");
    if (shop)
        mesh_describe_shop(mesh);
    else
        mesh_describe_made(mesh, (unsigned)n);
    finish(mesh);
    *result = mesh;
    return 0;
}

void mesh_close(struct mesh *mesh)
{
    free(mesh);
}
